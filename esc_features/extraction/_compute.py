"""What a worker does: decode a clip once, compute all its features while it is in cache, write their rows."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._platform import read_ahead, write_at
from ..exceptions import AudioError
from ..storage import FoldFile, Header, row_crc32
from ._lock import Claim

if TYPE_CHECKING:
    from ..features import Feature, Recording, Waveform

ROWS_A_WRITE = 8
COPIED_COLUMNS = ("original_sample_rate", "original_channels", "original_samples", "audio_digest", "notes")


@dataclass(frozen=True)
class Output:
    """A partial file that a worker writes rows of, and which rows of the block it lacks."""

    name: str
    feature: Feature
    header: Header
    rows: frozenset[int]
    stored: FoldFile | None


@dataclass(frozen=True)
class Block:
    """A few dozen clips of one fold: what one task computes."""

    fold: int
    rows: Sequence[int]
    paths: Sequence[str]
    filenames: Sequence[str]
    outputs: Sequence[Output]
    claim: Claim


@dataclass(frozen=True)
class Failure:
    """A clip that has no row, and why."""

    fold: int
    filename: str
    feature: str
    error: str


def compute_block(block: Block) -> tuple[Block, list[Failure]]:
    """Compute and write the missing rows of a block; the failures are returned, everything else is on disk."""
    failures: list[Failure] = []
    longest = max(output.feature.waveform().duration for output in block.outputs)
    with _at_work(), ExitStack() as opened:
        writers = [opened.enter_context(closing(RowWriter(output))) for output in block.outputs]
        if any(output.stored is None for output in block.outputs):
            read_ahead(block.paths)
        check_claim = opened.enter_context(block.claim.watch())
        for row, path, filename in zip(block.rows, block.paths, block.filenames, strict=True):
            check_claim()
            clip = _Clip(path, row, longest)
            for writer in (writer for writer in writers if row in writer.output.rows):
                try:
                    waveform, facts = clip.waveform(writer.output)
                    values = writer.checked(writer.output.feature.compute(waveform[np.newaxis])[0])
                except Exception as error:  # a user's own feature may raise anything: the other clips go on
                    message = str(error) if isinstance(error, AudioError) else f"{type(error).__name__}: {error}"
                    failures.append(Failure(block.fold, filename, writer.output.name, message))
                else:
                    writer.write(row, values, facts)  # an error here, a full disk, is not the clip's fault
        for writer in writers:
            writer.flush()
    return block, failures


_number_at_work = 0
_ends = threading.Condition()


@contextmanager
def _at_work() -> Iterator[None]:
    global _number_at_work
    with _ends:
        _number_at_work += 1
    try:
        yield
    finally:
        with _ends:
            _number_at_work -= 1
            _ends.notify_all()


def wait_for_threads(seconds: float = 60) -> None:
    """Wait until no thread of this process is at a block any more; they end with a clip once the claim is revoked."""
    with _ends:
        _ends.wait_for(lambda: _number_at_work == 0, seconds)


class RowWriter:
    """Writes rows of a partial file at their places: the rows, what is known about them, and last that they are done.

    Neighbouring rows are written together: fewer system calls, and long writes that the page cache keeps in larger
    pages.
    """

    def __init__(self, output: Output):
        self.output = output
        self._columns = output.header.columns
        self._descriptor = open_partial(output.header.path, os.O_WRONLY)
        data = self._columns["data"]
        self._rows = np.empty((ROWS_A_WRITE, *data.shape), data.dtype)
        self._facts: list[dict[str, int]] = []
        self._first = 0

    def checked(self, values: np.ndarray) -> np.ndarray:
        """Return the values as a row of this file, or raise AudioError where they cannot be one."""
        data = self._columns["data"]
        values = np.ascontiguousarray(values, data.dtype)
        if values.shape != data.shape:
            raise AudioError(f"the feature has the shape {values.shape} for this clip and {data.shape} for others")
        if data.dtype.kind == "f" and not np.isfinite(values).all():
            raise AudioError("the feature is not finite (NaN or infinite) for this clip")
        return values

    def write(self, row: int, values: np.ndarray, facts: dict[str, int]) -> None:
        """Take a row; it is on the disk after the next `flush`."""
        if len(self._facts) == ROWS_A_WRITE or row != self._first + len(self._facts):
            self.flush()
        if not self._facts:
            self._first = row
        self._rows[len(self._facts)] = values
        self._facts.append({**facts, "crc32": row_crc32(values), "done": 1})

    def flush(self) -> None:
        if not self._facts:
            return
        self._write("data", self._rows[: len(self._facts)])
        for name in self._facts[0]:  # "done" is the last
            self._write(name, np.array([facts[name] for facts in self._facts], self._columns[name].dtype))
        self._facts = []

    def _write(self, name: str, values: np.ndarray) -> None:
        try:
            write_at(self._descriptor, values, self._columns[name].offset_of(self._first))
        except OSError as error:  # name the file, for whoever reads it in another process
            raise OSError(error.errno, error.strerror, str(self.output.header.path)) from error

    def close(self) -> None:
        os.close(self._descriptor)


def open_partial(path: Path, flags: int) -> int:
    """Open a file that is being made, and nothing else: a link may lead out of the store."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))


class _Clip:
    """One recording, decoded at most once and resampled at most once for each setting."""

    def __init__(self, path: str, row: int, longest: float):
        self._path, self._row, self._longest = path, row, longest
        self._recording: Recording | None = None
        self._waveforms: dict[Waveform, tuple[np.ndarray, dict[str, int]]] = {}

    def waveform(self, output: Output) -> tuple[np.ndarray, dict[str, int]]:
        """Return the waveform that a feature is computed from and the facts about the recording."""
        if output.stored is not None:
            return _stored_row(output.stored, self._row)
        setting = output.feature.waveform()
        key = (setting.sample_rate, setting.duration)
        if key not in self._waveforms:
            self._waveforms[key] = self._decode(setting)
        return self._waveforms[key]

    def _decode(self, setting: Waveform) -> tuple[np.ndarray, dict[str, int]]:
        from ..audio import read_recording

        if self._recording is None:
            self._recording = read_recording(self._path, duration=self._longest)
        recording = self._recording
        waveform, notes = setting.from_recording(recording)
        facts = (recording.sample_rate, recording.channels, recording.samples, recording.digest, int(notes))
        return waveform, dict(zip(COPIED_COLUMNS, facts, strict=True))


def _stored_row(stored: FoldFile, row: int) -> tuple[np.ndarray, dict[str, int]]:
    waveform = stored.rows()[row]
    if row_crc32(waveform) != stored.column("crc32")[row]:
        place = f"{stored.path.parent.name}/{stored.path.name}"
        raise AudioError(f"its waveform in {place} is damaged: run esc_features verify on the store")
    return waveform, {name: int(stored.column(name)[row]) for name in COPIED_COLUMNS}
