"""The recordings of a store, as X for pipelines that start with a feature."""

from __future__ import annotations

import html
import logging
from numbers import Integral
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ._derived import derivation_of, derive
from ._memory_rows import MemoryRows
from ._rows import pack_rows, select_rows, unpack_rows
from ._store_array import StoreArray

if TYPE_CHECKING:
    import pandas as pd

_logger = logging.getLogger("esc_features")
_warned: set[tuple[str, str]] = set()


class StoreAudio:
    """The clips of a store as recordings, to fit pipelines that start with a feature.

    A feature finds its stored output through them. If the store does not have it, it is computed from stored waveforms
    of the right sample rate and length, or else from the recordings, and cached in memory up to a limit. Slicing
    selects clips and reads nothing.

    Parameters
    ----------
    arrays : dict of str to StoreArray
        The features of the store.
    fingerprints : dict of str to str
        The fingerprint of each feature.
    location : str
        Folder of the store, for messages.
    rows : range or ndarray of int64, optional
        Rows of the clips; all by default.

    Attributes
    ----------
    shape : tuple of int
        (clips,).
    folds, sources, filenames, target, y, categories, clip_keys, clips, dataset
        As in `StoreArray`.

    Examples
    --------
    >>> from esc_features import MelSpectrogram, open_store
    >>> store = open_store("stores/demo")
    >>> MelSpectrogram().transform(store.audio[:5])
    StoreArray(5 clips, (128, 157) float32, folds 1)
    """

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

    def precomputed(self, feature: Any) -> StoreArray | None:
        """Return the stored output of a feature for these clips.

        Parameters
        ----------
        feature : Feature
            The feature to look up.

        Returns
        -------
        StoreArray or None
            The array; None if the store does not have the feature.
        """
        try:
            fingerprint = feature.fingerprint()
        except ValueError:
            return None  # the class is known only to this process, as in a notebook, so it cannot have been stored
        for name, stored in self._fingerprints.items():
            if stored == fingerprint:
                return self._rows_of(self._arrays[name])
        return None

    def derive(self, feature: Any) -> StoreArray:
        """Compute a feature for these clips, in memory, and log a warning once.

        Parameters
        ----------
        feature : Feature
            The feature to compute.

        Returns
        -------
        StoreArray
            The feature, in memory.

        Raises
        ------
        StoreError
            If the store has no waveforms of the right sample rate and length, and the recordings are missing or have
            changed.
        """
        arrays = {name: array.all_clips() for name, array in self._arrays.items()}
        derivation = derivation_of(feature, arrays, self._fingerprints, self._location)
        subject = (self._location, repr(feature))
        if subject not in _warned:
            _warned.add(subject)
            _logger.warning(
                "%r is not in %s: computing it from the %s. extract_features would store it.",
                feature,
                self._location,
                derivation.computed_from,
            )
        mine, everything = self._of_first, self._first.all_clips()
        values = derive(feature, derivation, mine.clip_numbers, len(everything))
        return StoreArray(MemoryRows(values, mine, feature.name, _parameters(feature)), byte_limit=mine.byte_limit)

    def __array__(self, dtype=None, copy=None) -> NoReturn:
        raise ValueError(
            "These are the recordings of a store, not numbers: start the pipeline with a feature, "
            "make_pipeline(MelSpectrogram(), ...), or use an array of the store, such as store['mel']. A transformer "
            "of waveforms becomes a feature with esc_features.features.as_feature(...)."
        )

    def __array_ufunc__(self, *_, **__) -> NoReturn:
        self.__array__()

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
    def categories(self) -> list[str]:
        return self._first.categories

    @property
    def clip_keys(self) -> list[tuple[str, float, float]]:
        return self._of_first.clip_keys

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
        self._arrays, self._fingerprints, self._location, rows = state
        self._first, self._rows = next(iter(self._arrays.values())), unpack_rows(rows)

    def __copy__(self) -> StoreAudio:
        return self

    def __deepcopy__(self, memo) -> StoreAudio:
        return self

    def __repr__(self) -> str:
        return f"StoreAudio({len(self)} clips of {self._location}; features {', '.join(self._arrays)})"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>"


def _parameters(feature: Any) -> dict[str, Any]:
    try:
        return feature.description()["parameters"]
    except ValueError:
        return feature.get_params(deep=False)


__all__ = ["StoreAudio"]
