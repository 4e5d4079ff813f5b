"""The lazy array that scikit-learn and skorch accept as X."""

from __future__ import annotations

import html
from collections.abc import Callable
from numbers import Integral
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np

from ..storage import DatasetFacts, keys_of
from ._clip_columns import clip_table
from ._inner_slice import InnerSlice, split_key
from ._memory_rows import GivenClips, MemoryRows
from ._reductions import Reductions
from ._rows import all_rows, pack_rows, select_rows, unpack_rows

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_BYTE_LIMIT = 128 << 20


class RowSource(Protocol):
    """The holder of the rows of an array and of the columns about their clips."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype: ...
    @property
    def facts(self) -> DatasetFacts: ...
    @property
    def feature_name(self) -> str: ...
    @property
    def content_ids(self) -> tuple[bytes, ...]: ...
    @property
    def parameters(self) -> dict[str, Any]: ...
    def __len__(self) -> int: ...
    def column(self, name: str) -> np.ndarray: ...
    def gather(self, rows: np.ndarray, out: np.ndarray) -> None: ...


class StoreArray(Reductions):
    """Array-like view of one feature of a store, read batch by batch from the page cache.

    Pass it as `X` to scikit-learn and skorch. Slicing composes row numbers and reads nothing; a single index or `take`
    reads. Folds, sources and labels are sliced along with it, so that splitters need no `groups`.

    Get one from a store, `store["mel"]`, or make one from an array in memory with `from_numpy`; do not call the class
    itself.

    Parameters
    ----------
    source : object
        The holder of the rows: the files of a feature, or an array in memory.
    rows : range or ndarray of int64, optional
        Row numbers of the source; all by default.
    functions : tuple of callable, default=()
        Functions that are applied to each batch in turn.
    byte_limit : int, default=134217728
        Number of bytes above which the array is not converted to a numpy array implicitly.

    Attributes
    ----------
    shape : tuple of int
        (clips, \\*shape of one clip).
    dtype : numpy.dtype
        float32, unless the feature has another `dtype`.
    folds, sources, filenames, target, y : ndarray of shape (clips,)
        Fold (int64), source recording (str), file name (str), class number (int64) and category (str) of each clip. If
        clips have several labels, `y` and `target` are an indicator matrix, int8 (clips, classes).
    categories : list of str
        The categories, in the order of class numbers or of the columns of the indicator matrix.
    clip_keys : list of tuple
        The identity (file name, start, end) of each clip.
    sample_rate : int or None
        Sample rate of the waveforms that the feature was computed from, in Hz; None if it is not known.
    clips : pandas.DataFrame
        Everything that is known about the clips, one row per clip.
    dataset, feature_name : str
        Name of the data set and of the feature.
    parameters : dict
        Parameters of the feature, such as `sample_rate` and `hop_length`.

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

    def __init__(self, source: RowSource, rows=None, functions: tuple = (), byte_limit: int = DEFAULT_BYTE_LIMIT):
        self._source = source
        self._rows = all_rows(len(source)) if rows is None else rows
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
        parameters: dict[str, Any] | None = None,
    ) -> StoreArray:
        """Wrap an array in memory, so that it has folds and sources like an array of a store.

        Parameters
        ----------
        array : ndarray of shape (clips, ...)
            The data, which is not copied.
        folds, sources, filenames, target, y : sequence of length clips, optional
            Fold, source recording, file name, class number and category of each clip. By default, all clips are in fold
            1 and of class 0, and each has a source and file name of its own.
        dataset : str, default="memory"
            Name of the data set.
        feature_name : str, default="array"
            Name of the feature.
        parameters : dict, optional
            Parameters of the feature.

        Returns
        -------
        StoreArray
            The array.

        Raises
        ------
        ValueError
            If the array has no dimension, or a sequence does not have one value per clip.
        """
        array = np.asarray(array)
        given = {"fold": folds, "src_file": sources, "filename": filenames, "target": target, "category": y}
        clips = GivenClips(len(array) if array.ndim else 0, dataset, given)
        return cls(MemoryRows(array, clips, feature_name, parameters or {}))

    # Attributes and methods of an array

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
            key, inner = split_key(key, self.ndim)
            if inner and not _is_position(key):
                return self[key].map(InnerSlice(inner))
            if inner:
                return self._read(select_rows(self._rows, [key]))[(0, *inner)]
        if _is_position(key):
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
            Positions in this array, in any order; they may repeat or be negative.
        out : ndarray of shape (len(rows), \\*shape), optional
            Array for the result, C-contiguous and of the same dtype; a new array by default.

        Returns
        -------
        ndarray of shape (len(rows), \\*shape)
            A writable array; `out` if it is given.

        Raises
        ------
        IndexError
            If a position is out of bounds.
        ValueError
            If `out` has another shape or dtype, or is not writable and C-contiguous.
        StoreError
            If a file was changed or cut short since the store was opened.
        """
        return self._read(select_rows(self._rows, rows), out)

    def to_numpy(self) -> np.ndarray:
        """Read the whole array into memory, whatever its size.

        Returns
        -------
        ndarray of shape (clips, \\*shape)
            The numbers.
        """
        return self._read(self._rows)

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> StoreArray:
        """Return a lazy array that applies a function to each batch when it is read.

        Parameters
        ----------
        function : callable
            Takes a batch (n, \\*shape) and returns one (n, \\*any shape), each row of which depends only on that row
            of the input. For use in other processes it must be picklable: define it, or its class, in an importable
            module.

        Returns
        -------
        StoreArray
            The new array. This one does not change.

        Raises
        ------
        TypeError
            If `function` is not callable.
        """
        if not callable(function):
            raise TypeError(f"map takes a function of a batch, not {type(function).__name__}.")
        view = self._view(self._rows)
        view._functions, view._mapped = (*self._functions, function), None
        return view

    def copy(self) -> np.ndarray:
        """Return the numbers as a numpy array, as `copy` of numpy does.

        Returns
        -------
        ndarray of shape (clips, \\*shape)
            The numbers.

        Raises
        ------
        ValueError
            If they take more than `byte_limit` bytes.
        """
        return np.array(self.__array__())

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("A StoreArray is read from disk: it cannot become an array without a copy.")
        if self.nbytes > self.byte_limit:
            raise ValueError(
                f"All of {self!r} was requested at once: {self.nbytes / 1e6:,.0f} MB, more than the limit of "
                f"{self.byte_limit / 1e6:,.0f} MB. If an estimator did this, it needs two-dimensional data in memory: "
                "use a vector feature (MFCCStatistics, an embedding), or an estimator of esc_features.models. If you "
                "did, X.to_numpy() reads all of it, X.take(rows) a batch, X.map(function) changes it when it is read, "
                "and X.byte_limit can be raised."
            )
        array = self.to_numpy()
        return array if dtype is None else array.astype(dtype, copy=False)

    # Operations of arrays that are refused, because they would read everything

    def __array_ufunc__(self, function, method, *inputs, **kwargs) -> NoReturn:
        _refuse_arithmetic(f"np.{function.__name__}")

    def _no_operator(name: str):  # type: ignore[misc]  # noqa: N805
        def operator(self, *_) -> NoReturn:
            _refuse_arithmetic(name)

        return operator

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _no_operator("A comparison")
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _no_operator("Arithmetic")
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _no_operator("Arithmetic")
    __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __neg__ = __pos__ = __abs__ = _no_operator("Arithmetic")
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __invert__ = _no_operator("A logical operation")
    __contains__ = _no_operator("A search for a value")
    __setitem__ = _no_operator("An assignment")
    __hash__ = object.__hash__
    del _no_operator

    # Columns about the clips

    @property
    def folds(self) -> np.ndarray:
        return self.column("fold")

    @property
    def sources(self) -> np.ndarray:
        return self.column("src_file")

    @property
    def filenames(self) -> np.ndarray:
        return self.column("filename")

    @property
    def target(self) -> np.ndarray:
        return self.column("labels" if self.facts.several_labels else "target")

    @property
    def y(self) -> np.ndarray:
        return self.column("labels" if self.facts.several_labels else "category")

    @property
    def categories(self) -> list[str]:
        return list(self.facts.categories)

    @property
    def clip_keys(self) -> list[tuple[str, float, float]]:
        return keys_of(self.column)

    @property
    def clips(self) -> pd.DataFrame:
        return clip_table(self.column, self.facts)

    @property
    def dataset(self) -> str:
        return self.facts.dataset

    @property
    def facts(self) -> DatasetFacts:
        """Facts about the data set as a whole."""
        return self._source.facts

    @property
    def feature_name(self) -> str:
        return self._source.feature_name

    @property
    def parameters(self) -> dict[str, Any]:
        return dict(self._source.parameters)

    @property
    def sample_rate(self) -> int | None:
        return self._source.parameters.get("sample_rate")

    def column(self, name: str) -> np.ndarray:
        """Return a column of the files or the clip table, such as "audio_digest", for the clips of this array."""
        return self._source.column(name)[np.asarray(self._rows, np.int64)]

    @property
    def clip_numbers(self) -> np.ndarray:
        """Positions of these clips among all clips of the store, or of the array in memory."""
        return np.asarray(self._rows, np.int64)

    @property
    def content_ids(self) -> tuple[bytes, ...]:
        """Digests that change with the numbers in the files; () for an array in memory."""
        return self._source.content_ids

    def all_clips(self) -> StoreArray:
        """Return the array of all clips that this one was selected from."""
        return self._view(all_rows(len(self._source)))

    # Copying, pickling and displaying

    def __getstate__(self):
        state = {"source": self._source, "rows": pack_rows(self._rows)}
        if self._functions:
            state["functions"] = self._functions
        if self.byte_limit != DEFAULT_BYTE_LIMIT:
            state["byte_limit"] = self.byte_limit
        return state

    def __setstate__(self, state):
        self._source, self._rows = state["source"], unpack_rows(state["rows"])
        self._functions, self._mapped = state.get("functions", ()), None
        self.byte_limit = state.get("byte_limit", DEFAULT_BYTE_LIMIT)

    def __copy__(self) -> StoreArray:
        return self

    def __deepcopy__(self, memo) -> StoreArray:
        return self

    def __repr__(self) -> str:
        shape, dtype = self._sample
        folds = " ".join(str(fold) for fold in np.unique(self.folds)) or "none"
        return f"StoreArray({len(self)} clips, {shape} {dtype}, folds {folds})"

    def _repr_html_(self) -> str:
        parameters = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        size = f"{self.nbytes / 1e6:,.1f} MB, read on demand"
        lines = (repr(self), f"{self.feature_name} of {self.dataset}: {parameters}", size)
        from ._thumbnails import thumbnails

        return "".join(f"<p>{html.escape(line)}</p>" for line in lines) + thumbnails(self, [self])

    # Reading

    @property
    def _sample(self) -> tuple[tuple[int, ...], np.dtype]:
        """Shape and dtype of one clip after all functions."""
        if not self._functions:
            return self._source.shape, self._source.dtype
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
            if batch.shape[:1] != (len(rows),):
                raise ValueError(
                    f"A function passed to map turned {len(rows)} clips into an array of shape {batch.shape}: it must "
                    "return one row per clip."
                )
        if out is None:
            return batch
        _check_out(out, batch.shape, batch.dtype)
        out[...] = batch
        return out

    def _gather(self, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        shape, dtype = (len(rows), *self._source.shape), self._source.dtype
        if out is None:
            out = np.empty(shape, dtype)
        else:
            _check_out(out, shape, dtype)
        self._source.gather(rows, out)
        return out


def _is_position(key) -> bool:
    return isinstance(key, Integral) and not isinstance(key, bool | np.bool_)


def _refuse_arithmetic(what: str) -> NoReturn:
    raise TypeError(
        f"{what} on an array of a store would read all of it. X.map(function) changes each batch when it is read and "
        "stays lazy; X.take(rows) and X.to_numpy() return numpy arrays."
    )


def _check_out(out: np.ndarray, shape: tuple, dtype: np.dtype) -> None:
    if out.shape != shape or out.dtype != dtype or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(
            f"out must be a writable C-contiguous array of shape {shape} and {dtype}, not {out.shape} {out.dtype}."
        )


__all__ = ["DEFAULT_BYTE_LIMIT", "StoreArray"]
