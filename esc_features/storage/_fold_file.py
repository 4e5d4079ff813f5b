"""Handles of published files, which are opened and mapped into memory when they are read."""

from __future__ import annotations

import errno
import mmap
import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np

from ..exceptions import StoreError
from ._cold_rows import ColdRows
from ._columns import check_published, content_id, read_column, read_stored
from ._files import check_store_is_here
from ._hdf5 import file_identity
from ._header import read_header
from ._layout import Header

T = TypeVar("T")

# Each map holds a file descriptor. Most systems allow a process 1024 of them, and a store may have that many folds.
MOST_MAPS = 256


@dataclass(frozen=True)
class _Map:
    """The mapped rows of a file, as an array and as contiguous bytes."""

    mapping: mmap.mmap
    rows: np.ndarray
    raw: memoryview
    end: int


class FoldFile:
    """A handle of one published file of a store, which is small to pickle and always reads the same content.

    The rows are mapped on first use, once per process. In another process, the handle opens the file again and refuses
    it if its content has changed.
    """

    def __init__(self, path: Path, header: Header | None = None):
        self.path = path
        self._header: Header | None = header if header is not None else open_with_room(lambda: read_header(path))
        self._start()
        with self._open() as file:
            check_published(self.header, file)
            self.content_id = content_id(self.header, file)
        data = self.header.data
        self.count, self.shape, self.dtype = data.count, data.shape, data.dtype

    @classmethod
    def of(cls, path: Path, count: int, shape: tuple[int, ...], dtype: np.dtype, content_id: bytes) -> FoldFile:
        """Return the handle of a file that was opened before, perhaps in another process, without opening it."""
        handle = cls.__new__(cls)
        handle.path, handle.count, handle.shape, handle.dtype = path, count, shape, dtype
        handle.content_id, handle._header = content_id, None
        handle._start()
        return handle

    def _start(self) -> None:
        self._map: _Map | None = None
        self._cold: ColdRows | None = None
        self._columns: dict[str, np.ndarray] = {}

    def __getstate__(self):
        return (str(self.path), self.count, self.shape, self.dtype.str, self.content_id)

    def __setstate__(self, state):
        path, self.count, self.shape, dtype, self.content_id = state
        self.path, self.dtype, self._header = Path(path), np.dtype(dtype), None
        self._start()

    @property
    def header(self) -> Header:
        if self._header is None:
            self._open().close()
        return self._header  # type: ignore[return-value]

    def column(self, name: str) -> np.ndarray:
        """Return a column of `/clips`, with text as str."""
        if name not in self._columns:
            with self._open() as file:
                self._columns[name] = read_column(self.header, name, file)
        return self._columns[name]

    def stored(self, *names: str) -> tuple[np.ndarray, ...]:
        """Return columns as they are stored, with text as bytes."""
        with self._open() as file:
            return tuple(read_stored(self.header, name, file) for name in names)

    def rows(self) -> np.ndarray:
        """Return the rows as a read-only array over the memory map, (count, *shape)."""
        return self._mapped().rows

    def raw(self) -> memoryview:
        """Return the contiguous bytes of the rows in the memory map."""
        return self._mapped().raw

    def will_need(self, rows: np.ndarray) -> None:
        """Let the kernel fetch rows that may not be in the page cache, at once and not page by page."""
        mapping = self._mapped().mapping
        if self._cold is None:
            self._cold = ColdRows(self.header.data)
        self._cold.hint(mapping, rows)

    def waited_for_disk(self) -> None:
        """Hint all rows again, because the kernel has evicted some of them."""
        if self._cold is not None:
            self._cold.forget()

    def close(self) -> None:
        """Release the memory map; it is opened again when the next row is read."""
        self._map = None
        _OPEN.pop(id(self), None)

    def _mapped(self) -> _Map:
        mapped = self._map
        if mapped is None:
            if len(_OPEN) >= MOST_MAPS:
                _give_back(MOST_MAPS // 2)
            mapped = self._map = self._open_map()
            _OPEN[id(self)] = self
        if mapped.mapping.size() < mapped.end:
            # Reading on would crash the process (SIGBUS) at the first missing byte.
            raise StoreError(f"{self.path} was cut short: run esc_features verify on the store.")
        return mapped

    def _open_map(self) -> _Map:
        with self._open() as file:
            data = self.header.data
            mapping = open_with_room(lambda: mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        end = data.offset_of(self.count)
        if mapping.size() < end:
            raise StoreError(f"{self.path} was cut short: run esc_features verify on the store.")
        rows = np.ndarray((self.count, *self.shape), self.dtype, buffer=mapping, offset=data.offset)
        return _Map(mapping, rows, memoryview(mapping)[data.offset : end], end)

    def _open(self) -> BinaryIO:
        """Open the file, make sure that it is the one that this handle was made for, and read its header."""
        return open_with_room(self._open_same)

    def _open_same(self) -> BinaryIO:
        for _ in range(20):
            file = self._open_or_explain()
            if self._header is not None and file_identity(os.fstat(file.fileno())) == self._header.identity:
                return file
            # Another file, or only its time stamp changed: the content decides.
            file.close()
            header = read_header(self.path)
            if hasattr(self, "content_id") and content_id(header) != self.content_id:
                break
            self._header = header
        raise StoreError(f"{self.path} was rebuilt since this array was made: open the store again with open_store.")

    def _open_or_explain(self) -> BinaryIO:
        try:
            return self.path.open("rb")
        except FileNotFoundError as error:
            check_store_is_here(self.path.parent.parent)
            raise StoreError(
                f"{self.path} is gone since this array was made: open the store again with open_store."
            ) from error


def open_with_room(function: Callable[[], T]) -> T:
    """Call a function that opens a file; if too many files are open, release memory maps and call it again.

    Each map holds a file descriptor, and many open stores can use up the descriptors of a process.
    """
    try:
        return function()
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            raise
    _give_back(len(_OPEN))
    return function()


def _give_back(count: int) -> None:
    """Release the memory maps that were opened first."""
    for reference in _OPEN.valuerefs()[:count]:
        if (file := reference()) is not None:
            file.close()


# Not guarded by a lock: a lock that is held while a process forks would stay locked in the child forever.
_OPEN: weakref.WeakValueDictionary[int, FoldFile] = weakref.WeakValueDictionary()
