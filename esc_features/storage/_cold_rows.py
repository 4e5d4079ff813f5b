"""Hints to the kernel, which then fetches rows from the disk at once and not page by page."""

import mmap

import numpy as np

from .._platform import will_need
from ._layout import Column


class ColdRows:
    """The rows of a memory map that have not been hinted since a read last waited for the disk.

    A batch of rows that are not in the page cache is read a hundred times as fast with a hint (benchmarks/RESULTS.md,
    "page cache dropped"), but a hint for rows that are in it takes a sixth of the time of the batch. So each row is
    hinted when it is read for the first time, and again after the kernel has evicted pages, as it does for stores that
    are larger than the memory.
    """

    def __init__(self, data: Column):
        self._data = data
        self._not_hinted = np.ones(data.count, bool)
        self._left = data.count

    def hint(self, mapping: mmap.mmap, rows: np.ndarray) -> None:
        """Let the kernel fetch those rows that may not be in the page cache."""
        if not self._left:
            return
        fresh = sorted(set(rows[self._not_hinted[rows]].tolist()))
        if not fresh:
            return
        self._not_hinted[fresh] = False
        self._left -= len(fresh)
        ranges: list[list[int]] = []
        end = -1
        for offset in map(self._data.offset_of, fresh):
            if offset == end:  # adjacent rows share a hint
                ranges[-1][1] += self._data.row_bytes
            else:
                ranges.append([offset, self._data.row_bytes])
            end = offset + self._data.row_bytes
        will_need(mapping, ranges)

    def forget(self) -> None:
        """Hint every row again when it is read next, because pages were evicted."""
        self._not_hinted[:] = True
        self._left = self._data.count
