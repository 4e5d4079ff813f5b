"""Published files: opened when read, mapped into memory, and found again by any process."""

import errno
import mmap
import os
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np

from .._platform import will_need
from ..exceptions import StoreError
from ._format import Header, check_published, clips_id, content_id, file_identity, read_column, read_header

T = TypeVar("T")


class FoldFile:
    """One published file of a store: a handle that is small to pickle and reads what it was opened on.

    The rows are mapped on first use, once a process. A handle that arrives in another process opens the file there and
    refuses one whose contents are no longer those it was made for.
    """

    def __init__(self, path: Path, header: Header | None = None):
        self.path = path
        self._header = header if header is not None else open_with_room(lambda: read_header(path))
        with open_with_room(lambda: path.open("rb")) as file:
            check_published(self._header, file)
            self.content_id = content_id(self._header, file)
            self.clips_id = clips_id(self._header, file)
        self.count = len(self._header)
        self.shape = self._header.data.shape
        self.dtype = self._header.data.dtype
        self._start()

    def _start(self):
        self._rows = None
        self._raw: memoryview | None = None
        self._map = None
        self._end = 0
        self._not_hinted = None
        self._cold_rows = 0
        self._columns: dict[str, np.ndarray] = {}

    def __getstate__(self):
        return (str(self.path), self.count, self.shape, self.dtype.str, self.content_id)

    def __setstate__(self, state):
        path, self.count, self.shape, dtype, self.content_id = state
        self.path, self.dtype = Path(path), np.dtype(dtype)
        self._header = None
        self._start()

    @property
    def header(self) -> Header:
        if self._header is None:
            self._open().close()
        return self._header  # type: ignore[return-value]

    def column(self, name: str) -> np.ndarray:
        if name not in self._columns:
            with self._open() as file:
                self._columns[name] = read_column(self.header, name, file)
        return self._columns[name]

    def rows(self) -> np.ndarray:
        """Return the rows as a read-only array over the memory map, (count, *shape)."""
        rows, mapping = self._rows, self._map
        if rows is None or mapping is None:
            return self._open_map()
        if mapping.size() < self._end:
            self._refuse_cut()
        return rows

    def raw(self) -> memoryview:
        """Return the bytes of the rows, one after the other, in the memory map."""
        self.rows()
        raw = self._raw
        return raw if raw is not None else self.raw()

    @property
    def may_be_cold(self) -> bool:
        """Whether rows may have to come from the disk, so that `will_need` is worth its time."""
        return self._not_hinted is None or self._cold_rows > 0

    @may_be_cold.setter
    def may_be_cold(self, cold: bool) -> None:
        if self._not_hinted is not None:
            self._not_hinted[:] = cold
            self._cold_rows = self.count if cold else 0

    def will_need(self, rows: np.ndarray) -> None:
        """Let the kernel fetch rows at once, and not page by page, that were not read since the disk was waited for."""
        self.rows()
        mapping, not_hinted = self._map, self._not_hinted
        if mapping is None or not_hinted is None:
            return
        fresh = sorted(set(rows[not_hinted[rows]].tolist()))
        if fresh:
            not_hinted[fresh] = False
            self._cold_rows -= len(fresh)
            data = self.header.data
            ranges: list[list[int]] = []
            end = -1
            for offset in map(data.offset_of, fresh):
                if offset == end:  # neighbours are one hint
                    ranges[-1][1] += data.row_bytes
                else:
                    ranges.append([offset, data.row_bytes])
                end = offset + data.row_bytes
            will_need(mapping, ranges)

    def close(self) -> None:
        """Give the memory map back; it is opened again when the next row is read."""
        self._rows = self._raw = self._map = None

    def _open_map(self) -> np.ndarray:
        with self._open() as file:
            data = self.header.data
            self._end = data.offset_of(self.count)
            if os.fstat(file.fileno()).st_size < self._end:
                self._refuse_cut()
            mapping = open_with_room(lambda: mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        rows = np.ndarray((self.count, *self.shape), self.dtype, buffer=mapping, offset=data.offset)
        if self._not_hinted is None:
            self._not_hinted, self._cold_rows = np.ones(self.count, bool), self.count
        self._map, self._raw, self._rows = mapping, memoryview(mapping)[data.offset : self._end], rows
        _OPEN[id(self)] = self
        return rows

    def _refuse_cut(self):
        # Reading on would be a crash (SIGBUS) at the first byte that is missing.
        raise StoreError(f"{self.path} was cut short: run esc_features verify on the store.")

    def _open(self) -> BinaryIO:
        """Open the file, known to be the one that this handle was made for, and have its header."""
        while True:
            file = open_with_room(self._open_or_explain)
            if self._header is not None and file_identity(os.fstat(file.fileno())) == self._header.identity:
                return file
            # Another file, or only its time was changed: its contents tell.
            file.close()
            header = open_with_room(lambda: read_header(self.path))
            if open_with_room(partial(content_id, header)) != self.content_id:
                raise StoreError(
                    f"{self.path} was rebuilt since this array was made: open the store again with open_store."
                )
            self._header = header

    def _open_or_explain(self) -> BinaryIO:
        try:
            return self.path.open("rb")
        except FileNotFoundError as error:
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
    for file in _OPEN.valuerefs():
        if (opened := file()) is not None:
            opened.close()
    return function()


# No lock guards it: one that is held while a process forks would stay locked in the child for ever.
_OPEN: "weakref.WeakValueDictionary[int, FoldFile]" = weakref.WeakValueDictionary()
