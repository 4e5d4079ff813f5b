"""Data sets that are already on disk."""

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ..exceptions import ClipTableError
from ._table import list_some, read_table, select_clips


def load_clips(
    table: str | os.PathLike,
    audio_dir: str | os.PathLike | None = None,
    columns: Mapping[str, str | None] | None = None,
    *,
    categories: str | Iterable[str] | None = None,
    folds: int | Iterable[int] | None = None,
    esc10: bool = False,
) -> pd.DataFrame:
    """Read the table of the clips of a data set and find their audio files.

    Use it for an unpacked ESC-50 download, or for recordings of your own. The whole table is checked before
    anything is computed from it, and a mistake is reported with its line, because a wrong fold or a doubled
    file name would otherwise only show as a result that is too good.

    Parameters
    ----------
    table : path
        A folder in the layout of ESC-50 (one table in ``meta/*.csv``, the recordings in ``audio/``), or a
        CSV file (UTF-8 or UTF-16; comma, semicolon or tab), for which `audio_dir` is needed too.
    audio_dir : path, optional
        The folder that the file names in the table start from; ``audio/`` of the folder by default. The names
        may have subfolders (``fold1/dog.wav``) but must stay inside this folder.
    columns : mapping of str to str, optional
        Our column name to the table's, where they differ: ``{"filename": "file", "category": "label"}``,
        or to None to ignore a column. Ours are ``filename``, ``fold``, ``target``, ``category``,
        ``src_file``, ``take`` and ``esc10``.
    categories : str or iterable of str, optional
        Keep only these categories; a string is one category, or several separated by commas.
    folds : int or iterable of int, optional
        Keep only these folds.
    esc10 : bool, default=False
        Keep only the clips whose column ``esc10`` is true. A folder whose audio is exactly the ESC-10 part
        of its table is read as ESC-10 without being asked.

    Returns
    -------
    pandas.DataFrame
        One row a clip, in the order of the table, with the columns ``filename`` (str, unique), ``fold``
        (int64), ``target`` (int64), ``category`` (str), ``src_file`` (str, the source recording), ``take``
        (str) and ``path`` (str, absolute). ``clips.attrs["name"]`` is the name of the folder or CSV file.

    Raises
    ------
    ClipTableError
        If the table cannot be used or audio files are missing; the message has the lines and the next step.

    Notes
    -----
    ``filename``, ``fold`` and one of ``target`` and ``category`` are needed. A missing ``target`` is the
    rank of the category in sorted order *in the whole table*, so a subset keeps its numbers; a missing
    ``category`` is the target as text. Without ``src_file``, or where its cell is empty, a clip is its own
    source recording. Without ``take`` it is empty. Any other column is ignored.

    Examples
    --------
    >>> from pathlib import Path
    >>> from esc_features.datasets import load_clips, make_demo
    >>> folder = Path(make_demo()["path"][0]).parents[1]
    >>> clips = load_clips(folder, categories="dog,rain", folds=[1, 2])
    >>> clips.groupby(["category", "fold"]).size().tolist()
    [4, 4, 4, 4]
    """
    csv_file, audio, name = _locate(Path(table).expanduser().absolute(), audio_dir)
    try:
        content = csv_file.read_bytes()
    except OSError as error:
        raise ClipTableError(f"cannot read the table {csv_file}: {error.strerror}") from error
    clips = select_clips(read_table(content, str(csv_file), columns), categories, folds, esc10)
    there = _which_are_there(clips, audio)
    if categories is None and "esc10" in clips and there.any() and np.array_equal(there, clips["esc10"]):
        clips, there = clips[there], there[there]
    if not there.all():
        raise ClipTableError(_missing_audio(clips, there, audio))
    return clip_table(clips, audio, name)


def clip_table(clips: pd.DataFrame, audio: Path, name: str) -> pd.DataFrame:
    """Return checked rows in the form that the rest of the library reads."""
    table = clips[["filename", "fold", "target", "category", "src_file", "take"]].reset_index(drop=True)
    table["path"] = str(audio) + os.sep + table["filename"].str.replace("/", os.sep, regex=False)
    table = table.astype({column: str for column in table if column not in ("fold", "target")})
    table.attrs["name"] = name
    return table


def _locate(table: Path, audio_dir: str | os.PathLike | None) -> tuple[Path, Path, str]:
    """Return the CSV file, the audio folder and the name of the data set."""
    if table.is_dir():
        found = sorted(file for file in table.glob("meta/*.csv") if not file.name.startswith("."))
        if len(found) != 1:
            raise ClipTableError(
                f"{table} has {len(found) or 'no'} tables meta/*.csv{': ' * bool(found)}"
                f"{list_some(file.name for file in found)}; a folder in the layout of ESC-50 has exactly one. "
                "For any other: load_clips('<table>.csv', '<folder of the recordings>', columns={...})"
            )
        csv_file, name = found[0], table.resolve().name
        audio_dir = audio_dir or table / "audio"
    elif not table.exists():
        raise ClipTableError(
            f"there is no {table}: give a folder in the layout of ESC-50 (meta/*.csv, audio/), or a CSV file"
        )
    elif audio_dir is None:
        raise ClipTableError(
            f"{table} is a table: say where its recordings are, load_clips({table.name!r}, '<folder>'), "
            "or give the folder that has both meta/ and audio/"
        )
    else:
        csv_file, name = table, table.stem
    audio = Path(audio_dir).expanduser().absolute()
    if not audio.is_dir():
        raise ClipTableError(f"there is no folder {audio} for the recordings of {csv_file}: name it with audio_dir=")
    return csv_file, audio, name or "clips"


def _which_are_there(clips: pd.DataFrame, audio: Path) -> np.ndarray:
    """Look up every file, and refuse names that lead out of the audio folder by way of a link."""
    root = os.path.realpath(audio)

    def stays_inside(path):
        return os.path.commonpath([root, os.path.realpath(path)]) == root

    folders = [name.rpartition("/")[0] for name in clips["filename"]]
    inside = {folder: stays_inside(f"{root}/{folder}") for folder in set(folders)}
    there = np.zeros(len(clips), dtype=bool)
    escaping = []
    for row, (name, folder, line) in enumerate(zip(clips["filename"], folders, clips["line"], strict=True)):
        path = f"{root}/{name}"
        try:
            is_link = stat.S_ISLNK(os.lstat(path).st_mode)
        except OSError:
            continue
        there[row] = True
        if not inside[folder] or (is_link and not stays_inside(path)):
            escaping.append(f"{name!r} (line {line})")
    if escaping:
        raise ClipTableError(
            f"links that lead out of the audio folder {audio}: {list_some(escaping)}. "
            "Put the recordings themselves there, or give the folder that they are in as audio_dir="
        )
    return there


def _missing_audio(clips: pd.DataFrame, there: np.ndarray, audio: Path) -> str:
    """Say what is missing, and which parts of the data set could be asked for instead."""
    missing = clips[~there]
    named = (f"{name!r} (line {line})" for name, line in zip(missing["filename"], missing["line"], strict=True))
    message = f"{len(missing)} of {len(clips)} clips have no file in {audio}: {list_some(named)}. "
    if not there.any():
        return message + "Is this the right folder? Name the one with the recordings as audio_dir="
    ways = [
        f"{option}={whole}"
        for column, option in (("category", "categories"), ("fold", "folds"))
        if (whole := sorted(set(clips[column]) - set(missing[column])))
    ]
    if "esc10" in clips and not missing["esc10"].any() and clips["esc10"].any():
        ways.insert(0, "esc10=True")
    advice = f"Ask for what is all there, {' or '.join(ways)}" if ways else "Take their lines out of the table"
    return f"{message}{advice}, or put the missing files there."
