"""Which recordings to predict: files, folders, patterns, URLs, or the rows of a clip table."""

from __future__ import annotations

import glob
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..audio import SUFFIXES, is_url
from ..datasets import clip_keys, clip_name


@dataclass(frozen=True)
class Segment:
    """A recording, or a part of one."""

    filename: str
    path: str
    start: float = 0.0
    end: float = math.inf

    def __str__(self) -> str:
        return clip_name(self.filename, self.start, self.end)


def segments_of(recordings: Any) -> list[Segment]:
    """Return the segments in paths or a clip table; folders and patterns become their files, sorted by name."""
    if isinstance(recordings, (str, os.PathLike)):
        recordings = [recordings]
    if hasattr(recordings, "columns"):
        segments = _from_table(recordings)
    else:
        names = [name for each in recordings for name in _files_of(each)]
        segments = [Segment(name, name) for name in dict.fromkeys(names)]
    if not segments:
        raise ValueError("No recordings were given: name at least one file, folder, pattern or URL.")
    return segments


def _from_table(table):
    if "filename" not in table and "path" not in table:
        raise ValueError("The table of recordings has neither a column 'path' nor 'filename': use load_clips.")
    paths = table["path"] if "path" in table else table["filename"]
    named = table if "filename" in table else table.assign(filename=table["path"])
    return [Segment(*key[:1], str(path), *key[1:]) for key, path in zip(clip_keys(named), paths, strict=True)]


def _files_of(each: str | os.PathLike) -> Iterable[str]:
    try:
        name = os.fspath(each)
    except TypeError:
        raise TypeError(f"A recording must be a path or URL, not a {type(each).__name__}.") from None
    if is_url(name):
        return [name]
    path = Path(name)
    if path.is_dir():
        found = sorted(str(file) for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        if not found:
            raise ValueError(f"The folder {name} holds no recordings ({', '.join(SUFFIXES)}).")
        return found
    if not path.exists() and glob.has_magic(name):
        found = sorted(file for file in glob.glob(name, recursive=True) if Path(file).is_file())  # noqa: PTH207
        if not found:
            raise ValueError(f"No file matches {name!r}.")
        return found
    return [name]
