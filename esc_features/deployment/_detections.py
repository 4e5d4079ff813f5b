"""Events from windows, and the files that other programs open."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._files import open_whole, write_whole
from ._archive import check_replaceable

if TYPE_CHECKING:
    import pandas as pd

_TIMES = ("filename", "start", "end")
_EVENT = (*_TIMES, "label", "score")


def merge_detections(
    windows: pd.DataFrame, threshold: float | Mapping[str, float] = 0.5, gap: float = 0.0
) -> pd.DataFrame:
    """Merge windows in which a category is probable into events.

    Windows of one recording that reach the threshold and touch, overlap, or are at most `gap` seconds apart form one
    event, from the start of the first to the end of the last.

    Parameters
    ----------
    windows : DataFrame
        As `predict_windows` returns it.
    threshold : float or dict of str to float, default=0.5
        Smallest probability that counts, for all categories or by category; categories that a dict leaves out have no
        events.
    gap : float, default=0.0
        Largest gap within an event, in seconds.

    Returns
    -------
    DataFrame
        One row per event: ``filename``, ``start``, ``end`` (s), ``label``, and ``score``, the highest probability in
        it; recordings in their order, then by start. `label_windows` takes it as annotations.

    Raises
    ------
    ValueError
        If a column is missing, `gap` is negative, or `threshold` names an unknown category.

    Examples
    --------
    >>> import pandas as pd
    >>> from esc_features import merge_detections
    >>> times = {"filename": "a.wav", "start": [0.0, 1.0, 2.0], "end": [1.0, 2.0, 3.0]}
    >>> windows = pd.DataFrame({**times, "dog": [0.7, 0.9, 0.1]})
    >>> merge_detections(windows, threshold=0.5)
      filename  start  end label  score
    0    a.wav    0.0  2.0   dog    0.9
    """
    import pandas as pd

    missing = [name for name in _TIMES if name not in windows]
    if missing:
        raise ValueError(f"windows has no column {', '.join(missing)}: give the table that predict_windows returns.")
    if not gap >= 0:
        raise ValueError(f"gap must be 0 or more seconds, not {gap!r}.")
    categories = [name for name in windows.columns if name not in _TIMES]
    thresholds = _thresholds(threshold, categories)
    ordered = windows.sort_values("start", kind="stable")
    pieces = []
    for filename, rows in ordered.groupby("filename", sort=False):
        start, end = rows["start"].to_numpy(float), rows["end"].to_numpy(float)
        for label, least in thresholds.items():
            score = rows[label].to_numpy()
            pieces += [(filename, *event[:2], label, event[2]) for event in _events(start, end, score, least, gap)]
    events = pd.DataFrame(pieces, columns=list(_EVENT)).astype({"start": float, "end": float, "score": np.float32})
    order = {name: number for number, name in enumerate(dict.fromkeys(windows["filename"]))}
    rows = np.lexsort((events["end"], events["start"], events["filename"].map(order).astype(int)))
    return events.iloc[rows].reset_index(drop=True)


def write_detections(table: pd.DataFrame, path: str | os.PathLike) -> list[Path]:
    """Write events, or windows, to a file of the kind that its suffix names.

    Parameters
    ----------
    table : DataFrame
        Events as `merge_detections` returns them, or windows as `predict_windows` does (``.csv`` and ``.parquet``).
    path : path-like
        ``.csv``, ``.parquet``, ``.selections.txt`` (selection table of Raven) or ``.txt`` (labels of Audacity, which
        are for one recording: several get one file each in a folder of that name). `load_annotations` reads events
        from all but ``.parquet``.

    Returns
    -------
    list of Path
        The files, each written whole.

    Raises
    ------
    ValueError
        If the suffix is unknown, or windows are to be written as labels or selections.
    ModelError
        If `path` is a link or a folder, or its folder does not exist.
    ImportError
        If a ``.parquet`` file is to be written without pyarrow.

    Examples
    --------
    >>> import pandas as pd
    >>> from esc_features.deployment import write_detections
    >>> events = pd.DataFrame({"filename": ["a.wav"], "start": [1.0], "end": [2.5], "label": ["dog"], "score": [0.9]})
    >>> [path] = write_detections(events, "labels.txt")
    >>> path.read_text()
    '1.000000\\t2.500000\\tdog\\n'
    """
    path = Path(path)
    kind = kind_of(path)
    if kind in ("audacity", "raven") and not set(_EVENT) <= set(table.columns):
        raise ValueError(f"{path.name} holds events, and these are windows: merge_detections(windows) makes events.")
    check_replaceable(path)
    if kind == "audacity":
        return _write_audacity(table, path)
    if kind == "raven":
        write_whole(path, _raven(table))
    else:
        write_tables([table], path)
    return [path]


def write_tables(tables: Iterable[pd.DataFrame], path: Path) -> None:
    """Write tables below each other to a .csv or .parquet file, with no more than one in memory."""
    (_write_parquet if kind_of(path) == "parquet" else _write_csv)(tables, path)


def kind_of(path: str | os.PathLike) -> str:
    """Return the kind of file that the suffix of a path names."""
    name = Path(path).name.lower()
    for ending, kind in (
        (".csv", "csv"),
        (".parquet", "parquet"),
        (".selections.txt", "raven"),
        (".txt", "audacity"),
    ):
        if name.endswith(ending):
            return kind
    raise ValueError(
        f"{Path(path).name!r} ends in none of .csv, .parquet, .txt (Audacity) and .selections.txt (Raven), which name "
        "the kind of file to write."
    )


def _thresholds(threshold, categories):
    if not isinstance(threshold, Mapping):
        return dict.fromkeys(categories, float(threshold))
    unknown = [name for name in threshold if name not in categories]
    if unknown:
        raise ValueError(
            f"threshold names {', '.join(map(repr, unknown))}, but the categories of windows are "
            f"{', '.join(categories)}."
        )
    return {name: float(threshold[name]) for name in categories if name in threshold}


def _events(start, end, score, least, gap):
    """Return (start, end, highest score) of each run of windows; `start` ascends."""
    probable = np.flatnonzero(score >= least)
    if not len(probable):
        return []
    start, end, score = start[probable], end[probable], score[probable]
    reached = np.maximum.accumulate(end)
    # The sum of two times can be off in the last digit.
    first = np.flatnonzero(np.r_[True, start[1:] > reached[:-1] + gap + 1e-9])
    last = np.r_[first[1:], len(start)] - 1
    return list(zip(start[first], reached[last], np.maximum.reduceat(score, first), strict=True))


def _write_csv(tables, path):
    with open_whole(path) as file:
        for number, table in enumerate(tables):
            # Six digits are enough for a probability, not for a time in a recording of many hours.
            times = {name: table[name].map("{:.10g}".format) for name in ("start", "end") if name in table}
            text = table.assign(**times).to_csv(index=False, header=number == 0, float_format="%.6g")
            file.write(text.encode())


def _write_parquet(tables, path):
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(
            "A .parquet file needs pyarrow: pip install pyarrow, or write .csv.", name="pyarrow"
        ) from error
    tables = iter(tables)
    first = next(tables)
    fields = pyarrow.Table.from_pandas(first, preserve_index=False).schema
    # A column of text without a row has no type.
    schema = pyarrow.schema(
        [field.with_type(pyarrow.string()) if field.type == pyarrow.null() else field for field in fields]
    )
    with open_whole(path) as file, parquet.ParquetWriter(file, schema) as writer:
        for table in itertools.chain([first], tables):
            writer.write_table(pyarrow.Table.from_pandas(table, schema=schema, preserve_index=False))


def _raven(events):
    columns = ("Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Begin File", "Annotation", "Score")
    lines = ["\t".join(columns)]
    for number, event in enumerate(events.itertuples(index=False), 1):
        times = f"{event.start:.6f}\t{event.end:.6f}"
        fields = (number, "Spectrogram 1", 1, times, _field(event.filename), _field(event.label), f"{event.score:.4f}")
        lines.append("\t".join(map(str, fields)))
    return ("\n".join(lines) + "\n").encode()


def _write_audacity(events, path):
    recordings = list(dict.fromkeys(events["filename"]))
    if len(recordings) < 2:
        write_whole(path, _audacity(events))
        return [path]
    written = []
    for filename, name in zip(recordings, _distinct([Path(name).stem for name in recordings]), strict=True):
        own = path.with_suffix("") / f"{name}.txt"
        own.parent.mkdir(exist_ok=True)
        write_whole(own, _audacity(events[events["filename"] == filename]))
        written.append(own)
    return written


def _distinct(names):
    seen: dict[str, int] = {}
    distinct = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        distinct.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return distinct


def _audacity(events):
    rows = events.itertuples(index=False)
    return "".join(f"{event.start:.6f}\t{event.end:.6f}\t{_field(event.label)}\n" for event in rows).encode()


def _field(text):
    """Return text that stays in its column and line."""
    return " ".join(str(text).split())
