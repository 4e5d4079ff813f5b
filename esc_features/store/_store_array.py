"""The lazy array that scikit-learn and skorch take for X."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from .._platform import waits_for_disk
from ._rows import all_rows, pack_rows, select_rows, unpack_rows

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_BYTE_LIMIT = 128 << 20


class StoreArray:
    """Array-like view of one feature of a store, read batch by batch from the page cache.

    scikit-learn and skorch take it for `X` as it is: slicing composes row numbers and reads nothing, a single index or
    `take` reads. Folds, sources and labels are sliced along with it, so that splitters need no `groups`.

    Get one from a store, `store["mel"]`, or from memory with `from_numpy`; it is not meant to be made directly.

    Parameters
    ----------
    parts : sequence
        What holds the rows: files of a store, or arrays in memory.
    rows : range or ndarray of int64, optional
        Row numbers over all parts; all by default.
    functions : tuple of callable, default=()
        Applied to each batch in turn.
    byte_limit : int, default=134217728
        Number of bytes above which the array is not turned into a numpy array behind your back.

    Attributes
    ----------
    shape : tuple of int
        (clips, \\*shape of one clip).
    dtype : numpy.dtype
        float32 unless the feature was asked to store float16 or int16.
    folds, sources, filenames, target, y : ndarray of shape (clips,)
        Fold (int64), source recording, file name (str), class number (int64) and category name (str) of each clip.
    clips : pandas.DataFrame
        The same as a table, with what extraction found out about each recording.
    dataset, feature_name : str
        Where it comes from.
    parameters : dict
        The parameters of the feature: `sample_rate`, `hop_length` and so on.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features import StoreArray
    >>> X = StoreArray.from_numpy(np.arange(12.0).reshape(6, 2), folds=[1, 1, 2, 2, 3, 3])
    >>> X[X.folds != 2]
    StoreArray(4 clips, (2,) float64, folds 1 3)
    >>> X[[5, 0]].take([0])
    array([[10., 11.]])
    """

    # np.log1p(X) would read everything: fail at once instead, and let `map` do it batch by batch.
    __array_ufunc__ = None

    def __init__(self, parts: Sequence, rows=None, functions: tuple = (), byte_limit: int = DEFAULT_BYTE_LIMIT):
        self._parts = tuple(parts)
        self._starts = np.cumsum([0, *(part.count for part in self._parts)])
        self._rows = all_rows(int(self._starts[-1])) if rows is None else rows
        self._functions = functions
        self._mapped: tuple[tuple[int, ...], np.dtype] | None = None
        self.byte_limit = byte_limit

    @classmethod
    def from_numpy(
        cls,
        array,
        *,
        folds=None,
        sources=None,
        filenames=None,
        target=None,
        y=None,
        dataset: str = "memory",
        feature_name: str = "array",
        parameters: dict | None = None,
    ) -> StoreArray:
        """Wrap an array in memory, so that it carries folds and sources like one of a store.

        Parameters
        ----------
        array : ndarray of shape (clips, ...)
            The data; kept by reference.
        folds, sources, filenames, target, y : sequence of length clips, optional
            What each clip is; by default fold 1, a source and a file name of its own, and class 0.
        dataset, feature_name : str
            Names to carry.
        parameters : dict, optional
            Parameters of the feature.

        Returns
        -------
        StoreArray
        """
        return cls([MemoryPart(array, folds, sources, filenames, target, y, dataset, feature_name, parameters or {})])

    # What an array has

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self._rows), *self._sample[0])

    @property
    def dtype(self) -> np.dtype:
        return self._sample[1]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key):
        if isinstance(key, tuple):
            key = _first_axis(key)
        if isinstance(key, Integral) and not isinstance(key, bool | np.bool_):
            return self._read(select_rows(self._rows, [key]))[0]
        return self._view(select_rows(self._rows, key))

    def __iter__(self):
        for index in range(len(self)):
            yield self[index]

    def take(self, rows, out: np.ndarray | None = None) -> np.ndarray:
        """Read a batch of clips into one array.

        Parameters
        ----------
        rows : array-like of int
            Positions in this array, in any order, repeats and negative ones included.
        out : ndarray of shape (len(rows), \\*shape), optional
            Where to put it, C-contiguous and of the same dtype; a new array by default.

        Returns
        -------
        ndarray of shape (len(rows), \\*shape)
            Owned by the caller and writable.
        """
        return self._read(select_rows(self._rows, rows), out)

    def to_numpy(self) -> np.ndarray:
        """Read everything into memory, whatever its size."""
        return self._read(self._rows)

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> StoreArray:
        """Return a lazy array with `function` applied to every batch that is read.

        Parameters
        ----------
        function : callable
            Takes a batch (n, \\*shape) and returns one (n, \\*any shape), each row from its own row alone. To travel to
            other processes it must pickle: a function or an instance of an importable module.

        Returns
        -------
        StoreArray
        """
        if not callable(function):
            raise TypeError(f"map takes a function of a batch, not {type(function).__name__}.")
        view = self._view(self._rows)
        view._functions, view._mapped = (*self._functions, function), None
        return view

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("A StoreArray is read from disk: it cannot become an array without a copy.")
        if self.nbytes > self.byte_limit:
            raise ValueError(
                f"Something asked for all of {self!r} at once: {self.nbytes / 1e6:,.0f} MB, over the limit of "
                f"{self.byte_limit / 1e6:,.0f} MB. If an estimator did: it needs two-dimensional data in memory, so "
                "give it a vector feature (MFCCStatistics, an embedding) or one of esc_features.models. If you did: "
                "X.to_numpy() reads it all, X.take(rows) a batch, X.map(function) changes it as it is read, and "
                "X.byte_limit can be raised."
            )
        array = self.to_numpy()
        return array if dtype is None else array.astype(dtype, copy=False)

    # What travels along with the rows

    @property
    def folds(self) -> np.ndarray:
        return self._column("fold")

    @property
    def sources(self) -> np.ndarray:
        return self._column("src_file")

    @property
    def filenames(self) -> np.ndarray:
        return self._column("filename")

    @property
    def target(self) -> np.ndarray:
        return self._column("target")

    @property
    def y(self) -> np.ndarray:
        return self._column("category")

    @property
    def clips(self) -> pd.DataFrame:
        return clip_table(self._column)

    @property
    def dataset(self) -> str:
        return self._attribute("dataset")

    @property
    def feature_name(self) -> str:
        return self._attribute("feature")

    @property
    def parameters(self) -> dict[str, Any]:
        return dict(self._attribute("description")["parameters"])

    # Copies, pickles and pictures of it

    def __getstate__(self):
        state = {"parts": self._parts, "rows": pack_rows(self._rows)}
        if self._functions:
            state["functions"] = self._functions
        if self.byte_limit != DEFAULT_BYTE_LIMIT:
            state["byte_limit"] = self.byte_limit
        return state

    def __setstate__(self, state):
        self.__init__(
            state["parts"],
            unpack_rows(state["rows"]),
            state.get("functions", ()),
            state.get("byte_limit", DEFAULT_BYTE_LIMIT),
        )

    def __copy__(self) -> StoreArray:
        return self

    def __deepcopy__(self, memo) -> StoreArray:
        return self

    def __repr__(self) -> str:
        shape, dtype = self._sample
        folds = " ".join(str(fold) for fold in np.unique(self.folds)) or "none"
        return f"StoreArray({len(self)} clips, {shape} {dtype}, folds {folds})"

    # How it reads

    @property
    def _sample(self) -> tuple[tuple[int, ...], np.dtype]:
        """Shape and dtype of one clip after all functions."""
        if not self._functions:
            return self._parts[0].shape, self._parts[0].dtype
        if self._mapped is None:
            first = self._read(np.zeros(1, np.int64))
            self._mapped = first.shape[1:], first.dtype
        return self._mapped

    def _view(self, rows) -> StoreArray:
        view = object.__new__(type(self))
        view.__dict__.update(self.__dict__)
        view._rows = rows
        return view

    def _read(self, rows, out: np.ndarray | None = None) -> np.ndarray:
        rows = np.asarray(rows, np.int64)
        if not self._functions:
            return self._gather(rows, out)
        batch = self._gather(rows)
        for function in self._functions:
            batch = np.asarray(function(batch))
            if len(batch) != len(rows):
                raise ValueError(
                    f"A function given to map turned {len(rows)} clips into {len(batch)}: it must return a row a clip."
                )
        if out is None:
            return batch
        _check_out(out, batch.shape, batch.dtype)
        out[...] = batch
        return out

    def _gather(self, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        first = self._parts[0]
        if out is None:
            out = np.empty((len(rows), *first.shape), first.dtype)
        else:
            _check_out(out, (len(rows), *first.shape), first.dtype)
        if len(rows) == 0:
            return out
        part_of_row = np.searchsorted(self._starts, rows, side="right") - 1
        local = rows - self._starts[part_of_row]
        numbers = part_of_row.tolist()
        parts = {number: self._parts[number] for number in sorted(set(numbers))}
        for number, part in parts.items():
            if part.may_be_cold:
                part.will_need(local[part_of_row == number])
        waits = waits_for_disk()
        if len(parts) == 1:
            # mode="clip": with the default, numpy gathers into a buffer of its own first and copies that.
            np.take(parts[numbers[0]].rows(), local, axis=0, out=out, mode="clip")
        else:
            _copy_rows({number: part.raw() for number, part in parts.items()}, numbers, local, out)
        if waits_for_disk() != waits:
            for part in parts.values():
                part.may_be_cold = True
        return out

    def _column(self, name: str) -> np.ndarray:
        return np.concatenate([part.column(name) for part in self._parts])[np.asarray(self._rows, np.int64)]

    def _attribute(self, name: str):
        return self._parts[0].header.attributes[name]


class MemoryPart:
    """Rows in memory, with the face of a FoldFile."""

    may_be_cold = False

    def __init__(self, array, folds, sources, filenames, target, y, dataset, feature_name, parameters):
        self._array = np.asarray(array)
        if self._array.ndim < 1:
            raise ValueError("An array of clips has at least one dimension, the clips.")
        self.count, self.shape, self.dtype = len(self._array), self._array.shape[1:], self._array.dtype
        numbers = np.arange(self.count).astype(str)
        given = {
            "fold": np.ones(self.count, np.int64) if folds is None else np.asarray(folds, np.int64),
            "src_file": numbers if sources is None else np.asarray(sources, str),
            "filename": numbers if filenames is None else np.asarray(filenames, str),
            "target": np.zeros(self.count, np.int64) if target is None else np.asarray(target, np.int64),
        }
        given["category"] = given["target"].astype(str) if y is None else np.asarray(y, str)
        for name, column in given.items():
            if column.shape != (self.count,):
                raise ValueError(f"{name} has the shape {column.shape} for {self.count} clips.")
        self._columns = given
        self.header = _MemoryHeader(
            {"dataset": dataset, "feature": feature_name, "description": {"parameters": parameters}}
        )

    def rows(self) -> np.ndarray:
        return self._array

    def will_need(self, rows) -> None:
        self.may_be_cold = False

    def column(self, name: str) -> np.ndarray:
        return self._columns[name]


class _MemoryHeader:
    def __init__(self, attributes):
        self.attributes = attributes


def clip_table(column: Callable[[str], np.ndarray]) -> pd.DataFrame:
    """Return the table of clips, given a way to get each of its columns."""
    import pandas as pd

    table: dict = {name: column(name) for name in ("filename", "fold", "target", "category", "src_file")}
    try:
        table["take"] = column("take")
        for name in ("original_sample_rate", "original_channels", "original_samples"):
            table[name] = column(name)
        from ..audio import describe_notes

        notes = column("notes")
        texts = {note: describe_notes(note) for note in np.unique(notes).tolist()}
        table["notes"] = [texts[note] for note in notes.tolist()]
    except KeyError:
        pass  # rows in memory know no more than what they were given
    return pd.DataFrame(table)


def _first_axis(key: tuple):
    # scikit-learn asks for X[rows, ...].
    if len(key) == 2 and key[1] is Ellipsis:
        return key[0]
    if len(key) == 1:
        return key[0]
    raise IndexError(
        "A StoreArray is indexed by clip only. To cut within clips: X.map(lambda batch: batch[:, ...]) stays lazy, "
        "X.take(rows)[:, ...] reads."
    )


def _copy_rows(sources: dict[int, memoryview], numbers: list[int], local: np.ndarray, out: np.ndarray) -> None:
    # Copying between memoryviews costs less than half of numpy's assignment of a row, which np.take cannot replace:
    # it gathers from one array, and each fold is mapped by itself.
    target = memoryview(out.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
    size = out[0].nbytes
    start = 0
    for number, position in zip(numbers, (local * size).tolist(), strict=True):
        target[start : start + size] = sources[number][position : position + size]
        start += size


def _check_out(out: np.ndarray, shape: tuple, dtype: np.dtype) -> None:
    if out.shape != shape or out.dtype != dtype or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(
            f"out must be a writable C-contiguous array of shape {shape} and {dtype}, not {out.shape} {out.dtype}."
        )


__all__ = ["DEFAULT_BYTE_LIMIT", "MemoryPart", "StoreArray", "clip_table"]
