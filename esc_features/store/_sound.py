"""What a clip of a store sounds like, and a player of it for notebooks."""

from __future__ import annotations

import html
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

# A notebook keeps what it plays; a clip may be a whole day, and a recording is digested before it is played.
LONGEST = 60.0
_LARGEST_RECORDING = 64 << 20


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


def sound_of(arrays: list[StoreArray], row: int, seconds: float = LONGEST, most_bytes: int | None = None) -> Sound:
    """Return the sound of a clip: of the stored waveforms with the highest rate, else of its recording.

    A store may have been made by a stranger: a recording is only opened where it is a file of this machine, and only
    read out where its content is the one that was extracted.
    """
    one = arrays[0][[row]]
    name = clip_name(*one.clip_keys[0])
    waveforms = max(filter(holds_waveforms, arrays), key=lambda array: array.parameters["sample_rate"], default=None)
    if waveforms is not None:
        rate = int(waveforms.parameters["sample_rate"])
        samples = as_float32(waveforms.take([row])[0])
        most = _most_samples(seconds, rate, most_bytes)
        return Sound(samples[:most], rate, name, len(samples) > most)
    path, digest, start, end = _recording_of(one)
    with OpenRecording(path) as recording:
        if recording.digest != digest:
            raise AudioError(f"{path} is not the recording that was extracted: its content is another.")
        rate = int(recording.sample_rate)
        most = _most_samples(seconds, rate, most_bytes)
        samples = recording.read(start, end, (most + 0.5) / rate).mono
        return Sound(samples, rate, name, min(end, recording.duration) - start > (most + 1) / rate)


def holds_waveforms(array: StoreArray) -> bool:
    """Tell whether the rows are waveforms: as long as the rate and duration that they were computed with say."""
    try:
        spec = WaveformSpec(array.parameters["sample_rate"], array.parameters["duration"])
        return 100 <= spec.sample_rate <= 400_000 and array.shape[1:] == (spec.n_samples,)
    except (KeyError, TypeError, ValueError, OverflowError):
        return False


def _most_samples(seconds: float, rate: int, most_bytes: int | None) -> int:
    most = int(seconds * rate)
    return most if most_bytes is None else min(most, most_bytes // 2)


def _recording_of(one: StoreArray) -> tuple[str, int, float, float]:
    try:
        path = recording_path(str(one.column("path")[0]), one.facts.audio_folder)
        digest, (_, start, end) = int(one.column("audio_digest")[0]), one.clip_keys[0]
    except (KeyError, ValueError):
        raise AudioError("There are neither stored waveforms nor recordings of this clip.") from None
    if not path or "://" in path or path.startswith(("//", "\\\\")):
        raise AudioError(
            f"{path or 'The recording'} is not a file of this machine: extract the feature waveform to listen."
        )
    if not Path(path).is_file() or Path(path).stat().st_size > _LARGEST_RECORDING:
        raise AudioError(
            f"{path} is missing, or over {_LARGEST_RECORDING >> 20} MB: extract the feature waveform to listen."
        )
    return path, digest, start, end


def player_of(sound: Sound) -> Any:
    """Return IPython's player where IPython is there, else the sound, which notebooks play too."""
    try:
        from IPython.display import Audio
    except ImportError:
        return sound
    return Audio(data=sound.to_wav())


__all__ = ["LONGEST", "Sound", "holds_waveforms", "player_of", "sound_of"]
