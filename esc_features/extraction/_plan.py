"""What is there already, and what has to be computed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from joblib import Parallel, delayed

from ..exceptions import AudioError, StoreError
from ..storage import find_files, read_header
from ._judge import AudioDigests, Verdict, WantedFile, judge, library_versions

if TYPE_CHECKING:
    import pandas as pd

    from ..features import Feature


@dataclass(frozen=True)
class FilePlan:
    """A file as it should be, what it is, and from what it is computed."""

    wanted: WantedFile
    verdict: Verdict
    #: A published file of the waveforms that the feature is computed from; None where recordings must be decoded.
    waveforms: Path | None = None

    @property
    def state(self) -> str:
        return self.verdict.state


@dataclass(frozen=True)
class Plan:
    """The files of a store that are asked for, in the order in which they are computed."""

    files: list[FilePlan]
    #: Files in one of these states are computed; the others stay as they are.
    computed_states: frozenset[str]

    @property
    def waiting(self) -> list[FilePlan]:
        return [file for file in self.files if file.state in self.computed_states]


#: What `extract` computes without being told, what --overwrite adds, and what mends a store.
MISSING = frozenset({"missing", "partial", "damaged"})
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
    """Look at each file of the store that is asked for; nothing is changed."""
    there = find_files(store) if store.is_dir() else {}
    versions = {name: library_versions(feature) for name, feature in features.items()}
    wanted = [
        WantedFile(name, feature, int(fold), in_fold.reset_index(drop=True), store, versions[name])
        for fold, in_fold in clips.groupby("fold", sort=True)
        for name, feature in features.items()
    ]
    audio = _Audio(n_jobs)
    audio.look({file.fold: file.clips for file in wanted if file.fold in there.get(file.name, ())})
    anew = Verdict("stale", ("it is to be computed anew",))
    files = [FilePlan(file, anew if file.name in again else judge(file, audio.of(file), check_rows)) for file in wanted]
    waiting = [plan.wanted for plan in files if plan.state in computed_states]
    waveforms = _find_waveforms(waiting, there, audio)
    files = [FilePlan(plan.wanted, plan.verdict, waveforms.get(plan.wanted.path)) for plan in files]
    return Plan(files, computed_states)


def refuse_stale(plan: Plan) -> None:
    """Raise StoreError for files that another setting or other audio made, unless they are to be replaced."""
    stale = [file for file in plan.files if file.state == "stale" and file.state not in plan.computed_states]
    if not stale:
        return
    lines = [f"  {file.wanted.label}: {'; '.join(file.verdict.reasons)}" for file in stale[:10]]
    more = [f"  and {len(stale) - 10} more"] if len(stale) > 10 else []
    raise StoreError(
        "\n".join(
            [
                f"{len(stale)} file{'s' * (len(stale) > 1)} of the store {'are' if len(stale) > 1 else 'is'} not what "
                "would be extracted now:",
                *lines,
                *more,
                "Nothing was changed. --overwrite replaces what differs, and computes nothing else again; another "
                "--out, or name in a recipe, keeps both.",
            ]
        )
    )


class _Audio:
    """The digests of recordings, read once a plan."""

    def __init__(self, n_jobs: int | None):
        self._n_jobs = n_jobs
        self._by_fold: dict[int, AudioDigests] = {}

    def look(self, folds: dict[int, pd.DataFrame]) -> None:
        new = {fold: clips for fold, clips in folds.items() if fold not in self._by_fold}
        paths = [path for clips in new.values() for path in clips["path"]]
        run = Parallel(n_jobs=self._n_jobs, require="sharedmem", batch_size=64)
        digests = iter(run(delayed(_digest)(path) for path in paths))
        for fold, clips in new.items():
            found = [next(digests) for _ in range(len(clips))]
            known = np.array([digest is not None for digest in found], bool)
            self._by_fold[fold] = AudioDigests(np.array([digest or 0 for digest in found], np.uint64), known)

    def of(self, file: WantedFile) -> AudioDigests:
        """Return those of a fold; unknown where it was not looked at, because it has no file."""
        count = len(file.clips)
        return self._by_fold.get(file.fold) or AudioDigests(np.zeros(count, np.uint64), np.zeros(count, bool))


def _digest(path: str) -> int | None:
    from ..audio import file_digest

    if "://" in path:  # of another machine: to digest it is to download it
        return None
    try:
        return file_digest(path)
    except (AudioError, OSError):
        return None


def _find_waveforms(waiting: list[WantedFile], there: dict[str, dict[int, Path]], audio: _Audio) -> dict[Path, Path]:
    """Return for files to compute the published file of their waveforms, of this audio and these libraries, if any."""
    from ..features import Waveform

    specs = {file.feature.waveform() for file in waiting}
    settings = {waveform.fingerprint(): waveform for waveform in map(Waveform.of, specs)}
    clips = {file.fold: file.clips for file in waiting}
    sources = []
    for name, by_fold in there.items():
        for fold in by_fold.keys() & clips.keys():
            if waveform := settings.get(_fingerprint(by_fold[fold])):
                versions = library_versions(waveform)
                sources.append(WantedFile(name, waveform, fold, clips[fold], by_fold[fold].parents[1], versions))
    audio.look({source.fold: source.clips for source in sources})
    usable = {
        (source.fold, source.feature.fingerprint()): source.path
        for source in sources
        if judge(source, audio.of(source)).state == "fresh"
    }
    paths = {file.path: usable.get((file.fold, Waveform.of(file.feature.waveform()).fingerprint())) for file in waiting}
    return {path: source for path, source in paths.items() if source is not None}


def _fingerprint(path: Path) -> str:
    try:
        return read_header(path).facts.fingerprint
    except StoreError:
        return ""
