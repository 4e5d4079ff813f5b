"""Unzipped data sets, recognised by the content of their folder and not by its name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .._suggest import list_some
from ..audio import SUFFIXES, is_url
from ..exceptions import ClipTableError
from ._raw import RawTable, parse_table, read_file

_LAYOUTS = (
    "Known layouts are ESC-50 (meta/*.csv, audio/), UrbanSound8K (metadata/UrbanSound8K.csv, audio/fold1/), FSD50K "
    "(FSD50K.ground_truth/, FSD50K.dev_audio/), one folder per category, and recordings without labels. For any "
    "other, name its table: load_clips('<table>.csv', '<folder of the recordings>', columns={...})."
)


@dataclass
class Layout:
    """An unchecked table, and the place of its recordings: a folder, a URL, or None if it has a column `path`."""

    raw: RawTable
    audio: Path | str | None
    name: str
    columns: Mapping[str, str | None] = field(default_factory=dict)


def recognise(table: Path, audio: Path | str | None, columns: Mapping[str, str | None]) -> Layout:
    """Return the table in a folder or CSV file, and the place of its recordings."""
    if table.is_dir():
        return _recognise_folder(table, audio)
    if not os.path.lexists(table):
        raise ClipTableError(f"There is no {table}. Give the folder of a data set, or a CSV file.")
    raw = parse_table(read_file(table), str(table))
    if audio is None and columns.get("path", "path") not in raw.header:
        audio = _beside(table, raw, columns.get("filename") or "filename")
    return Layout(raw, audio, table.stem or "clips")


def audio_place(audio_dir: str | os.PathLike | None) -> Path | str | None:
    """Return a URL unchanged, and a folder as an absolute path."""
    if audio_dir is None or is_url(os.fspath(audio_dir)):
        return None if audio_dir is None else str(audio_dir)
    return Path(audio_dir).expanduser().absolute()


def _recognise_folder(folder: Path, audio: Path | str | None) -> Layout:
    try:
        tables = sorted(file for file in folder.glob("meta/*.csv") if not file.name.startswith("."))
        name = folder.resolve().name or "clips"
        if tables:
            return Layout(_only_table(folder, tables), audio or folder / "audio", name)
        if (folder / "metadata/UrbanSound8K.csv").is_file():
            return Layout(_urbansound(folder), audio or folder / "audio", "urbansound8k")
        if (folder / "FSD50K.ground_truth").is_dir():
            return Layout(_fsd50k(folder), audio or folder, "fsd50k")
        return Layout(_recordings(folder), audio or folder, name)
    except PermissionError as error:
        raise ClipTableError(
            f"{error.filename} cannot be read: permission denied. Ask for the right to read it."
        ) from error


def _only_table(folder: Path, tables: list[Path]) -> RawTable:
    if len(tables) > 1:
        raise ClipTableError(
            f"{folder} has {len(tables)} tables meta/*.csv: {list_some(file.name for file in tables)}; a folder in the "
            "layout of ESC-50 has exactly one. Remove the others, or name one: "
            f"load_clips('meta/{tables[0].name}', 'audio')."
        )
    return parse_table(read_file(tables[0]), str(tables[0]))


def _beside(table: Path, raw: RawTable, filename: str) -> Path:
    """Return the folder that the file names of a table are relative to."""
    folders = [table.parent, table.parent / "audio", table.parent.parent / "audio"]
    names = raw.columns[raw.header.index(filename)] if filename in raw.header else []
    for folder in folders:
        if any(os.path.lexists(folder / name) for name in names[:10] if name):
            return folder
    raise ClipTableError(
        f"The recordings of the table {table} are not beside it (looked in {list_some(folders)}). Name their folder: "
        f"load_clips({table.name!r}, '<folder>'), or --audio on the command line."
    )


def _urbansound(folder: Path) -> RawTable:
    """Read UrbanSound8K, whose `start` and `end` are times in the original recording, not in the clip's file."""
    path = folder / "metadata/UrbanSound8K.csv"
    found = parse_table(read_file(path), str(path))
    theirs = {
        "filename": "slice_file_name",
        "fold": "fold",
        "target": "classID",
        "category": "class",
        "src_file": "fsID",
    }
    at = found.positions(tuple(theirs), theirs)
    columns = {ours: found.columns[position] for ours, position in at.items()}
    columns["filename"] = [
        f"fold{fold}/{name}" for fold, name in zip(columns["fold"], columns["filename"], strict=True)
    ]
    return RawTable(found.where, list(columns), list(columns.values()), found.places)


def _fsd50k(folder: Path) -> RawTable:
    """Read FSD50K: fold 1 is its training part, fold 2 its validation part, fold 3 its evaluation part."""
    ground_truth = folder / "FSD50K.ground_truth"
    parts = [part for part in ("dev", "eval") if (ground_truth / f"{part}.csv").is_file()]
    there = [part for part in parts if (folder / f"FSD50K.{part}_audio").is_dir()] or parts
    if not there:
        raise ClipTableError(f"{ground_truth} has neither dev.csv nor eval.csv. Unzip FSD50K.ground_truth.zip again.")
    columns: dict[str, list] = {"filename": [], "fold": [], "labels": []}
    places = []
    for part in there:
        found = parse_table(read_file(ground_truth / f"{part}.csv"), str(ground_truth / f"{part}.csv"))
        wanted = ("fname", "labels", "split") if part == "dev" else ("fname", "labels")
        at = found.positions(wanted, {name: name for name in wanted})
        columns["filename"] += [f"FSD50K.{part}_audio/{name}.wav" for name in found.columns[at["fname"]]]
        columns["labels"] += found.columns[at["labels"]]
        splits = found.columns[at["split"]] if part == "dev" else ["eval"] * len(found.places)
        columns["fold"] += [{"train": "1", "val": "2", "eval": "3"}.get(split, split) for split in splits]
        places += [f"{line} of {part}.csv" for line in found.places]
    return RawTable(str(ground_truth), list(columns), list(columns.values()), places)


def _recordings(folder: Path) -> RawTable:
    """Read recordings without a table: in one folder per category, or without labels."""
    names = sorted(_find_audio(folder))
    if not names:
        inside = list_some(sorted(path.name + "/" * path.is_dir() for path in folder.iterdir())) or "nothing"
        tables = sorted(path.name for path in folder.glob("*.csv"))
        hint = f" If {tables[0]!r} is its clip table, name that file." if tables else ""
        raise ClipTableError(f"{folder} is not a known data set: it holds {inside}.{hint} {_LAYOUTS}")
    in_folders = [name.rpartition("/")[0] for name in names]
    if all(in_folders):
        header, columns = ["filename", "category"], [names, [path.rpartition("/")[2] for path in in_folders]]
    else:
        header, columns = ["filename"], [names]
    if any(in_folders) and not all(in_folders):
        loose = [name for name in names if "/" not in name]
        raise ClipTableError(
            f"{folder} has recordings in folders, which would be their categories, and {len(loose)} beside them: "
            f"{list_some(loose)}. Put each into the folder of its category, or name the folder to read."
        )
    return RawTable(str(folder), header, columns, list(range(1, len(names) + 1)), "file")


def _find_audio(folder: Path) -> list[str]:
    def refuse(error: OSError) -> None:
        raise error

    found = []
    for root, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        base = os.path.relpath(root, folder).replace(os.sep, "/")
        prefix = "" if base == "." else f"{base}/"
        found += [prefix + name for name in files if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES]
    return found
