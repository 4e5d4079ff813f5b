"""The sounds of the clips of a store, with a player for notebooks."""

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

# Seconds: a notebook stores the sounds that it plays, and a clip may last a whole day.
LONGEST = 60.0
_LONGEST_ROW = 32_000_000
_OPEN_AT_ONCE = 2  # each may hold 64 MB


@dataclass(frozen=True, repr=False)
class Sound:
    """The samples of one clip, which notebooks display as a player.

    The page contains the sound itself, so it plays without a server and loads nothing from elsewhere. Get one with
    `Store.sound`.

    Parameters
    ----------
    samples : ndarray of shape (samples,)
        Floats with full scale 1, one channel.
    sample_rate : int
        Sample rate in Hz.
    name : str
        Name of the clip.
    is_cut : bool, default=False
        Whether the clip is longer than these samples.
    origin : str, default=""
        Source of the samples: "the stored waveform" or "the recording".

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
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    def to_wav(self) -> bytes:
        """Return the sound as the bytes of a WAV file with 16 bits per sample."""
        return wav_bytes(self.samples, self.sample_rate)

    def __repr__(self) -> str:
        return f"Sound({self.name!r}, {self.duration:.3g} s at {self.sample_rate} Hz)"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.name)}<br>{self.player()}</p>"

    def player(self) -> str:
        """Return the player without the name of the clip, as HTML."""
        name, source = html.escape(self.name), data_uri(self.to_wav(), "audio/wav")
        note = f" <small>the first {self.duration:.3g} s</small>" if self.is_cut else ""
        style = "width:160px;height:32px"
        return f'<audio controls preload="none" aria-label="{name}" style="{style}" src="{source}"></audio>{note}'


class Sounds:
    """The sounds of the clips of a store: stored waveforms of the highest sample rate, else the recordings.

    All players get their sounds here. A store names the paths of its recordings and may come from a stranger, so a
    recording is opened only if it is a file on this machine, and played only if its content is what was extracted.

    Parameters
    ----------
    arrays : list of StoreArray
        Arrays of a store, all with the same clips.
    audio : str, optional
        The folder that the file names are relative to, if the recordings have moved.
    column : callable, optional
        Returns a column of the clips by its name; by default that of the first array, read once.
    seconds : float, default=60.0
        Maximum length of a sound.
    most_samples : int, optional
        Maximum number of samples of a sound.
    largest : int, optional
        Maximum size of a recording in bytes: to check its content, all of it is read.

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
        """Whether stored waveforms are played, so that no recording is needed."""
        return self._waveforms is not None

    def of(self, row: int) -> Sound:
        """Return the sound of a clip.

        Parameters
        ----------
        row : int
            Position of the clip in the arrays.

        Returns
        -------
        Sound
            The sound, with at most `seconds` and `most_samples` of it.

        Raises
        ------
        AudioError
            If there is no sound; the message says why.
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
        """Return the recording of a clip; the last few stay open, so that their content is checked only once."""
        path, digest = self._place_of(row)
        if path not in self._open:
            recording = OpenRecording(path)
            if recording.digest != digest:
                recording.close()
                raise AudioError(
                    f"{path} is not the recording that was extracted: its content has changed. Put the original back, "
                    "or extract again."
                )
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
            raise AudioError(
                "There are neither stored waveforms nor recordings of this clip: extract the feature waveform."
            ) from None
        path = recording_path(given, self._facts.audio_folder if self._audio is None else self._audio)
        if not path or "://" in path or path.startswith(("//", "\\\\")):
            raise AudioError(
                f"{path or 'The recording'} is not a file on this machine: extract the feature waveform to listen."
            )
        if not Path(path).is_file():
            raise AudioError(f"{path} is missing. To listen, put it back or extract the feature waveform.")
        if self._largest is not None and Path(path).stat().st_size > self._largest:
            raise AudioError(
                f"{path} is larger than {self._largest >> 20} MB. To listen, extract the feature waveform."
            )
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
    """Return whether the rows of an array are waveforms that can be played.

    Parameters
    ----------
    array : StoreArray
        An array of a store.

    Returns
    -------
    bool
        True if the length of a row is that of its sample rate and duration, and at most 32 million samples.

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
    """Return IPython's player if IPython is installed, else the sound, which notebooks also play."""
    try:
        from IPython.display import Audio
    except ImportError:
        return sound
    return Audio(data=sound.to_wav())


__all__ = ["Sound", "Sounds", "holds_waveforms", "player_of"]
