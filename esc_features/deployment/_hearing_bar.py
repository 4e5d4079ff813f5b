"""A bar that shows how much has been heard, and how many times faster than real time."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from ..audio import recording_duration
from ..exceptions import AudioError
from ._stretches import Stretch

# Beyond this many recordings, looking at each header takes longer than anybody waits for a bar.
_LOOK_AT_MOST = 2000


class HearingBar:
    """Counts seconds of recordings; to be told of each chunk of windows."""

    def __init__(self, stretches: Sequence[Stretch], shown: bool):
        from tqdm import tqdm

        self._ends: dict[int, float] = {}
        self._began, self._heard, self._before = time.perf_counter(), 0.0, 0.0
        self._bar = tqdm(
            total=_total(stretches) if shown else None,
            disable=not shown,
            unit="s",
            file=sys.stderr,
            bar_format="{desc}{percentage:3.0f}% |{bar}| {elapsed}<{remaining}{postfix}",
            ascii=None if (sys.stderr.encoding or "").lower().startswith("utf") else True,
        )
        self._starts = [stretch.start for stretch in stretches]

    def __enter__(self) -> HearingBar:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def heard_before(self, chunk):
        """Move the bar by what another run has heard, which does not count for how fast this one is."""
        self._before += self._move(chunk)

    def heard(self, chunk):
        """Move the bar by what no window before has covered; return the chunk."""
        self._move(chunk)
        speed = (self._heard - self._before) / (time.perf_counter() - self._began)
        self._bar.set_postfix_str(f"{_time(self._heard)} heard, {speed:,.0f} x real time")
        return chunk

    def _move(self, chunk):
        before = self._heard
        for number, end in zip(chunk.stretch, chunk.end, strict=True):
            covered = self._ends.get(number, self._starts[number])
            self._heard += max(0.0, end - covered)
            self._ends[number] = max(covered, end)
        if chunk.stretch:
            self._ends = {number: end for number, end in self._ends.items() if number >= chunk.stretch[-1]}
        self._bar.update(self._heard - before)
        return self._heard - before


def _total(stretches):
    if len(stretches) > _LOOK_AT_MOST or any("://" in stretch.path for stretch in stretches):
        return None
    total = 0.0
    for stretch in stretches:
        try:
            total += min(stretch.end, recording_duration(stretch.path)) - stretch.start
        except AudioError:  # it is named when its turn comes
            continue
    return total


def _time(seconds):
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
