"""Reading, checking and subsetting the metadata table of a data set."""

import csv
import difflib
import io
import posixpath
import re
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from ..exceptions import ClipTableError

COLUMNS = ("filename", "fold", "target", "category", "src_file", "take", "esc10")

# Absolute, a Windows drive, a backslash, a control character, a folder instead of a file, or a part made of
# dots and spaces ('..', which Windows also reads in '.. '). One rule, so that a table means the same everywhere.
_ESCAPING_NAME = re.compile(r"^/|^.:|\\|[\x00-\x1f\x7f]|(?:^|/)(?: |[ .]{2,})(?:/|$)|(?:^|/)\.?$")

_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}
_SHOWN = 5


def read_table(content: bytes, where: str, columns: Mapping[str, str | None] | None = None) -> pd.DataFrame:
    """Return the checked table: the columns of a clip table, `esc10` where there is one, and `line`.

    `where` names the table in error messages; `columns` maps our column names to the table's, or to None for
    a column that is to be ignored.
    """
    header, rows, lines = _parse(_decode(content, where), where)
    positions = _match_columns(header, columns or {}, where)
    if not rows:
        raise ClipTableError(f"{where} has column names but no clips: add one line for each clip")
    cells = list(zip(*rows, strict=True))
    text = {ours: pd.Series([cell.strip() for cell in cells[at]], dtype=object) for ours, at in positions.items()}
    check = _Checks(where, lines)
    table = pd.DataFrame({"filename": check.file_names(text["filename"])})
    table["fold"] = check.integers(text, "fold")
    if "category" in text:
        table["category"] = check.filled(text, "category")
    if "target" in text:
        table["target"] = check.integers(text, "target")
    else:
        table["target"] = pd.factorize(table["category"], sort=True)[0].astype(np.int64)
    if "category" not in text:
        table["category"] = table["target"].map(str).astype(object)
    check.one_to_one(table)
    source = text.get("src_file", table["filename"])
    table["src_file"] = source.where(source != "", table["filename"])
    table["take"] = text.get("take", "")
    if "esc10" in text:
        table["esc10"] = check.booleans(text, "esc10")
    table["line"] = lines
    return table


def select_clips(
    table: pd.DataFrame,
    categories: str | Iterable[str] | None = None,
    folds: int | Iterable[int] | None = None,
    esc10: bool = False,
) -> pd.DataFrame:
    """Return the rows asked for; a category or fold that is not in the table is an error, not an empty part."""
    if esc10:
        if "esc10" not in table:
            raise ClipTableError(
                "the table has no column 'esc10': choose by categories=[...] instead, or say which column marks "
                "the ESC-10 clips with columns={'esc10': '<its name>'}"
            )
        table = table[table["esc10"]]
        if table.empty:
            raise ClipTableError("no clip of the table is marked in its column 'esc10': leave esc10=True out")
    chosen = np.ones(len(table), dtype=bool)
    if categories is not None:
        chosen &= table["category"].isin(_known_categories(categories, table["category"].unique()))
    if folds is not None:
        chosen &= table["fold"].isin(_known_folds(folds, sorted(table["fold"].unique().tolist())))
    table = table[chosen]
    if table.empty:
        raise ClipTableError(
            "no clip is left: these categories do not occur in these folds; restrict one of the two only"
        )
    return table


def escapes(name: str) -> bool:
    """Tell whether a file name could lead out of the audio folder, on any platform."""
    return _ESCAPING_NAME.search(name) is not None


def list_some(items: Iterable[str]) -> str:
    """Write the first few items, and how many more there are."""
    items = list(items)
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more


def _decode(content: bytes, where: str) -> str:
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ClipTableError(
            f"{where}: line {line} holds a byte that is not {encoding.removesuffix('-sig')} "
            f"(0x{content[error.start]:02x}): save the whole table as UTF-8"
        ) from None


def _parse(text: str, where: str) -> tuple[list[str], list[list[str]], list[int]]:
    """Split a table into its header, its rows and the line that each row ends on."""
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
                    f"{where}: line {reader.line_num} has {len(row)} fields, the header has {len(header)}: "
                    "correct the line (a name that holds the separator must be in quotes)"
                )
            else:
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise ClipTableError(
            f"{where}: line {reader.line_num} is not CSV ({error}): correct the quotes there or before"
        ) from None
    if not header:
        raise ClipTableError(f"{where} is empty: it needs a line of column names and one line for each clip")
    return header, rows, lines


def _match_columns(header: list[str], columns: Mapping[str, str | None], where: str) -> dict[str, int]:
    """Return the position of each of our columns that the table has."""
    for ours in columns:
        if ours not in COLUMNS:
            raise ClipTableError(f"columns= has {ours!r}, which is not one of ours: {', '.join(COLUMNS)}")
    names = {ours: columns.get(ours, ours) for ours in COLUMNS}
    absent = [f"{ours} (mapped to {theirs!r})" for ours, theirs in columns.items() if theirs not in (*header, None)]
    absent += [ours for ours in ("filename", "fold") if names[ours] is None]
    absent += [ours for ours in ("filename", "fold") if ours not in columns and ours not in header]
    if not absent and not {names["target"], names["category"]} & set(header):
        absent = ["target or category"]
    if absent:
        raise ClipTableError(
            f"{where}: line 1 has no column for {', '.join(absent)}; it has {', '.join(map(repr, header))}. "
            "Say which column is which with columns={'filename': '<its name in the table>', ...}"
        )
    used = {ours: theirs for ours, theirs in names.items() if theirs in header}
    for theirs in used.values():
        if header.count(theirs) > 1:
            raise ClipTableError(f"{where}: line 1 has more than one column {theirs!r}: keep one of them")
    return {ours: header.index(theirs) for ours, theirs in used.items()}


class _Checks:
    """Checks of whole columns; what is wrong is reported with lines and values."""

    def __init__(self, where: str, lines: list[int]):
        self.where = where
        self.lines = np.asarray(lines)

    def refuse(self, bad, values: pd.Series, what: str, advice: str) -> None:
        bad = np.asarray(bad, dtype=bool)
        if bad.any():
            found = (f"line {line} ({value!r})" for line, value in zip(self.lines[bad], values[bad], strict=True))
            raise ClipTableError(f"{self.where}: {what}: {list_some(found)}. {advice}")

    def filled(self, text: Mapping[str, pd.Series], column: str) -> pd.Series:
        self.refuse(text[column] == "", text[column], f"empty cells in {column}", "Fill them in.")
        return text[column]

    def file_names(self, names: pd.Series) -> pd.Series:
        self.refuse(
            [escapes(name) for name in names],
            names,
            "names that are not a file inside the audio folder",
            "Write them relative to it, with '/' between folders; no absolute path, '..' or backslash.",
        )
        plain = names.map(posixpath.normpath)
        self.refuse(
            plain.duplicated(keep=False),
            names,
            "the same file more than once",
            "Keep one line for each clip, or the same recording could be in training and test at once.",
        )
        return names

    def integers(self, text: Mapping[str, pd.Series], column: str) -> pd.Series:
        numbers = pd.to_numeric(text[column], errors="coerce").astype(np.float64)
        self.refuse(
            ~((numbers >= 0) & (numbers < 2**31) & (numbers == np.floor(numbers))),
            text[column],
            f"{column} must be a whole number from 0",
            f"Correct them, or name another column with columns={{{column!r}: '<its name>'}}.",
        )
        return numbers.astype(np.int64)

    def booleans(self, text: Mapping[str, pd.Series], column: str) -> pd.Series:
        known = text[column].str.lower().map(_BOOLEANS)
        self.refuse(known.isna(), text[column], f"{column} must be True or False", "Correct them.")
        return known.astype(bool)

    def one_to_one(self, table: pd.DataFrame) -> None:
        pairs = table[["category", "target"]].drop_duplicates()
        both = pairs["category"] + " = " + pairs["target"].astype(str)
        for one, other in (("category", "target"), ("target", "category")):
            twice = pairs.index[pairs[one].duplicated(keep=False)]
            self.refuse(
                table.index.isin(twice),
                both.reindex(table.index),
                f"a {one} with more than one {other}",
                "Correct them, or number the categories anew with columns={'target': None}.",
            )


def _known_categories(categories: str | Iterable[str], present: np.ndarray) -> list[str]:
    if isinstance(categories, str):
        categories = [categories] if categories in present else categories.split(",")
    wanted = [str(category).strip() for category in categories]
    if not wanted:
        raise ClipTableError("categories=[] asks for no clip: name some, or leave it out for all")
    for category in wanted:
        if category not in present:
            close = difflib.get_close_matches(category, present, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
            raise ClipTableError(f"no category {category!r} here: {hint}There are {', '.join(sorted(present))}")
    return wanted


def _known_folds(folds: int | Iterable[int], present: list[int]) -> list[int]:
    wanted = list(folds) if isinstance(folds, Iterable) else [folds]
    unknown = [fold for fold in wanted if isinstance(fold, bool) or fold not in present]
    if unknown or not wanted:
        what = f"no fold {', '.join(map(repr, unknown))} here" if unknown else "folds=[] asks for no clip"
        raise ClipTableError(f"{what}: choose from {present}, or leave folds out for all")
    return wanted
