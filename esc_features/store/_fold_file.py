"""Published files: opened when read, mapped into memory, and found again by any process."""

import contextlib
import errno
import mmap
import os
import threading
import weakref
from pathlib import Path

import numpy as np

from .._platform import will_need
from ..exceptions import StoreError
from ._format import Header, content_id, read_column, read_header


class FoldFile:
    """One published file of a store: a handle that is small to pickle and reads what it was opened on.

    The rows are mapped on first use, once a process. A handle that arrives in another process opens the file there and
    refuses one whose contents are no longer those it was made for.
    """

    def __init__(self, path: Path, header: Header | None = None):
        self.path = path
        self._header = header if header is not None else read_header(path)
        self.count = len(self._header)
        self.shape = self._header.data.shape
        self.dtype = self._header.data.dtype
        self.content_id = content_id(self._header)
        self._start()

    def _start(self):
        self._rows = None
        self._map = None
        self._not_hinted = None
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
            try:
                header = read_header(self.path)
                same = content_id(header) == self.content_id
            except FileNotFoundError as error:
                raise StoreError(
                    f"{self.path} is gone since this array was made: open the store again with open_store."
                ) from error
            if not same:
                raise StoreError(
                    f"{self.path} was rebuilt since this array was made: open the store again with open_store."
                )
            self._header = header
        return self._header

    def column(self, name: str) -> np.ndarray:
        if name not in self._columns:
            self._columns[name] = read_column(self.header, name)
        return self._columns[name]

    def rows(self) -> np.ndarray:
        """Return the rows as a read-only array over the memory map, (count, *shape)."""
        rows = self._rows
        if rows is None:
            rows = self._open_map()
        return rows

    def will_need(self, rows: np.ndarray) -> None:
        """Let the kernel fetch rows that this process has not read yet, all at once instead of page by page."""
        self.rows()
        mapping, not_hinted = self._map, self._not_hinted
        if mapping is None or not_hinted is None:
            return
        fresh = rows[not_hinted[rows]]
        if len(fresh):
            not_hinted[fresh] = False
            data = self.header.data
            will_need(mapping, [(data.offset_of(row), data.row_bytes) for row in fresh.tolist()])

    def close(self) -> None:
        """Give the memory map back; it is opened again when the next row is read."""
        self._rows = self._map = None

    def _open_map(self) -> np.ndarray:
        data = self.header.data
        for attempt in range(2):
            try:
                with self.path.open("rb") as file:
                    self._check_unchanged(file.fileno())
                    mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                break
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM) or attempt:
                    raise
                _close_some_maps()
        shape = (self.count, *self.shape)
        rows = np.ndarray(shape, self.dtype, buffer=mapping, offset=data.offset)
        if self._not_hinted is None:
            self._not_hinted = np.ones(self.count, bool)
        self._map, self._rows = mapping, rows
        with _OPEN_LOCK:
            _OPEN.add(self)
        return rows

    def _check_unchanged(self, descriptor: int) -> None:
        # A file shorter than its header says would be a crash (SIGBUS) at the first read of what is missing.
        data = self.header.data
        if os.fstat(descriptor).st_size < data.offset_of(self.count):
            raise StoreError(f"{self.path} was cut short: run esc_features verify on the store.")


# Maps hold a file descriptor each; many stores at once can use up what a process may have.
_OPEN: "weakref.WeakSet[FoldFile]" = weakref.WeakSet()
_OPEN_LOCK = threading.Lock()


def _close_some_maps() -> None:
    with _OPEN_LOCK, contextlib.suppress(RuntimeError):
        for file in list(_OPEN):
            file.close()
        _OPEN.clear()
