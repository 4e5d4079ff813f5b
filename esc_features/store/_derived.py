"""Features that a store does not have: they are computed and cached in memory, up to a limit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..audio import file_digest
from ..exceptions import StoreError
from ..lazy import as_float32
from ._store_array import StoreArray

LARGEST_CACHE = 256 << 20
_BLOCK = 64


@dataclass(frozen=True)
class Derivation:
    """The way in which a feature is computed for clips of a store."""

    computed_from: str
    compute: Callable[[np.ndarray], np.ndarray]
    #: Changes with the computed numbers; None if that cannot be guaranteed.
    key: Hashable | None


def derivation_of(feature: Any, arrays: Mapping[str, StoreArray], fingerprints: Mapping[str, str], where: str):
    """Return how a feature can be computed for the clips of arrays of a store; raise StoreError if it cannot.

    `compute` of the result takes positions in these arrays.
    """
    from ..features import Waveform

    spec = feature.waveform()
    waveform = Waveform(sample_rate=spec.sample_rate, duration=spec.duration)
    for name, fingerprint in fingerprints.items():
        if fingerprint == waveform.fingerprint():
            return _from_waveforms(feature, arrays[name])
    clips = next(iter(arrays.values()))
    paths = clips.clips["path"].to_numpy()
    _check_recordings(clips, paths, feature, waveform, where)
    return _from_recordings(feature, clips, paths)


def _from_waveforms(feature: Any, waveforms: StoreArray) -> Derivation:
    def compute(rows: np.ndarray) -> np.ndarray:
        return feature.compute(as_float32(waveforms.take(rows)))

    return Derivation("stored waveforms", compute, _key(feature, waveforms.content_ids))


def _from_recordings(feature: Any, clips: StoreArray, paths: np.ndarray) -> Derivation:
    whole = (clips.column("start") == 0) & np.isinf(clips.column("end"))

    def compute(rows: np.ndarray) -> np.ndarray:
        if whole[rows].all():
            return np.asarray(feature.transform(paths[rows].tolist()))
        table = clips.clips.iloc[rows]
        return np.asarray(feature.transform(table[["path", "start", "end"]]))

    return Derivation("recordings", compute, _key(feature, clips.content_ids))


def _check_recordings(clips: StoreArray, paths: np.ndarray, feature: Any, waveform: Any, where: str) -> None:
    """Refuse recordings that are missing, or are not those that were extracted."""
    digests = dict(zip(paths.tolist(), clips.column("audio_digest").tolist(), strict=True))
    for path, digest in digests.items():
        problem = _problem(path, digest)
        if problem:
            raise StoreError(
                f"{where} has neither {feature!r} nor the waveforms to compute it from, {waveform!r}, and {problem}. "
                f"Run extract_features with that feature (or with those waveforms) and --out {where}."
            )


def _problem(path: str, digest: int) -> str:
    if not path:
        return "the path of a recording is not known"
    try:
        return "" if file_digest(path) == digest else f"its recording {path} has changed"
    except (OSError, ValueError) as error:
        return f"its recording {path} cannot be read ({error})"


def _key(feature: Any, content_ids: tuple[bytes, ...]) -> Hashable | None:
    try:
        return (feature.fingerprint(), content_ids)
    except ValueError:
        return None  # the class has no lasting description, so another one may look the same


class _Kept:
    """Rows of a feature for all clips of a store, as far as they have been computed."""

    def __init__(self, count: int, shape: tuple[int, ...], dtype: np.dtype):
        self.rows = np.empty((count, *shape), dtype)  # takes memory page by page, when it is written
        self.computed = np.zeros(count, bool)


# Not guarded by a lock: a lock that is held while a process forks would stay locked in the child forever. Threads that
# compute the same rows at the same time write the same numbers.
_kept: OrderedDict[Hashable, _Kept] = OrderedDict()


def derive(feature: Any, derivation: Derivation, clips: np.ndarray, count: int) -> np.ndarray:
    """Return the feature of clips, computing only those that this process has not computed before.

    `clips` are positions among the `count` clips of the store.
    """
    shape, dtype = tuple(feature.output_shape()), np.dtype(feature.dtype)
    size = int(np.prod((count, *shape), dtype=np.int64)) * dtype.itemsize
    if derivation.key is None or size > LARGEST_CACHE:
        rows = np.empty((len(clips), *shape), dtype)
        for start in range(0, len(clips), _BLOCK):
            block = slice(start, min(start + _BLOCK, len(clips)))
            rows[block] = derivation.compute(clips[block])
        return rows
    kept = _kept.get(derivation.key)
    if kept is None:
        kept = _kept[derivation.key] = _Kept(count, shape, dtype)
        _make_room()
    else:
        _kept.move_to_end(derivation.key)
    missing = np.unique(clips[~kept.computed[clips]])
    for start in range(0, len(missing), _BLOCK):
        block_rows = missing[start : start + _BLOCK]
        kept.rows[block_rows] = derivation.compute(block_rows)
        kept.computed[block_rows] = True
    return kept.rows[clips]


def _make_room() -> None:
    while sum(kept.rows.nbytes for kept in list(_kept.values())) > LARGEST_CACHE and len(_kept) > 1:
        _kept.popitem(last=False)
