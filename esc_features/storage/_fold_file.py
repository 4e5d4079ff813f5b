"""Published files: opened when read, mapped into memory, and found again by any process."""

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

# Each holds a descriptor, of which a process has 1024 on most systems, and a store may have as many folds.
MOST_MAPS = 256


@dataclass(frozen=True)
class _Map:
    """The rows of a file in memory: as an array, and as bytes one after the other."""

    mapping: mmap.mmap
    rows: np.ndarray
    raw: memoryview
    end: int


class FoldFile:
    """One published file of a store: a handle that is small to pickle and reads what it was opened on.

    The rows are mapped on first use, once per process. A handle that arrives in another process opens the file there
    and refuses one whose contents are no longer those it was made for.
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
        """Return the handle of a file that was opened before, in another process perhaps, without opening it."""
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
        """Return a column of `/clips`; texts as str."""
        if name not in self._columns:
            with self._open() as file:
                self._columns[name] = read_column(self.header, name, file)
        return self._columns[name]

    def stored(self, *names: str) -> tuple[np.ndarray, ...]:
        """Return columns as they are stored, texts as bytes."""
        with self._open() as file:
            return tuple(read_stored(self.header, name, file) for name in names)

    def rows(self) -> np.ndarray:
        """Return the rows as a read-only array over the memory map, (count, *shape)."""
        return self._mapped().rows

    def raw(self) -> memoryview:
        """Return the bytes of the rows, one after the other, in the memory map."""
        return self._mapped().raw

    def will_need(self, rows: np.ndarray) -> None:
        """Let the kernel fetch rows at once, and not page by page, that may be on the disk."""
        mapping = self._mapped().mapping
        if self._cold is None:
            self._cold = ColdRows(self.header.data)
        self._cold.hint(mapping, rows)

    def waited_for_disk(self) -> None:
        """Hint all rows again: the kernel took some of them back."""
        if self._cold is not None:
            self._cold.forget()

    def close(self) -> None:
        """Give the memory map back; it is opened again when the next row is read."""
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
            # Reading on would be a crash (SIGBUS) at the first byte that is missing.
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
        """Open the file, known to be the one that this handle was made for, and have its header."""
        return open_with_room(self._open_same)

    def _open_same(self) -> BinaryIO:
        for _ in range(20):
            file = self._open_or_explain()
            if self._header is not None and file_identity(os.fstat(file.fileno())) == self._header.identity:
                return file
            # Another file, or only its time was changed: its contents tell.
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
    """Call a function that opens a file; where too many are open already, give memory maps back and call it again.

    A map holds a file descriptor, and many stores at once can use up what a process may have.
    """
    try:
        return function()
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            raise
    _give_back(len(_OPEN))
    return function()


def _give_back(count: int) -> None:
    """Give back the memory maps that were opened first."""
    for reference in _OPEN.valuerefs()[:count]:
        if (file := reference()) is not None:
            file.close()


# No lock guards it: one that is held while a process forks would stay locked in the child for ever.
_OPEN: weakref.WeakValueDictionary[int, FoldFile] = weakref.WeakValueDictionary()
