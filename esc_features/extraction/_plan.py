"""The plan of a run: what is there already, and what has to be computed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from joblib import Parallel, delayed

from .._suggest import list_lines
from ..exceptions import AudioError, StoreError
from ..storage import FeatureFolder, find_features
from ._judge import AudioDigests, Headers, Kept, RowsOfFeature, Verdict, WantedFile, judge, library_versions
from ._others import Comparison

if TYPE_CHECKING:
    import pandas as pd

    from ..features import Feature


@dataclass(frozen=True)
class FilePlan:
    """A file as it should be, its state, and what it is computed from."""

    wanted: WantedFile
    verdict: Verdict
    #: The rows that need not be computed.
    kept: Kept | None = None
    #: A published file of the waveforms that the feature is computed from; None if recordings must be decoded.
    waveforms: Path | None = None

    @property
    def state(self) -> str:
        return self.verdict.state

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the file is not as wanted, and how many of its rows are kept after an edit."""
        if self.state != "edited":
            return self.verdict.reasons
        kept = 0 if self.kept is None else self.kept.count
        return (*self.verdict.reasons, f"{kept} of {len(self.wanted.clips)} rows are kept")

    @property
    def size(self) -> int:
        """Additional bytes that the file takes on disk, at least."""
        if self.kept is not None and self.kept.in_place:
            return 0
        feature = self.wanted.feature
        return len(self.wanted.clips) * math.prod(feature.output_shape()) * np.dtype(feature.dtype).itemsize


@dataclass(frozen=True)
class Plan:
    """The requested files of a store, in the order in which they are computed."""

    files: list[FilePlan]
    #: Files in one of these states are computed; the others stay as they are.
    computed_states: frozenset[str]
    #: Mask of the clips that have rows, but none of their current recording.
    replaced: np.ndarray
    #: The finished features of the store that were not requested.
    others: tuple[Comparison, ...] = ()

    @property
    def waiting(self) -> list[FilePlan]:
        return [file for file in self.files if file.state in self.computed_states]


#: The states that `extract` computes by default, with --overwrite, and that `repair` computes.
MISSING = frozenset({"missing", "partial", "damaged", "edited"})
OVERWRITE = MISSING | {"stale", "drifted"}
REPAIR = MISSING | {"stale"}


def make_plan(
    clips: pd.DataFrame,
    features: dict[str, Feature],
    store: Path,
    n_jobs: int | None,
    *,
    computed_states: frozenset[str] = MISSING,
    check_rows: bool = False,
    again: frozenset[str] = frozenset(),
) -> Plan:
    """Return the state of each requested file of a store, and what to compute; nothing is changed."""
    there = {folder.name: folder for folder in find_features(store)} if store.is_dir() else {}
    published = {name: folder.files for name, folder in there.items() if folder.files}
    versions = {name: library_versions(feature) for name, feature in features.items()}
    wanted = [
        WantedFile(name, feature, int(fold), in_fold.reset_index(drop=True), store, versions[name])
        for fold, in_fold in clips.groupby("fold", sort=True)
        for name, feature in features.items()
    ]
    audio, headers = _Audio(n_jobs), Headers()
    audio.look([file.clips for file in wanted if file.fold in published.get(file.name, ())])
    requested = Verdict("stale", ("it is to be computed again",))
    files = [
        FilePlan(file, requested if file.name in again else judge(file, audio.of(file.clips), headers, check_rows))
        for file in wanted
    ]
    other = [plan for plan in files if plan.state != "fresh" and plan.wanted.name not in again]
    rows = {
        name: RowsOfFeature(_paths(there[name]), features[name], headers)
        for name in {plan.wanted.name for plan in other} & there.keys()
    }
    found = [(plan, rows[plan.wanted.name]) for plan in other if plan.wanted.name in rows]
    audio.look([plan.wanted.clips[rows.knows(plan.wanted.clips)] for plan, rows in found])
    kept = {plan.wanted.path: _kept(plan, rows, audio) for plan, rows in found}
    waiting = [plan.wanted for plan in files if plan.state in computed_states]
    waveforms = _find_waveforms(waiting, published, audio, headers)
    files = [
        replace(plan, kept=kept.get(plan.wanted.path), waveforms=waveforms.get(plan.wanted.path)) for plan in files
    ]
    replaced = np.zeros(len(clips), bool)
    for name in {plan.wanted.name for plan in other if plan.state == "edited"}:
        replaced |= rows[name].replaced(clips, audio.of(clips))
    others = {
        name: RowsOfFeature(by_fold.values(), None, headers)
        for name, by_fold in published.items()
        if name not in features
    }
    audio.look([clips[others[name].knows(clips)] for name in others])
    compared = tuple(Comparison.of(name, rows, clips, audio.of(clips)) for name, rows in others.items())
    return Plan(files, computed_states, replaced, compared)


def _paths(folder: FeatureFolder) -> list[Path]:
    return [*folder.published.values(), *folder.partial.values()]


def _kept(plan: FilePlan, rows: RowsOfFeature, audio: _Audio) -> Kept | None:
    if plan.verdict.begun is not None:
        return plan.verdict.begun
    return rows.keep(plan.wanted, audio.of(plan.wanted.clips), older=plan.state == "edited")


def refuse_stale(plan: Plan) -> None:
    """Raise StoreError for files with other parameters, unless they are to be replaced."""
    stale = [file for file in plan.files if file.state == "stale" and file.state not in plan.computed_states]
    if not stale:
        return
    differences = list_lines(f"{file.wanted.label}: {'; '.join(file.verdict.reasons)}" for file in stale)
    raise StoreError(
        f"{len(stale)} file{'s' * (len(stale) > 1)} of the store differ{'s' * (len(stale) == 1)} from what would be "
        f"extracted now:\n{differences}\nNothing was changed. --overwrite replaces what differs, and computes nothing "
        "else again; another --out folder, or another name in a recipe, keeps both."
    )


class _Audio:
    """The digests of recordings, each read once per plan."""

    def __init__(self, n_jobs: int | None):
        self._n_jobs = n_jobs
        self._digests: dict[str, int | None] = {}

    def look(self, tables: Sequence[pd.DataFrame]) -> None:
        """Read the recordings of clips."""
        paths = {path: None for clips in tables for path in clips["path"].unique() if path not in self._digests}
        if paths:
            run = Parallel(n_jobs=self._n_jobs, require="sharedmem", batch_size=64)
            self._digests.update(zip(paths, run(delayed(_digest)(path) for path in paths), strict=True))

    def of(self, clips: pd.DataFrame) -> AudioDigests:
        """Return the digests of clips' recordings; unknown for recordings that were not read."""
        found = [self._digests.get(path) for path in clips["path"].tolist()]
        known = np.array([digest is not None for digest in found], bool)
        return AudioDigests(np.array([digest or 0 for digest in found], np.uint64), known)


def _digest(path: str) -> int | None:
    from ..audio import file_digest, is_url

    if is_url(path):  # a digest would download it
        return None
    try:
        return file_digest(path)
    except (AudioError, OSError):
        return None


def _find_waveforms(
    waiting: list[WantedFile], there: dict[str, dict[int, Path]], audio: _Audio, headers: Headers
) -> dict[Path, Path]:
    """Return, for files to compute, the published file of their waveforms, where it is up to date."""
    from ..features import Waveform

    specs = {file.feature.waveform() for file in waiting}
    settings = {waveform.fingerprint(): waveform for waveform in map(Waveform.of, specs)}
    clips = {file.fold: file.clips for file in waiting}
    sources = []
    for name, by_fold in there.items():
        for fold in by_fold.keys() & clips.keys():
            if waveform := settings.get(_fingerprint(by_fold[fold], headers)):
                versions = library_versions(waveform)
                sources.append(WantedFile(name, waveform, fold, clips[fold], by_fold[fold].parents[1], versions))
    audio.look([source.clips for source in sources])
    usable = {
        (source.fold, source.feature.fingerprint()): source.path
        for source in sources
        if judge(source, audio.of(source.clips), headers).state == "fresh"
    }
    paths = {file.path: usable.get((file.fold, Waveform.of(file.feature.waveform()).fingerprint())) for file in waiting}
    return {path: source for path, source in paths.items() if source is not None}


def _fingerprint(path: Path, headers: Headers) -> str:
    try:
        return headers.of(path).facts.fingerprint
    except StoreError:
        return ""
