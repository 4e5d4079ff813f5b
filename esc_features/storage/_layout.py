"""The layout of the files of a store: the names and types of their columns, and their headers.

`docs/format.md` is the specification. A feature file holds the numbers of one feature and fold, `/data` (clips,
*shape), and facts about the audio; the clip table, `clips.h5`, holds the names, labels and folds of the clips. Both
keep one column per fact in `/clips`, with one row per clip, contiguous and allocated when the file is created, so that
rows can be written and read at known byte offsets without HDF5. In format 1, feature files also held the labels of
their clips, and there was no clip table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FORMAT = "esc_features"
FORMAT_VERSION = 2
CLIPS_FILE = "clips.h5"
DATA_TYPES = ("<f4", "<f2", "<i2")

# Measured during extraction and written row by row, `done` last.
MEASURED_COLUMNS = {
    "original_sample_rate": "<i4",
    "original_channels": "<i4",
    "original_samples": "<i8",
    "audio_digest": "<u8",
    "notes": "<u4",
    "crc32": "<u4",
    "done": "|u1",
}


@dataclass(frozen=True)
class Layout:
    """The columns of `/clips` in a kind of file: texts and numbers known when it is created, and measured columns."""

    version: int
    texts: tuple[str, ...]
    numbers: Mapping[str, str]
    measured: Mapping[str, str]

    @property
    def given(self) -> tuple[str, ...]:
        """The columns known when the file is created, in the order of their checksum."""
        return (*self.texts, *self.numbers)

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.given, *self.measured)

    def types(self, name: str) -> tuple[str, ...]:
        """Return the permitted types of a column or of `data`; none for texts."""
        if name == "data":
            return DATA_TYPES
        return () if name in self.texts else ({**self.numbers, **self.measured}[name],)


_SEGMENT = {"start": "<f8", "end": "<f8"}
_CLASS = {"fold": "<i8", "target": "<i8"}
FEATURE_1 = Layout(1, ("filename", "category", "src_file", "take"), _CLASS, MEASURED_COLUMNS)
FEATURE_2 = Layout(2, ("filename",), _SEGMENT, MEASURED_COLUMNS)
CLIPS_2 = Layout(2, ("filename", "category", "src_file", "take", "path"), _SEGMENT | _CLASS, {})
# If clips have several labels, these are a table of their own, `/labels` (clips, classes).
CLIPS_2_LABELS = Layout(2, ("filename", "src_file", "take", "path"), _SEGMENT | _CLASS, {})


@dataclass(frozen=True)
class Column:
    """The place of an HDF5 dataset in a file: `count` rows of `dtype` and `shape`, starting at byte `offset`."""

    offset: int
    count: int
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def offset_of(self, row: int) -> int:
        return self.offset + row * self.row_bytes


@dataclass(frozen=True)
class FeatureFacts:
    """The facts in a feature file about its numbers: the feature, the fold, and how they were computed."""

    feature: str
    fold: int
    description: dict[str, Any]
    fingerprint: str
    versions: dict[str, str]
    created: str


@dataclass(frozen=True)
class LabelFacts:
    """The additional facts in a feature file of format 1, about the data set."""

    dataset: str
    folds: tuple[int, ...]
    audio_folder: str


@dataclass(frozen=True)
class Header:
    """The content of a feature file except its rows."""

    path: Path
    layout: Layout
    facts: FeatureFacts
    #: Only in format 1; later, these facts are in the clip table.
    labels: LabelFacts | None
    #: By name, for the columns known before extraction; in format 1 one for all of them (""), in the oldest files none.
    checksums: Mapping[str, int]
    columns: Mapping[str, Column]
    identity: tuple[int, ...]

    @property
    def data(self) -> Column:
        return self.columns["data"]

    def __len__(self) -> int:
        return self.data.count
