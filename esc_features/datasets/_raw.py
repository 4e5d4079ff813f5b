"""The unchecked cells of a file or DataFrame, with their lines."""

from __future__ import annotations

import csv
import io
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..exceptions import ClipTableError


@dataclass
class RawTable:
    """A table before any check; missing cells of a DataFrame are None."""

    where: str
    header: list[str]
    columns: list[list]
    places: list
    unit: str = "line"

    def positions(self, known: tuple[str, ...], names: Mapping[str, str | None]) -> dict[str, int]:
        """Return the positions of the known columns that the table has; `names` maps known names to the table's."""
        for ours in names:
            if ours not in known:
                raise ClipTableError(f"columns= has the unknown name {ours!r}. Use {', '.join(known)}.")
        absent = [
            f"{ours} (mapped to {theirs!r})" for ours, theirs in names.items() if theirs not in (*self.header, None)
        ]
        if absent:
            self.refuse_header(absent)
        used = {ours: theirs for ours in known if (theirs := names.get(ours, ours)) in self.header}
        for theirs in used.values():
            if self.header.count(theirs) > 1:
                raise ClipTableError(f"{self.where}: the header has more than one column {theirs!r}. Keep one of them.")
        return {ours: self.header.index(theirs) for ours, theirs in used.items()}

    def refuse_header(self, absent: list[str], further: str = "") -> None:
        raise ClipTableError(
            f"{self.where}: there is no column for {', '.join(absent)}; it has {', '.join(map(repr, self.header))}. "
            "Map the names with columns={'filename': '<its name in the table>', ...}" + (further or ".")
        )


def read_file(path: Path) -> bytes:
    """Return the content of a table's file; refuse a pipe or device instead of waiting for it."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ClipTableError(f"{path} is not a regular file. Write the table to a CSV file and name that.")
        return path.read_bytes()
    except OSError as error:
        raise ClipTableError(
            f"The table {path} cannot be read: {error.strerror or error}. Check its name and its permissions."
        ) from error


def parse_table(content: bytes, where: str) -> RawTable:
    """Read a CSV table: UTF-8 or UTF-16, separated by commas, semicolons or tabs."""
    text = decode(content, where)
    first = text.lstrip("\r\n").partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    header: list[str] = []
    rows, lines = [], []
    try:
        for row in reader:
            if not any(map(str.strip, row)):
                continue
            if not header:
                header = [name.strip() for name in row]
            elif len(row) != len(header):
                raise ClipTableError(
                    f"{where}: line {reader.line_num} has {len(row)} fields, but the header has {len(header)}. "
                    "Correct the line; a name that contains the separator must be in quotes."
                )
            else:
                rows.append([cell.strip() for cell in row])
                lines.append(reader.line_num)
    except csv.Error as error:
        raise ClipTableError(
            f"{where}: line {reader.line_num} is not CSV ({error}). Correct the quotes in this line or before it."
        ) from None
    if not header:
        raise ClipTableError(f"{where} is empty. It needs a line of column names and one line per clip.")
    columns = [list(cells) for cells in zip(*rows, strict=True)] or [[] for _ in header]
    return RawTable(where, header, columns, lines)


def frame_table(frame: pd.DataFrame, where: str) -> RawTable:
    """Return the cells of a DataFrame; messages name its rows by position, from 0, as `iloc` does."""
    columns = [
        [_plain(value) for value in frame.iloc[:, number].astype(object).tolist()] for number in range(frame.shape[1])
    ]
    return RawTable(where, [str(name) for name in frame.columns], columns, list(range(len(frame))), "row")


def decode(content: bytes, where: str) -> str:
    """Return the text of a table; raise ClipTableError with the line that cannot be decoded."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ClipTableError(
            f"{where}: line {line} holds a byte that is not {encoding.removesuffix('-sig')} "
            f"(0x{content[error.start]:02x}). Save the whole table as UTF-8."
        ) from None


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list | tuple | set | frozenset) or hasattr(value, "__array__"):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return None if pd.isna(value) else value
