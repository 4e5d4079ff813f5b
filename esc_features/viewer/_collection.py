"""The clips of a store as the viewer lists them: columns that are read once, filters, and facts about each clip."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ..audio import Note, describe_notes
from ..datasets import clip_name
from ..store import Store

SORTS = ("store", "filename", "category", "fold", "source", "confidence")


@dataclass(frozen=True)
class Query:
    """Which clips are listed, and in what order, as the address of a page states it.

    Several categories, folds or notes are alternatives; different fields must all hold.
    """

    category: tuple[str, ...] = ()
    fold: tuple[str, ...] = ()
    note: tuple[str, ...] = ()
    source: str = ""
    text: str = ""
    sort: str = "store"
    descending: bool = False
    #: A cell of a method's confusion matrix: clips of a true category that were predicted to be of another. One of the
    #: two alone is a row or a column.
    method: str = ""
    true: str = ""
    predicted: str = ""
    #: "wrong" or "correct": of the method; of the `other` method, the opposite.
    outcome: str = ""
    other: str = ""
    #: Clips that every method gets wrong.
    suspicious: bool = False
    #: A line drawn on a map, and its corners: "mfcc:pca:x,y;x,y;..."
    lasso: str = ""

    @classmethod
    def of(cls, parameters: Mapping[str, list[str]]) -> Query:
        """Read the parameters of an address; what is unknown or empty is left out."""
        fields: dict[str, Any] = {}
        for name, default in cls().__dict__.items():
            given = tuple(value for value in parameters.get(name, ()) if value)
            if given:
                fields[name] = given if isinstance(default, tuple) else given[-1]
                if isinstance(default, bool):
                    fields[name] = given[-1] == "1"
        query = cls(**fields)
        if query.sort not in SORTS:
            raise ValueError(f"Clips cannot be sorted by {query.sort!r}. Use {', '.join(SORTS)}.")
        return query


class Collection:
    """The clips of a store, by row: what is known about each, and which of them match a query.

    Columns are read on first use, and kept; nothing is read from the arrays.
    """

    def __init__(self, store: Store):
        self.store = store
        self._columns: dict[str, np.ndarray] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.store)

    def column(self, name: str) -> np.ndarray:
        with self._lock:
            if name not in self._columns:
                self._columns[name] = self.store.column(name)
            return self._columns[name]

    @cached_property
    def has_several_labels(self) -> bool:
        return self.store.y.ndim == 2

    @cached_property
    def categories(self) -> list[str]:
        """Names of the categories, by number in `numbers`."""
        return [str(name) for name in self.store.categories]

    @cached_property
    def numbers(self) -> np.ndarray:
        """Which categories each clip has: int64 (clips,), or int8 (clips, categories) if they have several."""
        if self.has_several_labels:
            return np.asarray(self.store.y)
        return pd.Index(self.categories).get_indexer(pd.Index(self.column("category")))

    def labels(self, row: int) -> list[str]:
        """Return the categories of a clip."""
        if not self.has_several_labels:
            return [str(self.column("category")[row])]
        return [name for name, there in zip(self.categories, self.numbers[row], strict=True) if there]

    def identity(self, row: int) -> tuple[str, float, float]:
        return str(self.column("filename")[row]), float(self.column("start")[row]), float(self.column("end")[row])

    def row_of(self, filename: str, start: float = 0.0, end: float = math.inf) -> int:
        """Return the row of a clip; the error names the clips of the same recording."""
        found = np.flatnonzero(self.column("filename") == filename)
        for row in found.tolist():
            if self.identity(row) == (filename, start, end):
                return row
        parts = ", ".join(clip_name(*self.identity(row)) for row in found[:5].tolist())
        raise ValueError(
            f"There is no clip {clip_name(filename, start, end)!r} in this store."
            + (f" Its clips of this recording are {parts}." if parts else "")
        )

    def rows_of(self, clips: pd.DataFrame) -> np.ndarray:
        """Return the row of each clip of another table, -1 if it is not in the store."""
        whole = pd.MultiIndex.from_arrays([self.column(name) for name in ("filename", "start", "end")])
        return whole.get_indexer(pd.MultiIndex.from_arrays([clips[name] for name in ("filename", "start", "end")]))

    def notes(self, row: int) -> list[str]:
        return [note for note in describe_notes(int(self._notes[row])).split(", ") if note]

    @cached_property
    def _notes(self) -> np.ndarray:
        try:
            return self.column("notes").astype(np.int64)
        except (KeyError, ValueError):
            return np.zeros(len(self), np.int64)

    def counts(self) -> dict[str, list[tuple[str, int]]]:
        """Return how many clips each category, fold and note has."""
        if self.has_several_labels:
            of_category = self.numbers.sum(axis=0).tolist()
        else:
            of_category = np.bincount(self.numbers[self.numbers >= 0], minlength=len(self.categories)).tolist()
        folds, of_fold = np.unique(self.column("fold"), return_counts=True)
        notes = [(describe_notes(note), int((self._notes & note > 0).sum())) for note in Note]
        return {
            "category": list(zip(self.categories, of_category, strict=True)),
            "fold": [(str(fold), int(count)) for fold, count in zip(folds, of_fold, strict=True)],
            "note": [(name, count) for name, count in notes if count],
        }

    def matches(self, query: Query) -> np.ndarray:
        """Return whether each clip matches what a query states about columns; methods and maps are not considered."""
        keep = np.ones(len(self), bool)
        if query.category:
            unknown = [name for name in query.category if name not in self.categories]
            if unknown:
                raise ValueError(f"There is no category {unknown[0]!r} in this store.")
            wanted = [self.categories.index(name) for name in query.category]
            keep &= self.numbers[:, wanted].any(axis=1) if self.has_several_labels else np.isin(self.numbers, wanted)
        if query.fold:
            keep &= np.isin(self.column("fold").astype(str), query.fold)
        if query.note:
            chosen = {note for note in Note if describe_notes(note) in query.note}
            keep &= (self._notes & sum(chosen)) > 0
        if query.source:
            keep &= self.column("src_file") == query.source
        if query.text:
            keep &= self._contains(query.text)
        return keep

    def order(self, query: Query, rows: np.ndarray) -> np.ndarray:
        """Return rows in the order of a column."""
        if query.sort not in ("store", "confidence"):
            if query.sort == "category" and self.has_several_labels:
                keys = np.array([";".join(self.labels(row)) for row in rows.tolist()], object)
            else:
                keys = self.column({"source": "src_file"}.get(query.sort, query.sort))[rows]
            rows = rows[np.argsort(keys, kind="stable")]
        return rows[::-1] if query.descending else rows

    def _contains(self, text: str) -> np.ndarray:
        text = text.casefold()
        found = np.array([text in name.casefold() for name in self.column("filename").tolist()], bool)
        hits = [number for number, name in enumerate(self.categories) if text in name.casefold()]
        found |= self.numbers[:, hits].any(axis=1) if self.has_several_labels else np.isin(self.numbers, hits)
        return found | np.array([text in name.casefold() for name in self.column("src_file").tolist()], bool)

    def brief(self, row: int) -> dict[str, Any]:
        """Return what a card of the grid shows."""
        filename, start, end = self.identity(row)
        return {
            "row": row,
            "name": clip_name(filename, start, end),
            "filename": filename,
            "start": start,
            "end": None if end == math.inf else end,
            "labels": self.labels(row),
            "fold": int(self.column("fold")[row]),
            "source": str(self.column("src_file")[row]),
            "notes": self.notes(row),
        }

    def siblings(self, row: int, most: int = 60) -> list[int]:
        """Return the other clips of the same source recording."""
        rows = np.flatnonzero(self.column("src_file") == self.column("src_file")[row])
        return [other for other in rows.tolist() if other != row][:most]

    def measured(self, row: int) -> dict[str, Any]:
        """Return what the extraction recorded about the recording."""
        found = {}
        for name in ("take", "original_sample_rate", "original_channels", "original_samples", "audio_digest"):
            try:
                value = self.column(name)[row]
            except (KeyError, ValueError):
                continue
            found[name] = value.item() if hasattr(value, "item") else str(value)
        if "audio_digest" in found:
            found["audio_digest"] = f"{found['audio_digest']:016x}"
        return found
