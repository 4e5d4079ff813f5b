"""Corrected labels, in a table of their own that `extract --corrections` takes."""

from __future__ import annotations

import csv
import io
import math
import threading
from pathlib import Path
from typing import Any

from .._files import write_whole
from ..datasets import clip_name
from ..exceptions import ClipTableError

Key = tuple[str, float, float]


class Corrections:
    """A table of corrections: a CSV file, read again before each change, so that lines from elsewhere are not lost.

    Parameters
    ----------
    path : Path
        The file; made with the first correction.
    has_several_labels : bool
        Whether the table has a column `labels`, with semicolons, or `category`.
    """

    def __init__(self, path: Path, has_several_labels: bool):
        self.path = path
        self._value = "labels" if has_several_labels else "category"
        self._lock = threading.Lock()
        self.read()

    def read(self) -> dict[Key, str]:
        """Return clip -> its corrected category, or labels joined by semicolons."""
        try:
            text = self.path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise ClipTableError(
                f"{self.path} cannot be read ({error}). Name another file with --corrections."
            ) from error
        lines = csv.DictReader(io.StringIO(text, newline=""))
        header = lines.fieldnames or []
        if not {"filename", self._value} <= set(header) <= {"filename", "start", "end", self._value}:
            raise ClipTableError(
                f"{self.path} has the columns {', '.join(map(repr, header)) or 'none'}, but corrections need "
                f"filename,start,end,{self._value}. Name another file with --corrections."
            )
        try:
            return {
                (line["filename"], float(line.get("start") or 0), float(line.get("end") or math.inf)): line[self._value]
                for line in lines
            }
        except (TypeError, ValueError) as error:
            raise ClipTableError(f"{self.path}, line {lines.line_num}: {error}. Correct the line.") from error

    def change(self, key: Key, value: str | None) -> None:
        """Save a correction, or remove it with None: the whole table is written, or nothing is."""
        with self._lock:
            noted = self.read()
            noted.pop(key, None)
            if value is not None:
                noted[key] = self._checked(value)
            file = io.StringIO(newline="")
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["filename", "start", "end", self._value])
            for (filename, start, end), one in noted.items():
                writer.writerow([filename, start or "", "" if end == math.inf else end, one])
            try:
                write_whole(self.path, file.getvalue().encode())
            except OSError as error:
                raise ClipTableError(
                    f"{self.path} cannot be written ({error.strerror}). Name another file with --corrections."
                ) from error

    def to_json(self) -> list[dict[str, Any]]:
        found = []
        for key, value in self.read().items():
            filename, start, end = key
            end_or_none = None if end == math.inf else end
            found.append(
                {"name": clip_name(*key), "filename": filename, "start": start, "end": end_or_none, "corrected": value}
            )
        return found

    def _checked(self, value: str) -> str:
        names = [name.strip() for name in (value.split(";") if self._value == "labels" else [value])]
        if not all(names) and value.strip():
            raise ClipTableError(f"{value!r} has an empty label. Write one semicolon between two labels.")
        if self._value == "category" and not names[0]:
            raise ClipTableError("A category must have at least one character.")
        if not all(character.isprintable() for character in value) or len(value) > 400:
            raise ClipTableError("A category must have at most 400 characters, and no control characters.")
        return ";".join(sorted(set(names) - {""})) if self._value == "labels" else names[0]
