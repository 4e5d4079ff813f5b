"""The predictions so far, in a file beside the one to be written, from which a killed run continues."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..exceptions import ModelError
from ._archive import check_replaceable
from ._predict_windows import Chunk


class Journal:
    """Chunks with their probabilities, one per line; from the first damaged line on, they are dropped.

    It belongs to one run: the same model, recordings and windows. For any other run, it starts empty.
    """

    def __init__(self, path: Path, run: str, n_categories: int):
        self.path, self._n_categories = path, n_categories
        self._file = _open_alone(path)
        header = _line({"format": "esc_features predictions", "version": 1, "run": run})
        self.done: set[int] = set()
        end = len(header) if self._file.readline() == header else 0
        if end:
            for line in self._file:
                chunk = self._chunk(line)
                if chunk is None:
                    break
                self.done.add(chunk.number)
                end += len(line)
        self._file.seek(end)
        self._file.truncate()
        if not end:
            self._file.write(header)

    def write(self, chunk: Chunk) -> None:
        """Write a chunk; once this returns, it survives a kill of this process."""
        probabilities = b"" if chunk.probabilities is None else chunk.probabilities.astype("<f4").tobytes()
        self._file.write(
            _line(
                {
                    "chunk": chunk.number,
                    "stretch": chunk.segment,
                    "start": chunk.start,
                    "end": chunk.end,
                    "failures": sorted(chunk.failures.items()),
                    "probabilities": base64.b64encode(probabilities).decode(),
                }
            )
        )
        self._file.flush()

    def chunks(self) -> Iterator[Chunk]:
        """Read all chunks, in order, one in memory at a time."""
        with self.path.open("rb") as file:
            file.readline()
            for line in file:
                chunk = self._chunk(line)
                if chunk is not None:
                    yield chunk

    def close(self) -> None:
        """Close the file and leave it for the next run."""
        self._file.close()

    def remove(self) -> None:
        """Close the file and delete it, once the results are written."""
        self._file.close()
        self.path.unlink()

    def _chunk(self, line: bytes) -> Chunk | None:
        """Return the chunk of a line; None if it was cut off or damaged."""
        if not line.endswith(b"\n") or line[:9] != b"%08x " % zlib.crc32(line[9:]):
            return None
        content: dict[str, Any] = json.loads(line[9:])
        values = np.frombuffer(base64.b64decode(content["probabilities"]), "<f4").astype(np.float32)
        return Chunk(
            content["chunk"],
            segment=content["stretch"],
            start=content["start"],
            end=content["end"],
            probabilities=values.reshape(-1, self._n_categories) if len(values) else None,
            failures=dict(content["failures"]),
        )


def _line(content):
    text = json.dumps(content, separators=(",", ":")).encode() + b"\n"
    return b"%08x " % zlib.crc32(text) + text


def _open_alone(path):
    check_replaceable(path)
    path.touch()
    file = path.open("r+b")
    try:
        import fcntl
    except ImportError:  # Windows has no flock
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise ModelError(f"Another program is writing {path.with_suffix('')}: wait until it ends.") from error
    return file
