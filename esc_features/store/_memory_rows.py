"""Rows in memory, with the interface of the rows of a store."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from ..storage import DatasetFacts


class Described(Protocol):
    """An object with columns about the clips of an array: another array, or given columns."""

    @property
    def facts(self) -> DatasetFacts: ...
    def column(self, name: str) -> np.ndarray: ...


class MemoryRows:
    """An array in memory, with what is known about its clips."""

    content_ids: tuple[bytes, ...] = ()

    def __init__(self, array, clips: Described, feature_name: str, parameters: dict[str, Any]):
        self._array, self.clips = np.asarray(array), clips
        if self._array.ndim < 1:
            raise ValueError("An array of clips must have at least one dimension, the clips.")
        self.shape, self.dtype = self._array.shape[1:], self._array.dtype
        self.feature_name, self.parameters = feature_name, parameters

    def __len__(self) -> int:
        return len(self._array)

    @property
    def facts(self) -> DatasetFacts:
        return self.clips.facts

    def column(self, name: str) -> np.ndarray:
        return self.clips.column(name)

    def gather(self, rows: np.ndarray, out: np.ndarray) -> None:
        np.take(self._array, rows, axis=0, out=out, mode="clip")


class GivenClips:
    """Columns about the clips of an array that a caller gives; the others have defaults."""

    def __init__(self, count: int, dataset: str, columns: dict[str, Any]):
        numbers = np.arange(count).astype(str)
        target = columns.get("target")
        self._columns: dict[str, np.ndarray] = {
            "fold": np.ones(count, np.int64),
            "src_file": numbers,
            "filename": numbers,
            "target": np.zeros(count, np.int64),
            "category": np.zeros(count, np.int64) if target is None else np.asarray(target),
            "start": np.zeros(count),
            "end": np.full(count, np.inf),
        }
        kinds = {"src_file": str, "filename": str, "category": str, "fold": np.int64, "target": np.int64}
        for name, values in columns.items():
            if values is not None:
                self._columns[name] = np.asarray(values)
        for name, kind in kinds.items():
            self._columns[name] = self._columns[name].astype(kind)
        for name, column in self._columns.items():
            if column.shape != (count,):
                raise ValueError(f"{name} has the shape {column.shape} for {count} clips: give one value per clip.")
        category = self._columns["category"]
        by_number = category[np.lexsort((category, self._columns["target"]))]
        self.facts = DatasetFacts(dataset, "", "", tuple(dict.fromkeys(by_number.tolist())), False, "")

    def column(self, name: str) -> np.ndarray:
        return self._columns[name]
