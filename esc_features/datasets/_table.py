"""From the cells of a table to a clip table: checking, completing and selecting its rows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .._suggest import did_you_mean
from ..exceptions import ClipTableError
from ._assign_folds import assign_folds
from ._checks import Checks
from ._columns import CLIP_COLUMNS
from ._corrections import apply_corrections
from ._raw import RawTable

_KNOWN = (*CLIP_COLUMNS, "esc10")
_LABELLED = ("category", "target", "labels")


def read_clips(raw: RawTable, columns: Mapping[str, str | None] | None = None) -> pd.DataFrame:
    """Return the checked table: the columns of a clip table, `esc10` if the table has it, and `line`.

    `columns` maps our column names to those of the table, or to None to ignore a column. The result has `path` only if
    the table has it.
    """
    names = columns or {}
    positions = raw.positions(_KNOWN, names)
    _check_header(raw, positions, names)
    check = Checks(raw, positions)
    table = pd.DataFrame({"filename": check.file_names()})
    table["fold"] = check.integers("fold") if "fold" in check else np.int64(1)
    if "labels" in check:
        table["target"], table["labels"] = np.int64(-1), check.labels()
    elif "category" in check or "target" in check:
        _add_category(table, check)
    else:
        table["target"], table["labels"] = np.int64(-1), pd.Series([()] * len(table), dtype=object)
    table["src_file"] = check.text("src_file", default=table["filename"])
    table["take"] = check.text("take")
    table["start"], table["end"] = check.segment()
    if "path" in check:
        table["path"] = check.filled("path")
    if "esc10" in check:
        table["esc10"] = check.booleans("esc10")
    check.each_once(table)
    table["line"] = raw.places
    return table


@dataclass(frozen=True)
class Choice:
    """What to use of a data set: corrected labels, new folds, and a selection of clips."""

    categories: str | Iterable[str] | None = None
    folds: int | Iterable[int] | None = None
    esc10: bool = False
    folds_by: str | None = None
    corrections: str | os.PathLike | pd.DataFrame | None = None

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        """Apply the corrections and folds to a whole table, and return the selected rows."""
        if self.corrections is not None:
            table = apply_corrections(table, self.corrections)
        if self.folds_by is not None:
            table = assign_folds(table, self.folds_by)
        return select_clips(table, self.categories, self.folds, self.esc10)


def select_clips(
    table: pd.DataFrame,
    categories: str | Iterable[str] | None = None,
    folds: int | Iterable[int] | None = None,
    esc10: bool = False,
) -> pd.DataFrame:
    """Return the selected rows; a category or fold that is not in the table is an error.

    Clips with several labels are kept if any of them is among the categories, and lose their other labels.
    """
    if esc10:
        if "esc10" not in table:
            raise ClipTableError(
                "The table has no column 'esc10'. Select with categories=[...] instead, or name the column that marks "
                "the ESC-10 clips with columns={'esc10': '<its name>'}."
            )
        table = table[table["esc10"]]
        if table.empty:
            raise ClipTableError("No clip of the table is marked in its column 'esc10'. Omit esc10=True.")
    chosen = np.ones(len(table), dtype=bool)
    if categories is not None:
        wanted = set(_known_categories(categories, categories_of(table)))
        if "labels" in table:
            labels = [tuple(label for label in each if label in wanted) for each in table["labels"]]
            table = table.assign(labels=pd.Series(labels, index=table.index, dtype=object))
            table.attrs.pop("categories", None)
            chosen &= table["labels"].map(bool).to_numpy(bool)
        else:
            chosen &= table["category"].isin(wanted).to_numpy()
    if folds is not None:
        chosen &= table["fold"].isin(_known_folds(folds, sorted(table["fold"].unique().tolist()))).to_numpy()
    table = table[chosen]
    if esc10 or categories is not None or folds is not None:
        table.attrs["chosen"] = True  # a store keeps the clips that were not selected
    if table.empty:
        raise ClipTableError(
            "No clip is left: these categories do not occur in these folds. Restrict only one of the two."
        )
    return table


def finish(table: pd.DataFrame, path: Iterable[str], name: str) -> pd.DataFrame:
    """Return checked rows as a clip table."""
    table = table.reset_index(drop=True).assign(path=list(path))
    table = table[[column for column in CLIP_COLUMNS if column in table]]
    table = table.astype({column: CLIP_COLUMNS[column] for column in table})
    table.attrs["name"] = name
    return table


def categories_of(table: pd.DataFrame) -> list[str]:
    """Return the categories or labels that occur in a table, sorted."""
    if "labels" in table:
        return sorted({label for labels in table["labels"] for label in labels})
    return sorted(table["category"].unique().tolist())


def _check_header(raw: RawTable, positions: Mapping[str, int], names: Mapping[str, str | None]) -> None:
    """Refuse a table without file names, without clips, or with unclear labels."""
    if "filename" not in positions:
        raw.refuse_header(["filename"])
    if "labels" in positions and "category" in positions:
        raise ClipTableError(
            f"{raw.where}: there is a column for labels and one for category. Ignore one of them with "
            "columns={'labels': None} or columns={'category': None}."
        )
    # If no column could be the label, these are recordings without labels, for prediction.
    ignored = {names.get(ours, ours) for ours in names} | {raw.header[at] for at in positions.values()}
    strange = [theirs for theirs in raw.header if theirs not in ignored]
    said = any(ours in names for ours in _LABELLED)
    if not set(_LABELLED) & set(positions) and strange and not said:
        raw.refuse_header(["target, category or labels"], ", or {'category': None} if the recordings have no labels.")
    if not raw.places:
        raise ClipTableError(f"{raw.where} has column names but no clips. Add one line per clip.")


def _add_category(table: pd.DataFrame, check: Checks) -> None:
    if "category" in check:
        table["category"] = check.filled("category")
    if "target" in check:
        table["target"] = check.integers("target")
    else:
        table["target"] = pd.factorize(table["category"], sort=True)[0].astype(np.int64)
    if "category" not in table:
        table["category"] = table["target"].map(str).astype(object)
    check.one_to_one(table["category"], table["target"])


def _known_categories(categories: str | Iterable[str], present: list[str]) -> list[str]:
    if isinstance(categories, str):
        categories = [categories] if categories in present else categories.split(",")
    wanted = [str(category).strip() for category in categories]
    if not wanted:
        raise ClipTableError("categories=[] selects no clip. Name some categories, or omit it for all.")
    for category in wanted:
        if category not in present:
            raise ClipTableError(
                f"There is no category {category!r} here.{did_you_mean(category, present)} "
                f"The categories are {', '.join(present) or 'none'}."
            )
    return wanted


def _known_folds(folds: int | Iterable[int], present: list[int]) -> list[int]:
    wanted = list(folds) if isinstance(folds, Iterable) else [folds]
    unknown = [fold for fold in wanted if isinstance(fold, bool) or fold not in present]
    if unknown or not wanted:
        what = f"There is no fold {', '.join(map(repr, unknown))} here" if unknown else "folds=[] selects no clip"
        raise ClipTableError(f"{what}. Choose from {present}, or omit folds for all.")
    return wanted
