"""What a worker does: decode a clip once, compute all its features while it is in cache, write their rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .._platform import write_at
from ..exceptions import AudioError
from ..store._fold_file import FoldFile
from ..store._format import Header, row_crc32

if TYPE_CHECKING:
    from ..features import Feature, Waveform

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
    writers = [RowWriter(output) for output in block.outputs]
    try:
        for row, path, filename in zip(block.rows, block.paths, block.filenames, strict=True):
            wanting = [writer for writer in writers if row in writer.output.rows]
            clip = _Clip(path, row, longest)
            for writer in wanting:
                try:
                    waveform, facts = clip.waveform(writer.output)
                    values = writer.checked(writer.output.feature.compute(waveform[np.newaxis])[0])
                except Exception as error:  # a user's own feature may raise anything: the other clips go on
                    message = str(error) if isinstance(error, AudioError) else f"{type(error).__name__}: {error}"
                    failures.append(Failure(block.fold, filename, writer.output.name, message))
                else:
                    writer.write(row, values, facts)  # an error here, a full disk, is not the clip's fault
    finally:
        for writer in writers:
            writer.close()
    return block, failures


class RowWriter:
    """Writes rows of a partial file at their places: the row, what is known about it, and last that it is done."""

    def __init__(self, output: Output):
        self.output = output
        self._columns = output.header.columns
        self._descriptor = os.open(output.header.path, os.O_WRONLY | getattr(os, "O_BINARY", 0))

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
        data = self._columns["data"]
        write_at(self._descriptor, values, data.offset_of(row))
        for name, value in (*facts.items(), ("crc32", row_crc32(values)), ("done", 1)):
            column = self._columns[name]
            write_at(self._descriptor, np.array(value, column.dtype), column.offset_of(row))

    def close(self) -> None:
        os.close(self._descriptor)


class _Clip:
    """One recording, decoded at most once and resampled at most once for each setting."""

    def __init__(self, path: str, row: int, longest: float):
        self._path, self._row, self._longest = path, row, longest
        self._recording = None
        self._waveforms: dict[Waveform, tuple[np.ndarray, dict[str, int]]] = {}

    def waveform(self, output: Output) -> tuple[np.ndarray, dict[str, int]]:
        """Return the waveform that a feature is computed from and the facts about the recording."""
        if output.stored is not None:
            facts = {name: int(output.stored.column(name)[self._row]) for name in COPIED_COLUMNS}
            return output.stored.rows()[self._row], facts
        setting = output.feature.waveform()
        key = (setting.sample_rate, setting.duration)
        if key not in self._waveforms:
            self._waveforms[key] = self._decode(setting)
        return self._waveforms[key]

    def _decode(self, setting: Waveform) -> tuple[np.ndarray, dict[str, int]]:
        from ..features._recording import read_recording

        if self._recording is None:
            self._recording = read_recording(self._path, duration=self._longest)
        recording = self._recording
        waveform, notes = setting.from_recording(recording)
        facts = (recording.sample_rate, recording.channels, recording.samples, recording.digest, int(notes))
        return waveform, dict(zip(COPIED_COLUMNS, facts, strict=True))
