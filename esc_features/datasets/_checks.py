"""Checks of whole columns of a table; errors name the lines and values."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .._suggest import list_some
from ..exceptions import ClipTableError
from ._columns import leaves_folder
from ._raw import RawTable

_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}


class Checks:
    """Returns columns of a raw table after checking them."""

    def __init__(self, raw: RawTable, positions: dict[str, int]):
        self.raw = raw
        self._cells = {ours: raw.columns[at] for ours, at in positions.items()}

    def __contains__(self, column: str) -> bool:
        return column in self._cells

    def refuse(self, bad: ArrayLike, values: Iterable, what: str, advice: str) -> None:
        """Raise ClipTableError if any rows are bad, with the line and value of the first few."""
        rows = np.flatnonzero(np.asarray(bad, dtype=bool))
        if len(rows):
            values = list(values)
            found = [f"{self.raw.unit} {self.raw.places[row]} ({values[row]!r})" for row in rows]
            raise ClipTableError(f"{self.raw.where}: {what}: {list_some(found)}. {advice}")

    def text(self, column: str, default: Iterable[str] | str = "") -> pd.Series:
        """Return a column of text; empty cells, and all cells of a missing column, get the default."""
        defaults = pd.Series(default, index=range(len(self.raw.places)), dtype=object)
        if column not in self:
            return defaults
        text = pd.Series([_text(cell) for cell in self._cells[column]], dtype=object)
        return text.where(text != "", defaults)

    def filled(self, column: str) -> pd.Series:
        text = self.text(column)
        self.refuse(text == "", text, f"Empty cells in {column}", "Fill them in.")
        return text

    def file_names(self, column: str = "filename") -> pd.Series:
        names = self.text(column)
        leaving = {name for name in names.unique() if leaves_folder(name)}
        self.refuse(
            names.isin(leaving),
            names,
            "Names that are not a file inside the audio folder",
            "Write them relative to that folder, with '/' between folders, and without '..' or backslashes.",
        )
        return names

    def integers(self, column: str) -> pd.Series:
        cells = self._cells[column]
        numbers = _numbers(cells)
        self.refuse(
            ~((numbers >= 0) & (numbers < 2**31) & (numbers == np.floor(numbers))),
            cells,
            f"{column.capitalize()} must be a whole number of at least 0",
            f"Correct the values, or name another column with columns={{{column!r}: '<its name>'}}.",
        )
        return pd.Series(numbers.astype(np.int64))

    def seconds(self, column: str, default: float) -> pd.Series:
        """Return times in seconds; an empty cell of a file is the default, whereas NaN is an error."""
        if column not in self:
            return pd.Series(default, index=range(len(self.raw.places)), dtype=np.float64)
        cells = [default if cell == "" else cell for cell in self._cells[column]]
        times = _numbers(cells)
        self.refuse(
            ~((times >= 0) & (times <= default if np.isinf(default) else times < np.inf)),
            cells,
            f"{column.capitalize()} must be a number of seconds, at least 0",
            f"Correct the values; for the {column} of the recording itself, "
            + ("leave the cell empty." if self.raw.unit == "line" else f"write {default:g}."),
        )
        return pd.Series(times)

    def segment(self) -> tuple[pd.Series, pd.Series]:
        """Return `start` and `end`; each end is after its start."""
        start, end = self.seconds("start", 0.0), self.seconds("end", np.inf)
        both = [f"{one:g} to {other:g} s" for one, other in zip(start, end, strict=True)]
        advice = "Correct the times: both are seconds from the start of the recording."
        self.refuse(end <= start, both, "End must be after start", advice)
        return start, end

    def booleans(self, column: str) -> pd.Series:
        text = self.text(column)
        known = text.str.lower().map(_BOOLEANS)
        self.refuse(known.isna(), text, f"{column} must be True or False", "Correct the values.")
        return known.astype(bool)

    def labels(self, column: str = "labels") -> pd.Series:
        """Return a sorted tuple of labels per row, from ``a;b``, ``a,b``, the text of a list, or a list."""
        cells = self._cells[column]
        separator = ";" if any(isinstance(cell, str) and ";" in cell for cell in cells) else ","
        labels = [_labels(cell, separator) for cell in cells]
        self.refuse(
            [each is None for each in labels],
            cells,
            f"Cells in {column} that are not labels",
            "Write several labels as 'dog;rain', and leave the cell empty if there is none.",
        )
        return pd.Series(labels, index=range(len(labels)), dtype=object)

    def one_to_one(self, category: pd.Series, target: pd.Series) -> None:
        pairs = pd.DataFrame({"category": category, "target": target})
        unique = pairs.drop_duplicates()
        written = [f"{name} = {number}" for name, number in zip(category, target, strict=True)]
        for one, other in (("category", "target"), ("target", "category")):
            twice = unique[unique[one].duplicated(keep=False)].index
            wrong = pairs.index.isin(twice)
            self.refuse(
                wrong,
                written,
                f"A {one} with more than one {other}",
                "Correct the table, or number the categories anew with columns={'target': None}.",
            )

    def each_once(self, table: pd.DataFrame) -> None:
        """Refuse a segment that occurs twice, and overlapping segments that are in different folds or sources."""
        plain = {name: posixpath.normpath(name) for name in table["filename"].unique()}
        keys = pd.DataFrame({"name": table["filename"].map(plain), "start": table["start"], "end": table["end"]})
        self.refuse(
            keys.duplicated(keep=False),
            table["filename"],
            "The same clip more than once",
            "Keep one line per clip: otherwise the same sound could be in both the training and the test set.",
        )
        for column, what in (("fold", "folds"), ("src_file", "source recordings (src_file)")):
            mixed = table.groupby(keys["name"])[column].nunique()
            rows = _overlapping(keys[keys["name"].isin(mixed.index[mixed > 1])], table[column])
            self.refuse(
                table.index.isin(rows),
                table["filename"],
                f"Clips of one recording that overlap but are in different {what}",
                "Give them the same one: otherwise the same sound could be in both the training and the test set.",
            )


def _overlapping(keys: pd.DataFrame, values: pd.Series) -> list[int]:
    """Return the rows that overlap in time with a row of the same recording that has another value."""
    rows: set[int] = set()
    for _, group in keys.sort_values("start", kind="stable").groupby("name", sort=False):
        latest: dict = {}  # value -> of the rows so far with this value, the one that ends last
        for row, start, end in zip(group.index, group["start"], group["end"], strict=True):
            other = [each for value, each in latest.items() if value != values[row] and keys["end"][each] > start]
            rows.update([*other, row] if other else [])
            if values[row] not in latest or keys["end"][latest[values[row]]] < end:
                latest[values[row]] = row
    return sorted(rows)


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():  # pandas reads whole numbers beside empty cells as floats
        return str(int(cell))
    return str(cell)


def _numbers(cells: list) -> np.ndarray:
    plain = pd.Series([None if isinstance(cell, bool | np.bool_) else cell for cell in cells], dtype=object)
    return pd.to_numeric(plain, errors="coerce").to_numpy(np.float64)


def _labels(cell: Any, separator: str) -> tuple[str, ...] | None:
    if cell is None:
        return ()
    if isinstance(cell, str):
        if cell[:1] in ("[", "(") and cell[-1:] in ("]", ")"):
            try:
                cell = ast.literal_eval(cell)
            except (ValueError, SyntaxError):
                return None
            if isinstance(cell, str):
                cell = [cell]
        else:
            cell = cell.split(separator)
    try:
        labels = list(cell)
    except TypeError:
        return None
    if not all(isinstance(label, str) for label in labels):
        return None
    return tuple(sorted({label.strip() for label in labels} - {""}))
