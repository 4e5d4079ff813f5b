"""Annotations of recordings: tables, Raven selection tables, Audacity labels."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ..exceptions import ClipTableError
from ._checks import Checks
from ._raw import RawTable, decode, frame_table, parse_table, read_file

_COLUMNS = ("filename", "start", "end", "label")
_BEGIN, _END = "Begin Time (s)", "End Time (s)"
# Names of the label column in tables of Raven, BirdNET and their users.
_RAVEN_LABELS = ("Annotation", "Label", "Species", "Common Name")


def load_annotations(
    path: str | os.PathLike | Iterable[str | os.PathLike],
    columns: Mapping[str, str] | None = None,
    *,
    filename: str | None = None,
) -> pd.DataFrame:
    """Read annotations of long recordings: which sounds were heard, and when.

    Use it to label windows with `label_windows`. The kind of each file is recognised by its content: a CSV table, a
    Raven selection table (also as BirdNET writes it) or an Audacity label track.

    Parameters
    ----------
    path : path or iterable of paths
        One file, several files, or a folder of ``.csv``, ``.tsv`` and ``.txt`` files.
    columns : mapping of str to str, optional
        Maps the column names used here to those of the table, if they differ: ``{"label": "Species"}``. The names used
        here are ``filename``, ``start``, ``end`` and ``label``.
    filename : str, optional
        The recording, for files that do not name it. By default it is the name of the file without ``.txt`` or
        ``.Table.1.selections.txt``, which stands for the recording of that name with any extension.

    Returns
    -------
    pandas.DataFrame
        One row per annotation: ``filename`` (str), ``start`` and ``end`` (float64, seconds in the recording), ``label``
        (str), and ``line`` (str), its place in the file, for messages.

    Raises
    ------
    ClipTableError
        If a file is of none of these kinds, or one of its lines cannot be used.

    Notes
    -----
    In a CSV table, ``start`` and ``end`` may be empty, which means the start and end of the recording. Raven's columns
    ``Begin File`` and ``File Offset (s)`` are used if they exist, and a selection that is listed for two views is one
    annotation. The frequencies of Audacity's spectral selections are ignored. An Audacity label may be a point in time.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from esc_features.datasets import load_annotations
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "garden.txt"
    >>> _ = path.write_text("1.5\\t2.25\\tblackbird\\n")
    >>> load_annotations(path)[["filename", "start", "end", "label"]].to_numpy().tolist()
    [['garden', 1.5, 2.25, 'blackbird']]
    """
    files = _files(path)
    tables = [_load(file, columns or {}, filename) for file in files]
    return pd.concat(tables, ignore_index=True)


def check_annotations(annotations: pd.DataFrame) -> pd.DataFrame:
    """Check annotations made in Python, as `load_annotations` checks those in files."""
    raw = frame_table(annotations, "The table of annotations")
    table = _checked(raw, {})
    if "line" in annotations:
        table["line"] = annotations["line"].astype(str).to_numpy()
    return table


def _files(path: str | os.PathLike | Iterable[str | os.PathLike]) -> list[Path]:
    if not isinstance(path, str | os.PathLike):
        files = [Path(each).expanduser() for each in path]
    elif (folder := Path(path).expanduser()).is_dir():
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in (".csv", ".tsv", ".txt"))
    else:
        files = [folder]
    if not files:
        raise ClipTableError(f"{path} holds no .csv, .tsv or .txt file. Name the files with the annotations.")
    return files


def _load(path: Path, columns: Mapping[str, str], filename: str | None) -> pd.DataFrame:
    where = str(path)
    text = decode(read_file(path), where)
    name = filename or re.sub(r"(\.Table\.\d+)?(\.selections)?\.\w+$", "", path.name)
    if _is_audacity(text):
        return _checked(_audacity(text, where, name), {})
    raw = parse_table(text.encode(), where)
    if _BEGIN in raw.header and _END in raw.header:
        return _checked(_raven(raw, columns, name), {})
    if columns.get("filename", "filename") not in raw.header and (filename or "start" in raw.header):
        raw.header.append("filename")
        raw.columns.append([name] * len(raw.places))
    return _checked(raw, columns)


def _checked(raw: RawTable, columns: Mapping[str, str]) -> pd.DataFrame:
    positions = raw.positions(_COLUMNS, columns)
    if absent := [column for column in ("filename", "label") if column not in positions]:
        raw.refuse_header(absent, ". Annotations are filename,start,end,label, or a file of Raven or Audacity.")
    check = Checks(raw, positions)
    start, end = check.seconds("start", 0.0), check.seconds("end", np.inf)
    both = [f"{one:g} to {other:g} s" for one, other in zip(start, end, strict=True)]
    check.refuse(end < start, both, "Annotations that end before they start", "Correct their times.")
    lines = [f"{raw.where}: {raw.unit} {place}" for place in raw.places]
    table = {"filename": check.file_names(), "start": start, "end": end, "label": check.filled("label"), "line": lines}
    return pd.DataFrame(table).astype({"filename": "str", "label": "str", "line": "str"})


def _is_audacity(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("\\")]
    return bool(lines) and _times(lines[0]) is not None


def _times(line: str) -> list[str] | None:
    """Return start, end and label of a line of an Audacity label track; None if it is not one."""
    cells = [*line.split("\t", 2), ""][:3]
    try:
        float(cells[0]), float(cells[1])
    except ValueError:
        return None
    return cells


def _audacity(text: str, where: str, name: str) -> RawTable:
    rows, places = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("\\"):  # the frequencies of the previous label
            continue
        cells = _times(line)
        if cells is None:
            raise ClipTableError(
                f"{where}: line {number} is not an Audacity label ({line[:40]!r}): start, end (s) and label, separated "
                "by tabs. Export the labels again."
            )
        rows.append([name, *map(str.strip, cells)])
        places.append(number)
    return RawTable(where, list(_COLUMNS), [list(cells) for cells in zip(*rows, strict=True)], places)


def _raven(raw: RawTable, columns: Mapping[str, str], name: str) -> RawTable:
    cells = dict(zip(raw.header, raw.columns, strict=True))
    label = columns.get("label") or next((each for each in _RAVEN_LABELS if each in cells), "")
    if label not in cells:
        raw.refuse_header(
            [f"label (mapped to {label!r})" if label else "label"],
            "; in a Raven selection table, columns={'label': '<the column with the labels>'}.",
        )
    names = [file or name for file in cells.get("Begin File", [name] * len(raw.places))]
    rows: dict[tuple, int] = {}  # a selection -> the first line with it
    for row, begin in enumerate(cells[_BEGIN]):
        start, end = begin, cells[_END][row]
        if "File Offset (s)" in cells:
            # If several files are open, times count from the start of the first; the offset is that in the named file.
            start, end = _shifted(start, end, cells["File Offset (s)"][row])
        view = cells["Selection"][row] if "Selection" in cells else row
        rows.setdefault((view, names[row], start, end, cells[label][row]), raw.places[row])
    columns_ = [list(each) for each in zip(*(key[1:] for key in rows), strict=True)] or [[]] * 4
    return RawTable(raw.where, list(_COLUMNS), columns_, list(rows.values()))


def _shifted(begin: str, end: str, offset: str) -> tuple[str, str]:
    try:
        return offset, repr(float(offset) + float(end) - float(begin))
    except ValueError:
        return begin, end  # the check of the columns reports them
