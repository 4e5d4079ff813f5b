"""Stores of format 1, whose feature files hold the labels of their clips."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from ..storage import DatasetFacts, FoldFile


class LabelsInFiles:
    """The clip table of a store of format 1, read from the files of one of its features."""

    def __init__(self, files: Sequence[FoldFile]):
        self._files = tuple(files)

    def __len__(self) -> int:
        return sum(file.count for file in self._files)

    @cached_property
    def facts(self) -> DatasetFacts:
        labels, created = self._files[0].header.labels, self._files[0].header.facts.created
        assert labels is not None
        _, first = np.unique(self.column("target"), return_index=True)
        categories = tuple(self.column("category")[first].tolist())
        return DatasetFacts(labels.dataset, labels.audio_folder, "", categories, False, created)

    def raw(self, name: str) -> np.ndarray:
        """Return a column as it is stored, with text as bytes."""
        return np.concatenate([file.stored(name)[0] for file in self._files])

    def column(self, name: str) -> np.ndarray:
        """Return a column, with text as str; the path of a recording is its file name."""
        return np.concatenate([file.column("filename" if name == "path" else name) for file in self._files])

    def __getstate__(self):
        return {"_files": self._files}
