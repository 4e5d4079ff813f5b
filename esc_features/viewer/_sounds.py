"""What a clip sounds like: its stored waveform, else the recording that it was extracted from, and no other file."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..audio import OpenRecording
from ..datasets import leaves_folder
from ..exceptions import AudioError
from ..lazy import as_float32
from ._collection import Collection

# Seconds of a recording that are played at most: a clip may be a whole day.
LONGEST = 120.0
_OPEN_AT_ONCE = 4


@dataclass(frozen=True)
class Sound:
    """Samples of a clip, where they are from, and whether the clip is longer."""

    samples: np.ndarray
    sample_rate: int
    origin: str
    is_cut: bool = False

    @property
    def duration(self) -> float:
        return len(self.samples) / self.sample_rate


class Sounds:
    """The sounds of a store's clips.

    Parameters
    ----------
    collection : Collection
    audio : Path, optional
        Where file names start from, if the recordings have moved.

    Notes
    -----
    A store says where its recordings are, and it may have been made by a stranger: a file is only read out where its
    content is the one that was extracted, by the digest in the store, and never through a URL.
    """

    def __init__(self, collection: Collection, audio: Path | None = None):
        self._collection, self._audio = collection, audio
        self._waveforms = _best_waveforms(collection)
        self._open: OrderedDict[str, OpenRecording] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def origin(self) -> str:
        """What is played: "waveforms" of the store, or "recordings"."""
        return "recordings" if self._waveforms is None else "waveforms"

    def trouble(self) -> str:
        """Return why nothing can be played; "" where the first clip can."""
        try:
            if self._waveforms is None and len(self._collection):
                self._recording_of(0)
        except AudioError as error:
            return str(error)
        return ""

    def of(self, row: int) -> Sound:
        """Return the sound of a clip; AudioError says why there is none."""
        if self._waveforms is not None:
            samples = as_float32(self._waveforms.take([row])[0])
            return Sound(samples, int(self._waveforms.parameters["sample_rate"]), "the stored waveform")
        with self._lock:
            recording = self._recording_of(row)
            _, start, end = self._collection.identity(row)
            heard = recording.read(start, end, LONGEST)
        whole = min(end, recording.duration) - start
        return Sound(heard.mono, int(heard.sample_rate), "the recording", whole > LONGEST)

    def close(self) -> None:
        for recording in self._open.values():
            recording.close()
        self._open.clear()

    def _recording_of(self, row: int) -> OpenRecording:
        path = self._path_of(row)
        if path not in self._open:
            recording = OpenRecording(path)
            wanted = self._digest_of(row)
            if recording.digest != wanted:
                recording.close()
                raise AudioError(
                    f"{path} is not the recording that was extracted: its content is another. Extract again, or name "
                    "the folder of the recordings with --audio."
                )
            self._open[path] = recording
            while len(self._open) > _OPEN_AT_ONCE:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(path)
        return self._open[path]

    def _digest_of(self, row: int) -> int:
        try:
            return int(self._collection.column("audio_digest")[row])
        except (KeyError, ValueError):
            return -1

    def _path_of(self, row: int) -> str:
        filename = str(self._collection.column("filename")[row])
        if self._audio is not None:
            if leaves_folder(filename):
                raise AudioError(f"{filename!r} leads out of the folder {self._audio}, and is not opened.")
            return str(self._audio / filename)
        path = str(self._collection.column("path")[row])
        if not path:
            raise AudioError("The store does not say where its recordings are. Name their folder with --audio.")
        if "://" in path:
            raise AudioError(f"{path} is on another machine, and nothing is fetched. Extract the feature waveform.")
        if Path(path).is_absolute():
            return path
        if leaves_folder(path):
            raise AudioError(f"{path!r} leads out of the folder of the recordings, and is not opened.")
        return str(Path(self._collection.store.audio_folder) / path)


def envelope(samples: np.ndarray, bins: int = 600) -> list[list[float]]:
    """Return the lowest and highest sample of each of so many parts."""
    if not len(samples):
        return []
    starts = np.unique(np.arange(bins) * len(samples) // bins)
    low, high = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
    return [[round(float(a), 3), round(float(b), 3)] for a, b in zip(low, high, strict=True)]


def _best_waveforms(collection: Collection):
    """Return the stored waveforms of the highest rate; of these, the longest."""
    found = [
        array
        for name, array in collection.store.items()
        if collection.store.features[name]["class"].endswith(".Waveform")
        and len(array.shape) == 2
        and isinstance(array.parameters.get("sample_rate"), int | float)
        and math.isfinite(array.parameters["sample_rate"])
        and 100 <= array.parameters["sample_rate"] <= 400_000
    ]
    return max(found, key=lambda array: (array.parameters["sample_rate"], array.shape[1]), default=None)
