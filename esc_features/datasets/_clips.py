"""Clip tables of data sets that are already on disk."""

from __future__ import annotations

import os
import stat
import unicodedata
import urllib.parse
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from .._suggest import list_some
from ..audio import is_url
from ..exceptions import ClipTableError
from ._layouts import Layout, audio_place, recognise
from ._lengths import check_ends, lengths_of
from ._official import OFFICIAL_DATASETS, official_name
from ._raw import frame_table
from ._table import Choice, finish, read_clips


def load_clips(
    table: str | os.PathLike | pd.DataFrame,
    audio_dir: str | os.PathLike | None = None,
    columns: Mapping[str, str | None] | None = None,
    *,
    categories: str | Iterable[str] | None = None,
    folds: int | Iterable[int] | None = None,
    esc10: bool = False,
    folds_by: str | None = None,
    corrections: str | os.PathLike | pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Read the clip table of a data set and find its audio files.

    Use it for a data set that you unzipped, or for recordings of your own. The whole table is checked before anything
    is computed from it, and each mistake is reported with its line: a wrong fold or a duplicate file name would
    otherwise show only as a score that is too good.

    Parameters
    ----------
    table : path or DataFrame
        The folder of a data set: ESC-50 (one table in ``meta/*.csv``, the recordings in ``audio/``), UrbanSound8K or
        FSD50K under any name, a folder that holds one folder of recordings per category, or a folder of recordings
        without labels. Or a table: a CSV file (UTF-8 or UTF-16; comma, semicolon or tab) or a DataFrame.
    audio_dir : path or URL, optional
        The folder that the file names in the table are relative to. By default it is that of the layout, or for a CSV
        file its own folder or ``audio/`` beside it. The names may have subfolders (``fold1/dog.wav``) but must stay
        inside this folder.
    columns : mapping of str to str, optional
        Maps the column names used here to those of the table, if they differ: ``{"filename": "file", "category":
        "label"}``. None ignores a column. The names used here are those listed below, and ``esc10``.
    categories : str or iterable of str, optional
        Keep only these categories; a string is one category, or several separated by commas.
    folds : int or iterable of int, optional
        Keep only these folds.
    esc10 : bool, default=False
        Keep only the clips whose column ``esc10`` is true. A folder whose recordings are exactly the ESC-10 subset of
        its table is read as ESC-10 even if this is False.
    folds_by : str, optional
        Replace the folds of the table by new ones: ``"source:5"``, as in `assign_folds`.
    corrections : path or DataFrame, optional
        A table of corrected labels, as in `apply_corrections`.

    Returns
    -------
    pandas.DataFrame
        The clip table, one row per clip in the order of the table: ``filename`` (str), ``fold`` (int64), ``target``
        (int64), ``category`` (str) or, if clips have several labels, ``labels`` (tuple of str), ``src_file`` (str, the
        source recording), ``take`` (str), ``start`` and ``end`` (float64, seconds in the recording) and ``path`` (str,
        absolute, or a URL). ``clips.attrs["name"]`` is the name of the folder or CSV file; the complete ESC-50 and
        ESC-10 are called "esc50" and "esc10", whatever the name of the folder.

    Raises
    ------
    ClipTableError
        If the table cannot be used or audio files are missing; the message has the lines and the next step.

    Notes
    -----
    Only ``filename`` is required. ``fold`` defaults to 1; ``start`` and ``end`` default to 0 and infinity, the start
    and end of the recording. A missing ``target`` is the rank of the category in sorted order *in the whole table*, so
    a subset keeps its numbers; a missing ``category`` is the target as text. ``labels`` are written as ``a;b``,
    ``a,b`` (in quotes) or as a list, and may be empty; ``target`` is then -1. A table without any of these three
    columns describes recordings without labels, for prediction. If ``src_file`` is missing or empty, the file of a
    clip is its source recording. Other columns are ignored.

    UrbanSound8K keeps its ten folds. FSD50K has the folds 1 (train), 2 (val) and 3 (eval), as far as they are unzipped.

    Examples
    --------
    >>> from pathlib import Path
    >>> from esc_features.datasets import load_clips, make_demo
    >>> folder = Path(make_demo()["path"][0]).parents[1]
    >>> clips = load_clips(folder, categories="dog,rain", folds=[1, 2])
    >>> clips.groupby(["category", "fold"]).size().tolist()
    [4, 4, 4, 4]
    """
    found = _find_table(table, audio_place(audio_dir), columns or {})
    clips = read_clips(found.raw, {**found.columns, **(columns or {})})
    official = official_name(clips)
    clips = Choice(categories, folds, esc10, folds_by, corrections).of(clips)
    paths, there = _find_audio(clips, found)
    marked = clips["esc10"] if "esc10" in clips else np.zeros(len(clips), dtype=bool)
    if categories is None and there.any() and np.array_equal(there, marked):
        clips, paths, there = clips[there], paths[there], there[there]
    if not there.all():
        raise ClipTableError(_missing_audio(clips, there, found))
    _check_segments(clips.assign(path=paths), found)
    if official == "esc50" and len(clips) == marked.sum() == OFFICIAL_DATASETS["esc10"].n_clips:
        official = official_name(clips)
    return finish(clips, paths, official or found.name)


def check_clips(clips: pd.DataFrame, columns: Mapping[str, str | None] | None = None) -> pd.DataFrame:
    """Check a clip table that was made or changed in Python, and complete it.

    Every function that takes a clip table calls this one first, so a DataFrame gets the same checks as a CSV file.
    Call it yourself to find mistakes early.

    Parameters
    ----------
    clips : DataFrame
        As returned by `load_clips`; only ``filename`` and ``path`` are required.
    columns : mapping of str to str, optional
        As in `load_clips`.

    Returns
    -------
    pandas.DataFrame
        A new table with all columns; its `attrs` are those of `clips`.

    Raises
    ------
    ClipTableError
        If the table cannot be used; the message has the rows, by position, and the next step.

    Examples
    --------
    >>> import pandas as pd
    >>> from esc_features.datasets import check_clips
    >>> clips = pd.DataFrame({"filename": ["a.wav"], "category": ["dog"], "path": ["/data/a.wav"]})
    >>> check_clips(clips)["end"].tolist()
    [inf]
    """
    raw = frame_table(clips, "The clip table")
    table = read_clips(raw, columns)
    if "path" not in table:
        raise ClipTableError(
            "The clip table has no column 'path', which says where the recordings are. "
            "load_clips(table, audio_dir=...) adds it."
        )
    # Making a Path takes 10 µs, which is noticeable for a table of 100,000 windows.
    is_done = {path for path in table["path"].unique() if os.path.isabs(path) or is_url(path)}  # noqa: PTH117
    paths = [path if path in is_done else str(Path(path).absolute()) for path in table["path"]]
    table = finish(table, paths, clips.attrs.get("name", "dataset"))
    table.attrs.update(clips.attrs)
    return table


def _find_table(
    table: str | os.PathLike | pd.DataFrame, audio: Path | str | None, columns: Mapping[str, str | None]
) -> Layout:
    if isinstance(table, pd.DataFrame):
        found = Layout(frame_table(table, "The clip table"), audio, table.attrs.get("name", "clips"))
    else:
        found = recognise(Path(table).expanduser().absolute(), audio, columns)
    if isinstance(found.audio, Path) and not found.audio.is_dir():
        raise ClipTableError(
            f"There is no folder {found.audio} with the recordings of {found.raw.where}. Name their folder with "
            "audio_dir= (--audio on the command line)."
        )
    return found


def _find_audio(clips: pd.DataFrame, found: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Return the path of each clip, and which of them exist; a URL is assumed to exist."""
    if found.audio is not None and not isinstance(found.audio, Path):
        base = found.audio.rstrip("/")
        quote = urllib.parse.quote if base.startswith("http") else str
        return np.array([f"{base}/{quote(name)}" for name in clips["filename"]], object), np.ones(len(clips), bool)
    if found.audio is None and "path" not in clips:
        raise ClipTableError(
            f"{found.raw.where}: there is no column 'path'. Name the folder of the recordings with audio_dir=."
        )
    names = clips["filename"] if found.audio is not None else clips["path"]
    unique = names.unique()
    if found.audio is not None:
        places = _inside(unique, found.audio, clips)
    else:
        folder = Path(found.raw.where).parent
        whole = {name: name if is_url(name) else str(folder / Path(name).expanduser()) for name in unique}
        places = {name: path for name, path in whole.items() if is_url(path) or os.path.lexists(path)}
    there = names.isin(places).to_numpy(bool)
    return names.map(places).to_numpy(object), there


def _check_segments(clips: pd.DataFrame, found: Layout) -> None:
    """Refuse segments beyond the end of their recording, if it is on this machine and can be read."""
    parts = clips[((clips["start"] > 0) | (clips["end"] < np.inf)) & ~clips["path"].map(is_url)]
    lengths = pd.to_numeric(parts["path"].map(lengths_of(parts["path"].unique())), errors="coerce")
    check_ends(parts, lengths, [f"{found.raw.where}: {found.raw.unit} {line}" for line in parts["line"]])


def _inside(names: Iterable[str], audio: Path, clips: pd.DataFrame) -> dict[str, str]:
    """Return the paths of the files that exist; refuse links out of the audio folder, and unreadable folders."""
    root = os.path.realpath(audio)
    lines = clips.drop_duplicates("filename").set_index("filename")["line"]

    def stays_inside(path: str) -> bool:
        return os.path.commonpath([root, os.path.realpath(path)]) == root

    folders = {name: name.rpartition("/")[0] for name in names}
    inside = {folder: stays_inside(f"{root}/{folder}") for folder in set(folders.values())}
    places: dict[str, str] = {}
    escaping = []
    try:
        for name, folder in folders.items():
            actual = _actual_name(root, name)
            if actual is None:
                continue
            path = f"{root}/{actual}"
            if not inside[folder] or (stat.S_ISLNK(os.lstat(path).st_mode) and not stays_inside(path)):
                escaping.append(name)
            places[name] = str(audio) + os.sep + actual.replace("/", os.sep)
    except PermissionError as error:
        raise ClipTableError(
            f"{error.filename or audio} cannot be read: permission denied. Ask for the right to read it, or name "
            "another folder with audio_dir=."
        ) from error
    same = [name for name, count in Counter(places.values()).items() if count > 1]
    if same:
        twice = [f"{name!r} (line {lines[name]})" for name, path in places.items() if path in same]
        raise ClipTableError(
            f"The same file under two names: {list_some(twice)}. They look the same and differ only in Unicode "
            "normalisation (NFC, NFD): use one of them throughout."
        )
    if escaping:
        raise ClipTableError(
            f"Links that lead out of the audio folder {audio}: "
            f"{list_some(f'{name!r} (line {lines[name]})' for name in escaping)}. "
            "Put the recordings themselves there, or name the folder that holds them with audio_dir=."
        )
    return places


def _actual_name(root: str, name: str) -> str | None:
    """Return the name as it is on disk: a table and a disk may encode accents differently (NFC, NFD)."""
    for form in (None, "NFC", "NFD"):
        other = name if form is None else unicodedata.normalize(form, name)
        try:
            os.lstat(f"{root}/{other}")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            if isinstance(error, PermissionError):
                raise
            return None
        return other
    return None


def _missing_audio(clips: pd.DataFrame, there: np.ndarray, found: Layout) -> str:
    """Return a message that names the missing files, and the parts of the data set that are complete."""
    missing = clips[~there]
    unit = found.raw.unit
    named = (f"{name!r} ({unit} {at})" for name, at in zip(missing["filename"], missing["line"], strict=True))
    place = found.audio or "their place"
    message = f"{len(missing)} of {len(clips)} clips have no file in {place}: {list_some(named)}. "
    if isinstance(found.audio, Path) and (other := _other_case(found.audio, missing["filename"].iloc[0])):
        return message + f"There is {other!r}: write upper and lower case in the table as on disk."
    if not there.any():
        return message + "Is this the right folder? Name the folder of the recordings with audio_dir=."
    columns = (("category", "categories"), ("fold", "folds"))
    ways = [
        f"{option}={whole}"
        for column, option in columns
        if column in clips and (whole := sorted(set(clips[column]) - set(missing[column])))
    ]
    if "esc10" in clips and not missing["esc10"].any() and clips["esc10"].any():
        ways.insert(0, "esc10=True")
    advice = f"Select a complete part, {' or '.join(ways)}" if ways else "Remove their lines from the table"
    return f"{message}{advice}, or put the missing files there."


def _other_case(audio: Path, name: str) -> str | None:
    folder = (audio / name).parent
    wanted = unicodedata.normalize("NFC", Path(name).name).casefold()
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except OSError:
        return None
    return next((each for each in names if unicodedata.normalize("NFC", each).casefold() == wanted), None)
