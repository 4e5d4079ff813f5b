"""What is there already, and what has to be computed."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from joblib import Parallel, delayed

from ..exceptions import AudioError, StoreError
from ..storage import PARTIAL, check_published, fold_file_name, read_header, whole_rows
from ._staleness import clip_differences, feature_differences, library_versions, version_differences

if TYPE_CHECKING:
    import pandas as pd

    from ..features import Feature


@dataclass
class FoldPlan:
    """What has to happen to one file: nothing (`fresh`), all of it (`missing`, `stale`) or the rest (`partial`)."""

    name: str
    feature: Feature
    fold: int
    clips: pd.DataFrame
    path: Path
    state: str = "missing"
    reasons: list[str] = field(default_factory=list)
    drift: list[str] = field(default_factory=list)
    #: Rows of the partial file that can be kept; None where there is no such file to go on with.
    done: np.ndarray | None = None
    #: A published file of the waveforms that the feature is computed from; None where recordings must be decoded.
    waveforms: Path | None = None

    @property
    def partial_path(self) -> Path:
        return self.path.with_name(self.path.name + PARTIAL)

    @property
    def pending(self) -> np.ndarray:
        """Rows to compute, in order."""
        return np.arange(len(self.clips)) if self.done is None else np.flatnonzero(~self.done)


def make_plan(
    clips: pd.DataFrame, features: dict[str, Feature], store: Path, versions: dict[str, dict], n_jobs
) -> list[FoldPlan]:
    """Return one FoldPlan for each feature and fold, in the order in which they are computed."""
    plans = []
    for fold, in_fold in clips.groupby("fold", sort=True):
        in_fold = in_fold.reset_index(drop=True)
        for name, feature in features.items():
            plans.append(FoldPlan(name, feature, int(fold), in_fold, store / name / fold_file_name(int(fold))))
    digests = _digests([plan for plan in plans if plan.path.exists() or plan.partial_path.exists()], n_jobs)
    for plan in plans:
        _find_state(plan, digests.get(plan.fold), versions[plan.name])
    _find_waveforms([plan for plan in plans if plan.state != "fresh" or plan.drift], store, digests, n_jobs)
    return plans


def refuse_stale(plans: list[FoldPlan], overwrite: bool) -> None:
    """Raise StoreError for files that another setting or other audio made, unless they may be replaced."""
    stale = [plan for plan in plans if plan.state == "stale"]
    if not stale or overwrite:
        return
    lines = [f"  {plan.name}/fold{plan.fold}: {'; '.join(plan.reasons)}" for plan in stale[:10]]
    more = [f"  and {len(stale) - 10} more"] if len(stale) > 10 else []
    raise StoreError(
        "\n".join(
            [
                f"{len(stale)} files of the store are not what would be extracted now:",
                *lines,
                *more,
                "Nothing was changed. --overwrite replaces them; another --out, or name in a recipe, keeps both.",
            ]
        )
    )


def _find_waveforms(waiting: list[FoldPlan], store: Path, digests: dict[int, np.ndarray], n_jobs) -> None:
    """Tell each plan which published file holds the waveforms that it is computed from, of this audio, if one does."""
    sources = _published_waveforms(waiting, store)
    digests = digests | _digests([source for source in sources if source.fold not in digests], n_jobs)
    sources = [source for source in sources if _is_up_to_date(source, digests[source.fold])]
    for plan in waiting:
        wanted = plan.feature.waveform().fingerprint()
        found = (source for source in sources if source.fold == plan.fold and source.feature.fingerprint() == wanted)
        plan.waveforms = next((source.path for source in found), None)


def _published_waveforms(plans: list[FoldPlan], store: Path) -> list[FoldPlan]:
    """Return the files of the store, of whatever name, that hold waveforms which the features are computed from."""
    waveforms = {waveform.fingerprint(): waveform for waveform in (plan.feature.waveform() for plan in plans)}
    found = []
    for fold, clips in {plan.fold: plan.clips for plan in plans}.items():
        for path in sorted(store.glob(f"*/fold{fold}.h5")):
            with contextlib.suppress(StoreError):
                fingerprint = read_header(path).attributes["fingerprint"]
                if fingerprint in waveforms:
                    found.append(FoldPlan(path.parent.name, waveforms[fingerprint], fold, clips, path))
    return found


def _is_up_to_date(source: FoldPlan, digests: np.ndarray) -> bool:
    """Return whether stored waveforms are of the audio and the library versions of now."""
    return not any(_differences(source, source.path, digests, library_versions(source.feature)))


def _digests(plans: list[FoldPlan], n_jobs) -> dict[int, np.ndarray]:
    """Return the digests now (0 where unreadable) of the audio files of each fold of the plans."""
    folds = {plan.fold: plan.clips for plan in plans}
    paths = [path for clips in folds.values() for path in clips["path"]]
    run = Parallel(n_jobs=n_jobs, require="sharedmem", batch_size=64)
    digests = iter(run(delayed(_digest)(path) for path in paths))
    return {fold: np.array([next(digests) for _ in range(len(clips))], np.uint64) for fold, clips in folds.items()}


def _digest(path: str) -> int:
    from ..audio import file_digest

    try:
        return file_digest(path)
    except (AudioError, OSError):
        return 0


def _find_state(plan: FoldPlan, digests: np.ndarray | None, versions: dict) -> None:
    if os.path.lexists(plan.path):
        plan.reasons, plan.drift = _differences(plan, plan.path, digests, versions)
        plan.state = "stale" if plan.reasons else "fresh"
    if (plan.state != "fresh" or plan.drift) and os.path.lexists(plan.partial_path):
        _look_at_partial(plan, digests, versions)


def _look_at_partial(plan: FoldPlan, digests: np.ndarray | None, versions: dict) -> None:
    if plan.partial_path.is_symlink() or not _is_readable(plan.partial_path):
        # Killed while it was being created: no row had been computed. Or not of our making.
        plan.partial_path.unlink()
        return
    reasons, drift = _differences(plan, plan.partial_path, digests, versions)
    if not reasons and not drift:
        # One that replaces a published file is gone on with too, once --overwrite is said again.
        plan.done = whole_rows(read_header(plan.partial_path))
        plan.state = "partial" if plan.state == "missing" else plan.state
    elif plan.state == "missing":
        # Rows of two library versions must not meet in one file that names one.
        plan.state, plan.reasons = "stale", [f"it was begun, and {reason}" for reason in reasons + drift]


def _is_readable(path: Path) -> bool:
    try:
        read_header(path)
    except StoreError:
        return False
    return True


def _differences(plan: FoldPlan, path: Path, digests, versions: dict) -> tuple[list[str], list[str]]:
    """Return why a file is not what would be extracted now, and which libraries have another version now."""
    try:
        header = read_header(path)
        reasons = feature_differences(header, plan.feature)
        reasons += clip_differences(header, plan.clips, digests)
        if path == plan.path:
            check_published(header)
    except StoreError as error:
        return [str(error)], []
    return reasons, version_differences(header.attributes["versions"], versions)
