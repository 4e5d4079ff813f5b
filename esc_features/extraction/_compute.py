"""What a worker does: decode a clip once, compute all its features while it is in cache, and pass on their rows.

`compute_rows` is a pure function of a block; only the sink knows where its rows go (`_sinks`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..exceptions import AudioError, StoreError
from ..storage import FoldFile, Header, row_crc32
from ._lock import Claim

if TYPE_CHECKING:
    from ..audio import Recording, RecordingReader, WaveformSpec
    from ..features import Feature


@dataclass(frozen=True)
class Output:
    """An unfinished file that rows are computed for, and which rows of the block it lacks."""

    name: str
    feature: Feature
    header: Header
    rows: frozenset[int]
    stored: FoldFile | None


class Clip(NamedTuple):
    """A part of a recording, and its name."""

    path: str
    start: float
    end: float
    name: str


@dataclass(frozen=True)
class Block:
    """A few dozen clips of one fold with their rows: what one task computes."""

    fold: int
    clips: Sequence[tuple[int, Clip]]
    outputs: Sequence[Output]
    claim: Claim


class Facts(NamedTuple):
    """What is known about a recording besides its samples; the names are those of the columns."""

    original_sample_rate: int
    original_channels: int
    original_samples: int
    audio_digest: int
    notes: int


class Row(NamedTuple):
    """A computed row: the number of its output in the block, and of its row in that file."""

    output: int
    row: int
    values: np.ndarray
    facts: Facts


@dataclass(frozen=True)
class Failure:
    """A clip that has no row, and why."""

    fold: int
    filename: str
    feature: str
    error: str


def compute_rows(block: Block, before_each_clip: Callable[[], None]) -> Iterator[Row | Failure]:
    """Compute the missing rows of a block, clip after clip; a clip that cannot be computed is a failure."""
    from ..audio import RecordingReader

    longest = max(output.feature.waveform().duration for output in block.outputs)
    with RecordingReader() as recordings:
        for row, clip in block.clips:
            before_each_clip()
            waveforms = _Waveforms(recordings, clip, row, longest)
            for number, output in enumerate(block.outputs):
                if row not in output.rows:
                    continue
                try:
                    waveform, facts = waveforms.of(output)
                    values = _checked(output.feature.compute(waveform[np.newaxis])[0], output.header)
                except Exception as error:  # a user's own feature may raise anything: the other clips go on
                    message = str(error) if isinstance(error, AudioError) else f"{type(error).__name__}: {error}"
                    yield Failure(block.fold, clip.name, output.name, message)
                else:
                    yield Row(number, row, values, facts)


def _checked(values: np.ndarray, header: Header) -> np.ndarray:
    """Return the values as a row of a file, or raise AudioError if they cannot be stored."""
    data = header.data
    values = np.ascontiguousarray(values, data.dtype)
    if values.shape != data.shape:
        raise AudioError(f"The feature has the shape {values.shape} for this clip and {data.shape} for others.")
    if data.dtype.kind == "f" and not np.isfinite(values).all():
        raise AudioError("The feature is not finite (NaN or infinite) for this clip.")
    return values


class _Waveforms:
    """The waveforms of one clip: decoded at most once, and resampled at most once per setting."""

    def __init__(self, recordings: RecordingReader, clip: Clip, row: int, longest: float):
        self._recordings, self._clip, self._row, self._longest = recordings, clip, row, longest
        self._recording: Recording | None = None
        self._made: dict[WaveformSpec, tuple[np.ndarray, Facts]] = {}

    def of(self, output: Output) -> tuple[np.ndarray, Facts]:
        """Return the waveform that a feature is computed from and the facts about the recording."""
        if output.stored is not None and (stored := _stored_row(output.stored, self._row)):
            return stored
        spec = output.feature.waveform()
        if spec not in self._made:
            self._made[spec] = self._make(spec)
        return self._made[spec]

    def _make(self, spec: WaveformSpec) -> tuple[np.ndarray, Facts]:
        if self._recording is None:
            clip = self._clip
            self._recording = self._recordings.read(clip.path, clip.start, clip.end, self._longest)
        recording = self._recording
        waveform, notes = spec.waveform_of(recording)
        return waveform, Facts(
            int(recording.sample_rate), recording.channels, recording.samples, recording.digest, int(notes)
        )


def _stored_row(stored: FoldFile, row: int) -> tuple[np.ndarray, Facts] | None:
    """Return a stored waveform; None if it is damaged or not on this machine: the recording gives the same."""
    try:
        waveform = stored.rows()[row]
        if row_crc32(waveform) != stored.column("crc32")[row]:
            return None
        return waveform, Facts(*(int(stored.column(name)[row]) for name in Facts._fields))
    except (StoreError, OSError):
        return None
