"""`extract`: plan, compute in parallel, publish."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from joblib.parallel import get_active_backend
from tqdm.auto import tqdm

from ..exceptions import ClipTableError, ExtractionError, StoreError
from ..storage import FoldFile
from ..store import Store, open_store
from ._compute import Block, Failure, Output, compute_block, wait_for_threads
from ._lock import Claim, store_lock
from ._plan import FoldPlan, make_plan, refuse_stale
from ._publish import begin, publish, writing_failed
from ._staleness import library_versions

if TYPE_CHECKING:
    from ..features import Feature

BLOCK_CLIPS = 32
_CLIP_COLUMNS = ("filename", "fold", "target", "category", "src_file", "take", "path")


def extract(
    dataset: str | os.PathLike | pd.DataFrame,
    out: str | os.PathLike | None = None,
    *,
    features: str | Sequence | Mapping[str, Any] | None = None,
    recipe: str | os.PathLike | None = None,
    n_jobs: int | None = None,
    categories: Sequence[str] | None = None,
    folds: Sequence[int] | None = None,
    data_home: str | os.PathLike | None = None,
    mirror: str | None = None,
    overwrite: bool = False,
    verbose: bool = True,
) -> Store:
    """Compute what a store lacks, in parallel, and return the store.

    Run it once before the experiments; run it again after a kill, with another feature or with more folds, and only
    what is missing is computed, from the store's own waveforms where it has them. The files are bit for bit the same
    for every `n_jobs`, backend and interruption.

    Parameters
    ----------
    dataset : {"demo", "esc10", "esc50"}, path-like or DataFrame
        A data set by name, a folder in the layout of ESC-50, or a clip table as `esc_features.datasets` gives.
    out : path-like, optional
        Folder of the store; `stores/NAME` by default.
    features : str, sequence or mapping, optional
        Names ("waveform", "mel", "mfcc", ..., and those of the recipe), transformers, or a mapping of names to
        transformers; by default all features of the recipe, or "waveform" and "mel" without one.
    recipe : path-like, optional
        TOML file with a table `[features.NAME]` for each further feature: its `class` and its parameters.
    n_jobs : int, optional
        Workers, as in joblib; by default what `joblib.parallel_config` says, and else one a core.
    categories, folds : sequence, optional
        Take only the clips of these.
    data_home, mirror : optional
        Where downloads are kept and come from, as in `fetch_esc50`.
    overwrite : bool, default=False
        Replace files that other parameters, other audio or other library versions made, instead of refusing.
    verbose : bool, default=True
        Show the plan, a progress bar and a line for each file.

    Returns
    -------
    Store

    Raises
    ------
    ExtractionError
        After everything else is finished, if some clips failed; its `failures` is the table of them.
    StoreError
        If the store is locked, stale or cannot be written.

    Examples
    --------
    >>> from esc_features import extract
    >>> store = extract("demo", "stores/mine", features="mfcc", n_jobs=2, verbose=False)
    >>> store["mfcc"].shape
    (120, 26)
    """
    from ..features import make_features

    wanted = make_features(features, recipe)
    for feature in wanted.values():
        feature.check_parameters()
    clips = _find_clips(dataset, categories, folds, data_home, mirror)
    name = clips.attrs.get("name", "dataset")
    store = Path(out if out is not None else Path("stores") / name)
    with store_lock(store) as claim:
        try:
            failures = _bring_up_to_date(clips, name, wanted, store, claim, n_jobs, overwrite, verbose)
        except BrokenExecutor as error:
            raise StoreError(
                "A worker process ended without a word: it was killed, perhaps because the memory was full (fewer "
                "--n-jobs need less). What was computed is kept: run the same command again."
            ) from error
        except BaseException:
            # After an interruption, or an error in one of them, threads work on: not beside whatever comes next.
            claim.revoke()
            wait_for_threads()
            raise
    if failures:
        raise ExtractionError(store, failures)
    return open_store(store)


def _find_clips(dataset, categories, folds, data_home, mirror) -> pd.DataFrame:
    from ..datasets import fetch_esc50, load_clips, make_demo
    from ..datasets._table import select_clips

    if isinstance(dataset, str) and dataset in ("esc10", "esc50"):
        clips = fetch_esc50(categories, esc10=dataset == "esc10", folds=folds, data_home=data_home, mirror=mirror)
        clips.attrs["name"] = dataset
        return clips
    if not isinstance(dataset, pd.DataFrame) and dataset != "demo":
        return load_clips(dataset, categories=categories, folds=folds)
    if isinstance(dataset, pd.DataFrame):
        clips = dataset
        missing = [column for column in _CLIP_COLUMNS if column not in clips]
        if missing or clips["filename"].duplicated().any():
            wrong = f"lacks the columns {', '.join(missing)}" if missing else "has a file name twice"
            raise ClipTableError(f"The table of clips {wrong}: make it with load_clips, which checks and completes it.")
    else:
        clips = make_demo(Path(data_home) / "demo" if data_home is not None else None)
    return select_clips(clips, categories, folds).reset_index(drop=True)


def _bring_up_to_date(
    clips: pd.DataFrame,
    name: str,
    features: dict[str, Feature],
    store: Path,
    claim: Claim,
    n_jobs,
    overwrite: bool,
    verbose: bool,
) -> list[Failure]:
    say = print if verbose else _say_nothing
    jobs = _number_of_jobs(n_jobs)
    versions = {feature_name: library_versions(feature) for feature_name, feature in features.items()}
    plans = make_plan(clips, features, store, versions, jobs)
    refuse_stale(plans, overwrite)
    if overwrite:
        for plan in plans:
            if plan.state == "fresh" and plan.drift:
                plan.state, plan.reasons = "stale", plan.drift
    say(_plan_line(name, clips, plans, store))
    for reason in sorted(
        {f"{plan.name}: {reason}" for plan in plans if plan.state == "fresh" for reason in plan.drift}
    ):
        say(f"note: {reason} (esc_features verify --recompute tells whether it matters)")
    waiting = [plan for plan in plans if plan.state != "fresh"]
    fold_numbers = sorted(int(fold) for fold in clips["fold"].unique())
    with ThreadPoolExecutor(2) as beginners:  # most of it is giving each file its pages
        begun = beginners.map(lambda plan: begin(plan, name, fold_numbers, versions[plan.name]), waiting)
        headers = {id(plan): header for plan, header in zip(waiting, begun, strict=True)}
    published, failures = _compute_and_publish(waiting, headers, _make_blocks(plans, headers, claim), jobs, verbose)
    for plan in plans if waiting else ():
        say(_file_line(plan, published, failures))
    return failures


def _compute_and_publish(
    waiting: list[FoldPlan], headers: dict, blocks: list[Block], n_jobs, verbose: bool
) -> tuple[list[FoldPlan], list[Failure]]:
    """Run all blocks; publish the files of a fold, those without a failure, as soon as its last block is done."""
    failures: list[Failure] = []
    publishing: list[tuple[FoldPlan, Future]] = []
    blocks_left = Counter({plan.fold: 0 for plan in waiting})
    blocks_left.update(block.fold for block in blocks)

    def finish(fold):
        failed = {failure.feature for failure in failures if failure.fold == fold}
        for plan in waiting:
            if plan.fold == fold and plan.name not in failed:
                publishing.append((plan, publisher.submit(publish, plan, headers[id(plan)])))

    # Checking and synchronising a finished fold waits for the disk, so it happens beside the computation.
    with (
        ThreadPoolExecutor(2) as publisher,
        _progress_bar(sum(len(block.rows) for block in blocks), verbose) as progress,
    ):
        for fold in [fold for fold, count in blocks_left.items() if count == 0]:
            finish(fold)
        try:
            for block, failed in _run(blocks, n_jobs):
                failures += failed
                progress.update(len(block.rows))
                blocks_left[block.fold] -= 1
                if blocks_left[block.fold] == 0:
                    finish(block.fold)
        except OSError as error:
            raise writing_failed(error, _plan_of(error, waiting)) from error
        for _, future in publishing:
            future.result()
    return [plan for plan, _ in publishing], failures


def _progress_bar(clips: int, verbose: bool) -> tqdm:
    return tqdm(total=clips, unit="clip", desc="extract", disable=not (verbose and clips), file=sys.stderr)


def _plan_of(error: OSError, plans: list[FoldPlan]) -> FoldPlan:
    return next((plan for plan in plans if str(plan.partial_path) == error.filename), plans[0])


def _number_of_jobs(n_jobs: int | None) -> int | None:
    if n_jobs is not None:
        if n_jobs == 0:
            raise ValueError("n_jobs=0 has no meaning: give a number of workers, or -1 for one a core.")
        return n_jobs
    _, configured = get_active_backend()
    return configured if configured not in (None, 1) else -1


def _make_blocks(plans: list[FoldPlan], headers: dict, claim: Claim) -> list[Block]:
    blocks = []
    for fold in sorted({plan.fold for plan in plans}):
        in_fold = [plan for plan in plans if plan.fold == fold and id(plan) in headers]
        if not in_fold:
            continue
        stored = {id(plan): FoldFile(plan.waveforms) if plan.waveforms else None for plan in in_fold}
        pending = {id(plan): plan.pending for plan in in_fold}
        rows = np.unique(np.concatenate(list(pending.values())))
        clips = in_fold[0].clips
        for start in range(0, len(rows), BLOCK_CLIPS):
            chosen = rows[start : start + BLOCK_CLIPS]
            outputs = []
            for plan in in_fold:
                lacking = frozenset(np.intersect1d(chosen, pending[id(plan)]).tolist())
                if lacking:
                    outputs.append(Output(plan.name, plan.feature, headers[id(plan)], lacking, stored[id(plan)]))
            paths, names = clips["path"].iloc[chosen].tolist(), clips["filename"].iloc[chosen].tolist()
            blocks.append(Block(fold, chosen.tolist(), paths, names, outputs, claim))
    return blocks


def _run(blocks: Iterable[Block], n_jobs) -> Iterator[tuple[Block, list[Failure]]]:
    backend, _ = get_active_backend(prefer="threads")
    # ray and multiprocessing cannot hand results over as they come.
    kind = "generator_unordered" if getattr(backend, "supports_return_generator", False) else "list"
    parallel = Parallel(n_jobs=n_jobs, prefer="threads", return_as=kind, batch_size=1)
    yield from parallel(delayed(compute_block)(block) for block in blocks)


def _plan_line(name: str, clips: pd.DataFrame, plans: list[FoldPlan], store: Path) -> str:
    states: dict[str, int] = {}
    for plan in plans:
        states[plan.state] = states.get(plan.state, 0) + 1
    counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    return f"{name}: {len(clips)} clips, {clips['fold'].nunique()} folds -> {store} ({len(plans)} files: {counts})"


def _file_line(plan: FoldPlan, published: list[FoldPlan], failures: list[Failure]) -> str:
    label = f"{plan.name}/fold{plan.fold}"
    if plan.state == "fresh":
        return f"{label}: {len(plan.clips)} clips, already there"
    if plan in published:
        size = plan.path.stat().st_size / 1e6
        resumed = len(plan.clips) - len(plan.pending)
        kept = f", {resumed} of them kept from an earlier run" if resumed else ""
        return f"{label}: {len(plan.clips)} clips{kept}, {size:,.1f} MB"
    failed = sum((failure.fold, failure.feature) == (plan.fold, plan.name) for failure in failures)
    return f"{label}: NOT published, {failed} of {len(plan.clips)} clips failed"


def _say_nothing(*_args) -> None:
    pass
