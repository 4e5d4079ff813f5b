"""Corrected labels, kept apart from the data set."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

import pandas as pd

from .._suggest import did_you_mean
from ..exceptions import ClipTableError
from ._checks import Checks
from ._columns import clip_keys, clip_name
from ._raw import RawTable, frame_table, parse_table, read_file

_COLUMNS = ("filename", "start", "end", "category", "labels")


def apply_corrections(clips: pd.DataFrame, corrections: str | os.PathLike | pd.DataFrame) -> pd.DataFrame:
    """Correct labels of a clip table.

    Use it to correct wrong labels without changing a published data set: the corrections are a small file of their
    own, and updating a store with them computes no features.

    Parameters
    ----------
    clips : DataFrame
        A clip table.
    corrections : path or DataFrame
        A table with the columns ``filename`` and ``category`` (or ``labels``), and ``start`` and ``end`` if clips are
        segments of recordings.

    Returns
    -------
    pandas.DataFrame
        A new table. A category that the table did not have gets the next number as its `target`.

    Raises
    ------
    ClipTableError
        If the corrections cannot be read, name a clip that is not in the table, or name a clip twice; the message has
        the lines.

    Examples
    --------
    >>> import pandas as pd
    >>> from esc_features.datasets import apply_corrections, make_demo
    >>> clips = make_demo()
    >>> corrections = pd.DataFrame({"filename": clips["filename"][:1], "category": ["rain"]})
    >>> clips["category"][0], apply_corrections(clips, corrections)["category"][0]
    ('dog', 'rain')
    """
    raw = _read(corrections)
    positions = raw.positions(_COLUMNS, {})
    column = "labels" if "labels" in clips else "category"
    if absent := [each for each in ("filename", column) if each not in positions]:
        raise ClipTableError(
            f"{raw.where}: there is no column {' and no column '.join(absent)}; it has "
            f"{', '.join(map(repr, raw.header))}. Corrections have the columns filename,{column}, and also start,end "
            "if clips are segments of recordings."
        )
    check = Checks(raw, positions)
    names = check.file_names().map(posixpath.normpath)
    start, end = check.segment()
    values = check.labels() if column == "labels" else check.filled(column)
    rows = _rows_of(clips, list(zip(names, start, end, strict=True)), check)
    corrected = clips[column].astype(object).reset_index(drop=True)
    for row, value in zip(rows, values, strict=True):
        corrected[row] = value
    result = clips.assign(**{column: corrected.set_axis(clips.index).astype(clips[column].dtype)})
    if column == "labels" and "categories" in clips.attrs:
        new = {label for labels in corrected for label in labels}
        result.attrs["categories"] = sorted({*clips.attrs["categories"], *new})
    if column == "category":
        result["target"] = _targets(clips, corrected).set_axis(clips.index)
    return result


def _read(corrections: str | os.PathLike | pd.DataFrame) -> RawTable:
    if isinstance(corrections, pd.DataFrame):
        return frame_table(corrections, "The table of corrections")
    path = Path(corrections).expanduser()
    return parse_table(read_file(path), str(path))


def _rows_of(clips: pd.DataFrame, wanted: list[tuple[str, float, float]], check: Checks) -> list[int]:
    known = {(posixpath.normpath(name), start, end): row for row, (name, start, end) in enumerate(clip_keys(clips))}
    shown = [clip_name(*key) for key in wanted]
    unknown = [key not in known for key in wanted]
    if any(unknown):
        name, first = wanted[unknown.index(True)][0], shown[unknown.index(True)]
        parts = [clip_name(*key) for key in known if key[0] == name]
        hint = f" This recording has the clips {', '.join(parts[:5])}." if parts else ""
        hint = hint or did_you_mean(first, [clip_name(*key) for key in known])
        check.refuse(
            unknown, shown, "Corrections of clips that are not in the data set", f"Correct or remove these lines.{hint}"
        )
    check.refuse(
        pd.Series(wanted, dtype=object).duplicated(keep=False),
        shown,
        "Clips that are corrected more than once",
        "Keep one line per clip.",
    )
    return [known[key] for key in wanted]


def _targets(clips: pd.DataFrame, corrected: pd.Series) -> pd.Series:
    numbers = dict(zip(clips["category"], clips["target"], strict=True))
    for number, category in enumerate(sorted(set(corrected) - set(numbers)), clips["target"].max() + 1):
        numbers[category] = number
    return corrected.map(numbers).astype("int64")
