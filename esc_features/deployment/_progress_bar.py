"""A progress bar that shows how much has been processed, and the speed relative to real time."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from ..audio import recording_duration
from ..exceptions import AudioError
from ._segments import Segment

# Reading the headers of more recordings than this would delay the bar noticeably.
_LOOK_AT_MOST = 2000


class ProgressBar:
    """Counts the seconds of recordings that chunks of windows cover."""

    def __init__(self, segments: Sequence[Segment], shown: bool):
        from tqdm import tqdm

        self._ends: dict[int, float] = {}
        self._began, self._seconds, self._earlier = time.perf_counter(), 0.0, 0.0
        self._bar = tqdm(
            total=_total(segments) if shown else None,
            disable=not shown,
            unit="s",
            file=sys.stderr,
            bar_format="{desc}{percentage:3.0f}% |{bar}| {elapsed}<{remaining}{postfix}",
            ascii=None if (sys.stderr.encoding or "").lower().startswith("utf") else True,
        )
        self._starts = [segment.start for segment in segments]

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def skip(self, chunk):
        """Move the bar by what an earlier run has processed, which does not count for the speed of this one."""
        self._earlier += self._move(chunk)

    def add(self, chunk):
        """Move the bar by what this chunk is the first to cover; return the chunk."""
        self._move(chunk)
        speed = (self._seconds - self._earlier) / (time.perf_counter() - self._began)
        self._bar.set_postfix_str(f"{_time(self._seconds)} done, {speed:,.0f} x real time")
        return chunk

    def _move(self, chunk):
        before = self._seconds
        for number, end in zip(chunk.segment, chunk.end, strict=True):
            covered = self._ends.get(number, self._starts[number])
            self._seconds += max(0.0, end - covered)
            self._ends[number] = max(covered, end)
        if chunk.segment:
            self._ends = {number: end for number, end in self._ends.items() if number >= chunk.segment[-1]}
        self._bar.update(self._seconds - before)
        return self._seconds - before


def _total(segments):
    if len(segments) > _LOOK_AT_MOST or any("://" in segment.path for segment in segments):
        return None
    total = 0.0
    for segment in segments:
        try:
            total += min(segment.end, recording_duration(segment.path)) - segment.start
        except AudioError:  # it is reported when it is read
            continue
    return total


def _time(seconds):
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
