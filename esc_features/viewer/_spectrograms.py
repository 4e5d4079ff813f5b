"""Pictures of clips: of a stored feature of two dimensions, or else of a mel spectrogram of the sound."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .._mel_scale import hz_to_mel
from .._pictures import envelope, spectrogram_png
from ..lazy import as_float32
from ..store import Sounds, StoreArray
from ._collection import Collection

THUMBNAIL = (64, 160)
# Most numbers of a clip that is drawn: to draw it, all of them are read.
_LARGEST = 1 << 23


@dataclass(frozen=True)
class Tick:
    """A number on an axis: position 0 is the lower end, 1 the upper."""

    position: float
    text: str


@dataclass(frozen=True)
class Axes:
    """What the picture of a feature shows: its seconds, and the ticks of its vertical axis."""

    feature: str
    duration: float | None
    ticks: tuple[Tick, ...]
    unit: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Spectrograms:
    """Pictures of the clips of a store; each is read and drawn on request."""

    def __init__(self, collection: Collection, sounds: Sounds):
        self._sounds = sounds
        arrays = {
            name: array
            for name, array in collection.store.items()
            if len(array.shape) == 3 and 0 < math.prod(array.shape[1:]) <= _LARGEST
        }
        mels = [name for name in arrays if _mel_parameters(arrays[name]) is not None]
        self._arrays = {name: arrays[name] for name in [*mels, *(name for name in arrays if name not in mels)]}

    @property
    def features(self) -> list[str]:
        """Names of the features that can be shown, mel spectrograms first."""
        return list(self._arrays) or ["mel"]

    def values(self, row: int, feature: str = "") -> np.ndarray:
        """Return the numbers of a picture, (bands, frames)."""
        if self._arrays:
            return as_float32(self._array(feature).take([row])[0])
        return mel_of(*self._samples_of(row))

    def png(self, row: int, feature: str = "") -> bytes:
        return spectrogram_png(self.values(row, feature))

    def thumbnail(self, row: int, feature: str = "") -> bytes:
        return spectrogram_png(self.values(row, feature), *THUMBNAIL)

    def axes(self, row: int, feature: str = "") -> Axes:
        """Return the axes of a picture."""
        if not self._arrays:
            samples, rate = self._samples_of(row)
            return mel_axes(len(samples) / rate, rate)
        array = self._array(feature)
        parameters = _mel_parameters(array)
        if parameters is None:
            bands = array.shape[1]
            ticks = tuple(Tick((band + 0.5) / bands, str(band)) for band in range(0, bands, max(1, bands // 5)))
            return Axes(array.feature_name, _seconds(array.parameters.get("duration")), ticks, "row")
        sample_rate, hop_length, low, high = parameters
        duration = (array.shape[2] - 0.5) * hop_length / sample_rate
        return Axes(array.feature_name, duration, frequency_ticks(low, high), "Hz")

    def _array(self, feature: str) -> StoreArray:
        name = feature or next(iter(self._arrays))
        if name not in self._arrays:
            raise ValueError(f"There is no picture of the feature {name!r}; there are {', '.join(self._arrays)}.")
        return self._arrays[name]

    def _samples_of(self, row: int) -> tuple[np.ndarray, int]:
        sound = self._sounds.of(row)
        return sound.samples, sound.sample_rate


def outline(samples: np.ndarray) -> list[list[float]]:
    """Return the lowest and highest sample of each part of a waveform, for its picture."""
    return envelope(samples, 600).T.astype(float).round(3).tolist()


def mel_of(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the mel spectrogram of a waveform, for a picture."""
    from ..features import MelSpectrogram

    hop_length = max(128, len(samples) // 300)  # about 300 frames, however long it is
    duration, fmax = len(samples) / sample_rate, sample_rate / 2
    mel = MelSpectrogram(sample_rate, duration, n_fft=2048, hop_length=hop_length, n_mels=96, fmax=fmax)
    return mel.transform([samples])[0]


def mel_axes(duration: float, sample_rate: int) -> Axes:
    """Return the axes of the picture of `mel_of`."""
    return Axes("mel", duration, frequency_ticks(0.0, sample_rate / 2), "Hz")


def frequency_ticks(low: float, high: float) -> tuple[Tick, ...]:
    """Return octaves from 500 Hz, which are far enough apart to be legible."""
    bottom, top = float(hz_to_mel(low)), float(hz_to_mel(high))
    wanted = [low, *(500.0 * 2**power for power in range(9))]
    places = [(hertz, (float(hz_to_mel(hertz)) - bottom) / (top - bottom)) for hertz in wanted if low <= hertz <= high]
    return tuple(Tick(place, f"{hertz:g}") for hertz, place in dict(places).items())


def _mel_parameters(array: StoreArray) -> tuple[float, float, float, float] | None:
    """Return sample rate, hop length, and lowest and highest frequency; None if these are not mel spectrograms."""
    parameters = array.parameters
    try:
        rate, hop = float(parameters["sample_rate"]), float(parameters["hop_length"])
        low = float(parameters.get("fmin") or 0)
        high = float(parameters.get("fmax") or rate / 2)
        is_mel = parameters["n_mels"] == array.shape[1]
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    sane = is_mel and 100 <= rate <= 1e7 and 1 <= hop <= 1e7 and 0 <= low < high <= 1e7
    return (rate, hop, low, high) if sane else None


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 < value < 1e6 else None
