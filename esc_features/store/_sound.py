"""What a clip of a store sounds like, and a player of it for notebooks."""

from __future__ import annotations

import functools
import html
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._pictures import data_uri, wav_bytes
from ..audio import OpenRecording, WaveformSpec
from ..datasets import clip_name
from ..exceptions import AudioError
from ..lazy import as_float32
from ..storage import recording_path

if TYPE_CHECKING:
    from ._store_array import StoreArray

# Seconds: a notebook keeps what it plays, and a clip may be a whole day.
LONGEST = 60.0
_LONGEST_ROW = 32_000_000
_OPEN_AT_ONCE = 2  # each may hold 64 MB


@dataclass(frozen=True, repr=False)
class Sound:
    """The samples of one clip; as the value of a notebook's cell, a player of them.

    The page holds the sound itself, so that it plays without a server and asks for nothing from elsewhere. Get one
    with `Store.sound`.

    Parameters
    ----------
    samples : ndarray of shape (samples,)
        Floats with full scale 1, one channel.
    sample_rate : int
        Hz.
    name : str
        Which clip it is.
    is_cut : bool, default=False
        Whether the clip is longer than these samples.
    origin : str, default=""
        What they were read from: "the stored waveform" or "the recording".

    Examples
    --------
    >>> from esc_features import open_store
    >>> open_store("stores/demo").sound(0)
    Sound('1-...wav', 5 s at 16000 Hz)
    """

    samples: np.ndarray
    sample_rate: int
    name: str
    is_cut: bool = False
    origin: str = ""

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate

    def to_wav(self) -> bytes:
        """Return the sound as a WAV file, 16 bits."""
        return wav_bytes(self.samples, self.sample_rate)

    def __repr__(self) -> str:
        return f"Sound({self.name!r}, {self.duration:.3g} s at {self.sample_rate} Hz)"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.name)}<br>{self.player()}</p>"

    def player(self) -> str:
        """Return the player alone, as HTML."""
        name, source = html.escape(self.name), data_uri(self.to_wav(), "audio/wav")
        note = f" <small>the first {self.duration:.3g} s</small>" if self.is_cut else ""
        style = "width:160px;height:32px"
        return f'<audio controls preload="none" aria-label="{name}" style="{style}" src="{source}"></audio>{note}'


class Sounds:
    """The sounds of the clips of a store: of the stored waveforms with the highest rate, else of the recordings.

    The one place that decides which file is played. A store says where its recordings are, and a stranger may have
    made it: a recording is only opened where it is a file of this machine, and only played where its content is the
    one that was extracted.

    Parameters
    ----------
    arrays : list of StoreArray
        Those of a store, of the same clips.
    audio : str, optional
        Where the file names of the clips start from, if the recordings have moved.
    column : callable, optional
        Returns a column of the clips by its name; by default that of the first array, read once.
    seconds : float, default=60.0
        Of each clip at most.
    most_samples : int, optional
        Of each clip at most.
    largest : int, optional
        Bytes of a recording that is opened at most: to compare its content, all of it is read.

    Examples
    --------
    >>> from esc_features import open_store
    >>> from esc_features.store import Sounds
    >>> sounds = Sounds([open_store("stores/demo")["waveform"]])
    >>> sounds.of(0).sample_rate
    16000
    """

    def __init__(
        self,
        arrays: list[StoreArray],
        *,
        audio: str | None = None,
        column: Callable[[str], np.ndarray] | None = None,
        seconds: float = LONGEST,
        most_samples: int | None = None,
        largest: int | None = None,
    ):
        self._waveforms = max(
            filter(holds_waveforms, arrays), key=lambda one: one.parameters["sample_rate"], default=None
        )
        self._facts, self._audio, self._column = arrays[0].facts, audio, column or functools.cache(arrays[0].column)
        self._seconds, self._most_samples, self._largest = seconds, most_samples, largest
        self._open: OrderedDict[str, OpenRecording] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def from_waveforms(self) -> bool:
        """Whether stored waveforms are played, and no recording is needed."""
        return self._waveforms is not None

    def of(self, row: int) -> Sound:
        """Return the sound of a clip.

        Parameters
        ----------
        row : int
            Its position in the arrays.

        Returns
        -------
        Sound

        Raises
        ------
        AudioError
            If there is none: it says why.
        """
        key = str(self._column("filename")[row]), float(self._column("start")[row]), float(self._column("end")[row])
        name, (_, start, end) = clip_name(*key), key
        if self._waveforms is not None:
            rate = int(self._waveforms.parameters["sample_rate"])
            samples, most = as_float32(self._waveforms.take([row])[0]), self._most(rate)
            return Sound(samples[:most], rate, name, len(samples) > most, "the stored waveform")
        with self._lock:
            recording = self._recording_of(row)
            rate = int(recording.sample_rate)
            most = self._most(rate)
            samples = recording.read(start, end, (most + 0.5) / rate).mono
            is_cut = min(end, recording.duration) - start > (most + 1) / rate
        return Sound(samples, rate, name, is_cut, "the recording")

    def _most(self, rate: int) -> int:
        return min(int(self._seconds * rate), self._most_samples or sys.maxsize)

    def _recording_of(self, row: int) -> OpenRecording:
        """Return the recording of a clip. The last few stay open: their next clips need no further look."""
        path, digest = self._place_of(row)
        if path not in self._open:
            recording = OpenRecording(path)
            if recording.digest != digest:
                recording.close()
                raise AudioError(f"{path} is not the recording that was extracted: its content is another.")
            self._open[path] = recording
            while len(self._open) > _OPEN_AT_ONCE:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(path)
        return self._open[path]

    def _place_of(self, row: int) -> tuple[str, int]:
        try:
            digest = int(self._column("audio_digest")[row])
            given = str(self._column("path" if self._audio is None else "filename")[row])
        except (KeyError, ValueError):
            raise AudioError("There are neither stored waveforms nor recordings of this clip.") from None
        path = recording_path(given, self._facts.audio_folder if self._audio is None else self._audio)
        if not path or "://" in path or path.startswith(("//", "\\\\")):
            raise AudioError(
                f"{path or 'The recording'} is not a file of this machine: extract the feature waveform to listen."
            )
        if not Path(path).is_file():
            raise AudioError(f"{path} is missing. Put it back, or extract the feature waveform, to listen.")
        if self._largest is not None and Path(path).stat().st_size > self._largest:
            raise AudioError(f"{path} is over {self._largest >> 20} MB. Extract the feature waveform to listen.")
        return path, digest

    def close(self) -> None:
        """Close the recordings that are open."""
        for recording in self._open.values():
            recording.close()
        self._open.clear()

    def __enter__(self) -> Sounds:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def holds_waveforms(array: StoreArray) -> bool:
    """Tell whether the rows are waveforms that can be played, each read as a whole.

    Parameters
    ----------
    array : StoreArray

    Returns
    -------
    bool
        Whether they are as long as the rate and duration that they were computed with say, and not longer than 32
        million samples.

    Examples
    --------
    >>> from esc_features import open_store
    >>> from esc_features.store import holds_waveforms
    >>> holds_waveforms(open_store("stores/demo")["mel"])
    False
    """
    try:
        spec = WaveformSpec(array.parameters["sample_rate"], array.parameters["duration"])
        sane = 100 <= spec.sample_rate <= 400_000 and spec.n_samples <= _LONGEST_ROW
        return sane and array.shape[1:] == (spec.n_samples,)
    except (KeyError, TypeError, ValueError, OverflowError):
        return False


def player_of(sound: Sound) -> Any:
    """Return IPython's player where IPython is there, else the sound, which notebooks play too."""
    try:
        from IPython.display import Audio
    except ImportError:
        return sound
    return Audio(data=sound.to_wav())


__all__ = ["Sound", "Sounds", "holds_waveforms", "player_of"]
