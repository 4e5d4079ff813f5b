"""The recordings of a store, as X for a pipeline that starts with a feature."""

from __future__ import annotations

import logging
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from ..exceptions import StoreError
from ._rows import pack_rows, select_rows, unpack_rows
from ._store_array import MemoryPart, StoreArray

if TYPE_CHECKING:
    import pandas as pd

_logger = logging.getLogger("esc_features")
_BLOCK = 64
_said: set[tuple] = set()


class StoreAudio:
    """The clips of a store as recordings: what a pipeline that starts with a feature is fitted on.

    A feature that is given these finds its own output in the store, or is computed from the stored waveforms where the
    store does not have it. Slicing picks clips and reads nothing.

    Parameters
    ----------
    arrays : dict of str to StoreArray
        The features of the store.
    fingerprints : dict of str to str
        The fingerprint of each.
    location : str
        Folder of the store, for messages.
    rows : range or ndarray of int64, optional
        Which clips; all by default.

    Attributes
    ----------
    shape : tuple of int
        (clips,).
    folds, sources, filenames, target, y, clips, dataset
        As those of `StoreArray`.

    Examples
    --------
    >>> from esc_features import MelSpectrogram, open_store
    >>> store = open_store("stores/demo")
    >>> MelSpectrogram().transform(store.audio[:5])
    StoreArray(5 clips, (128, 157) float32, folds 1)
    """

    __array_ufunc__ = None
    ndim = 1
    dtype = np.dtype(object)

    def __init__(self, arrays: dict[str, StoreArray], fingerprints: dict[str, str], location: str, rows=None):
        self._arrays, self._fingerprints, self._location = arrays, fingerprints, location
        self._first = next(iter(arrays.values()))
        self._rows = range(len(self._first)) if rows is None else rows

    @property
    def shape(self) -> tuple[int]:
        return (len(self._rows),)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key):
        if isinstance(key, tuple) and len(key) == 2 and key[1] is Ellipsis:
            key = key[0]
        if isinstance(key, Integral) and not isinstance(key, bool | np.bool_):
            return str(self[[key]].filenames[0])
        return StoreAudio(self._arrays, self._fingerprints, self._location, select_rows(self._rows, key))

    def precomputed(self, feature) -> StoreArray | None:
        """Return the stored output of `feature` for these clips, or None where the store does not have it."""
        fingerprint = feature.fingerprint()
        for name, stored in self._fingerprints.items():
            if stored == fingerprint:
                return self._rows_of(self._arrays[name])
        return None

    def derive(self, feature) -> StoreArray:
        """Compute `feature` from the stored waveforms of these clips, in memory, and say so once.

        Raises
        ------
        StoreError
            If the waveforms that it is computed from are not in the store.
        """
        from ..features import Waveform

        waveform = Waveform.of(feature.waveform())
        waveforms = self.precomputed(waveform)
        if waveforms is None:
            raise StoreError(
                f"{self._location} has neither {feature!r} nor the waveforms to compute it from, {waveform!r}. Run "
                f"extract_features with that feature (or with waveforms of that setting) and --out {self._location}."
            )
        said = (self._location, feature.fingerprint())
        if said not in _said:
            _said.add(said)
            _logger.warning(
                "%r is not in %s: computing it from the stored waveforms. extract_features would store it.",
                feature,
                self._location,
            )
        shape = feature.output_shape()
        derived = np.empty((len(self), *shape), feature.dtype)
        for start in range(0, len(self), _BLOCK):
            rows = np.arange(start, min(start + _BLOCK, len(self)))
            derived[rows] = feature.compute(waveforms.take(rows))
        parameters = feature.description()["parameters"]
        part = MemoryPart(
            derived,
            self.folds,
            self.sources,
            self.filenames,
            self.target,
            self.y,
            self.dataset,
            feature.name,
            parameters,
        )
        return StoreArray([part], byte_limit=self._first.byte_limit)

    def __array__(self, dtype=None, copy=None):
        raise ValueError(
            "These are the recordings of a store, not numbers: start the pipeline with a feature, "
            "make_pipeline(MelSpectrogram(), ...), or use an array of the store, such as store['mel']."
        )

    @property
    def folds(self) -> np.ndarray:
        return self._of_first.folds

    @property
    def sources(self) -> np.ndarray:
        return self._of_first.sources

    @property
    def filenames(self) -> np.ndarray:
        return self._of_first.filenames

    @property
    def target(self) -> np.ndarray:
        return self._of_first.target

    @property
    def y(self) -> np.ndarray:
        return self._of_first.y

    @property
    def clips(self) -> pd.DataFrame:
        return self._of_first.clips

    @property
    def dataset(self) -> str:
        return self._first.dataset

    @property
    def _of_first(self) -> StoreArray:
        return self._rows_of(self._first)

    def _rows_of(self, array: StoreArray) -> StoreArray:
        return array[np.asarray(self._rows, np.int64)]

    def __getstate__(self):
        return (self._arrays, self._fingerprints, self._location, pack_rows(self._rows))

    def __setstate__(self, state):
        *rest, rows = state
        self.__init__(*rest, unpack_rows(rows))

    def __copy__(self) -> StoreAudio:
        return self

    def __deepcopy__(self, memo) -> StoreAudio:
        return self

    def __repr__(self) -> str:
        return f"StoreAudio({len(self)} clips of {self._location}; features {', '.join(self._arrays)})"


__all__ = ["StoreAudio"]
