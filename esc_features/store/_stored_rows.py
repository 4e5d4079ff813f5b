"""The rows of one feature of a store: its files, joined with the clips of the clip table."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .._platform import waits_for_disk
from ..datasets import IDENTITY
from ..storage import MEASURED_COLUMNS, DatasetFacts, FoldFile, fold_file_name


class Clips(Protocol):
    """The columns about the clips of a store: its clip table, or the labels in the files of a store of format 1."""

    @property
    def facts(self) -> DatasetFacts: ...
    def __len__(self) -> int: ...
    def raw(self, name: str) -> np.ndarray: ...
    def column(self, name: str) -> np.ndarray: ...


class StoredRows:
    """The rows of a feature in the files of the folds, one per clip and in the order of the clip table.

    Files identify the clip of each row, and hold nothing else about it. `order` is the position of the row of each
    clip; None if all rows are in the order of the table.
    """

    def __init__(self, clips: Clips, files: Sequence[FoldFile], order: np.ndarray | None):
        self.clips, self._files = clips, tuple(files)
        self._is_ordered = order is None
        self._starts = np.cumsum([0, *(file.count for file in self._files)])
        if order is not None:
            self._order = order

    @cached_property
    def _order(self) -> np.ndarray | None:
        if self._is_ordered:
            return None
        order, _ = match_rows(self.clips, self._files)
        return order

    def __len__(self) -> int:
        return int(self._starts[-1]) if self._is_ordered else len(self.clips)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._files[0].shape

    @property
    def dtype(self) -> np.dtype:
        return self._files[0].dtype

    @property
    def facts(self) -> DatasetFacts:
        return self.clips.facts

    @property
    def feature_name(self) -> str:
        return self._files[0].path.parent.name

    @property
    def parameters(self) -> dict[str, Any]:
        return dict(self._files[0].header.facts.description["parameters"])

    @property
    def content_ids(self) -> tuple[bytes, ...]:
        """Digests that change with the numbers in the files."""
        return tuple(file.content_id for file in self._files)

    def column(self, name: str) -> np.ndarray:
        """Return a column for all clips: measured columns from the files, all others from the clip table."""
        if name not in MEASURED_COLUMNS:
            return self.clips.column(name)
        values = np.concatenate([file.column(name) for file in self._files])
        return values if self._order is None else values[self._order]

    def gather(self, rows: np.ndarray, out: np.ndarray) -> None:
        """Read the rows of some clips into `out`."""
        if len(rows) == 0:
            return
        if self._order is not None:
            rows = self._order[rows]
        file_of_row = np.searchsorted(self._starts, rows, side="right") - 1
        local = rows - self._starts[file_of_row]
        numbers = file_of_row.tolist()
        files = {number: self._files[number] for number in sorted(set(numbers))}
        for number, file in files.items():
            file.will_need(local if len(files) == 1 else local[file_of_row == number])
        waits = waits_for_disk()
        if len(files) == 1:
            # mode="clip": by default, numpy gathers into a buffer of its own and copies that.
            np.take(files[numbers[0]].rows(), local, axis=0, out=out, mode="clip")
        else:
            _copy_rows({number: file.raw() for number, file in files.items()}, numbers, local, out)
        if waits_for_disk() != waits:
            for file in files.values():
                file.waited_for_disk()

    def __getstate__(self):
        first = self._files[0]
        folds = [(int(file.path.name[4:-3]), file.count, file.content_id) for file in self._files]
        return self.clips, str(first.path.parent), first.shape, first.dtype.str, folds, self._is_ordered

    def __setstate__(self, state):
        self.clips, folder, shape, dtype, folds, self._is_ordered = state
        self._files = tuple(
            FoldFile.of(Path(folder) / fold_file_name(fold), count, shape, np.dtype(dtype), content_id)
            for fold, count, content_id in folds
        )
        self._starts = np.cumsum([0, *(file.count for file in self._files)])


def match_rows(clips: Clips, files: Sequence[FoldFile]) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the position of the row of each clip, counted over all files, and the clips without a row.

    The first is None if the rows are in the order of the clips, which they are unless the table was edited since.
    """
    wanted = tuple(clips.raw(name) for name in IDENTITY)
    if not files:
        return None, np.arange(len(wanted[0]))
    found = tuple(np.concatenate(columns) for columns in zip(*(file.stored(*IDENTITY) for file in files), strict=True))
    if all(np.array_equal(one, other) for one, other in zip(wanted, found, strict=True)):
        return None, np.zeros(0, np.int64)
    place: dict[tuple, int] = {}
    for row, key in enumerate(zip(*(column.tolist() for column in found), strict=True)):
        place.setdefault(key, row)
    keys = zip(*(column.tolist() for column in wanted), strict=True)
    order = np.fromiter((place.get(key, -1) for key in keys), np.int64, len(wanted[0]))
    return order, np.flatnonzero(order < 0)


def _copy_rows(sources: dict[int, memoryview], numbers: list[int], local: np.ndarray, out: np.ndarray) -> None:
    # Copying between memoryviews takes less than half the time of assigning rows with numpy. np.take cannot be used: it
    # gathers from one array, and each fold is mapped separately.
    target = memoryview(out.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
    size = out[0].nbytes
    start = 0
    for number, position in zip(numbers, (local * size).tolist(), strict=True):
        target[start : start + size] = sources[number][position : position + size]
        start += size
