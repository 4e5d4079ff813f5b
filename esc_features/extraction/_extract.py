"""`extract`: compute what a store lacks, in parallel."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

import pandas as pd

from ..datasets import find_clips
from ..exceptions import ExtractionError, StoreError
from ..store import Store, open_store
from ._lock import store_lock
from ._plan import MISSING, OVERWRITE
from ._run import Job, Run, number_of_jobs


def extract(
    dataset: str | os.PathLike | pd.DataFrame,
    out: str | os.PathLike | None = None,
    *,
    features: str | Sequence | Mapping[str, Any] | None = None,
    recipe: str | os.PathLike | None = None,
    trusted: Collection[str] = (),
    n_jobs: int | None = None,
    categories: Sequence[str] | None = None,
    folds: Sequence[int] | None = None,
    audio_dir: str | os.PathLike | None = None,
    columns: Mapping[str, str | None] | None = None,
    folds_by: str | None = None,
    corrections: str | os.PathLike | pd.DataFrame | None = None,
    data_home: str | os.PathLike | None = None,
    mirror: str | None = None,
    overwrite: bool = False,
    verbose: bool = True,
) -> Store:
    """Compute what a store lacks, in parallel, and return the store.

    Run it once before the experiments. Run it again after a kill, with another feature or after editing the clips: only
    what is missing is computed, from the store's own waveforms if it has them. Rows of clips whose recording and
    parameters did not change are kept, even if their labels changed; clips that are no longer in the table are removed.
    The files are bit for bit the same for every `n_jobs`, backend, interruption and order of edits.

    Parameters
    ----------
    dataset : {"demo", "esc10", "esc50"}, path-like or DataFrame
        Name or folder of a data set, a CSV file, or a clip table: see `esc_features.datasets.find_clips`.
    out : path-like, optional
        Folder of the store; `stores/NAME` by default.
    features : str, sequence or mapping, optional
        Names ("waveform", "mel", "mfcc", ..., and those of the recipe), transformers, or a mapping from names to
        transformers. By default all features of the recipe, or "waveform" and "mel" if there is no recipe.
    recipe : path-like, optional
        TOML file with one table `[features.NAME]` per additional feature: its `class` and its parameters.
    trusted : collection of str, default=()
        Modules or packages whose classes a recipe may name. Importing a module runs its code.
    n_jobs : int, optional
        Number of workers, as in joblib; by default what `joblib.parallel_config` sets, or one per core.
    categories, folds : sequence, optional
        Extract only the clips of these; other clips of the store stay as they are.
    audio_dir, columns, folds_by, corrections : optional
        Where the recordings of a table are, the names of its columns, folds to assign, and corrected labels: as in
        `esc_features.datasets.load_clips`.
    data_home, mirror : optional
        Where downloads are stored and where they come from, as in `fetch_esc50`.
    overwrite : bool, default=False
        Replace files that were extracted with other parameters (otherwise an error) or with other library versions
        (otherwise kept).
    verbose : bool, default=True
        Show the plan, a progress bar and one line per file.

    Returns
    -------
    Store

    Raises
    ------
    ExtractionError
        If some clips failed, after everything else is finished; its `failures` attribute is a table of them.
    StoreError
        If the store is locked, has other parameters, belongs to another data set or cannot be written.
    ClipTableError, DownloadError
        As in `esc_features.datasets.find_clips`.

    Examples
    --------
    >>> from esc_features import extract
    >>> store = extract("demo", "stores/mine", features="mfcc", n_jobs=2, verbose=False)
    >>> store["mfcc"].shape
    (120, 26)
    """
    from ..features import make_features

    wanted = make_features(features, recipe, trusted)
    for feature in wanted.values():
        feature.check_parameters()
    clips = find_clips(
        dataset,
        audio_dir=audio_dir,
        columns=columns,
        categories=categories,
        folds=folds,
        folds_by=folds_by,
        corrections=corrections,
        data_home=data_home,
        mirror=mirror,
        verbose=verbose,
    )
    name = clips.attrs.get("name", "dataset")
    # Absolute: a worker may be in another folder.
    store = Path(out if out is not None else Path("stores") / name).absolute()
    states = OVERWRITE if overwrite else MISSING
    return run_job(Job(clips, wanted, store, number_of_jobs(n_jobs), states, verbose=verbose))


def run_job(job: Job) -> Store:
    """Run a job while holding the lock of its store, and open the store; raise ExtractionError if clips failed."""
    with store_lock(job.store) as claim:
        run = Run(job, claim)
        try:
            failures = run.bring_up_to_date()
        except BrokenExecutor as error:
            raise StoreError(
                "A worker process terminated unexpectedly. Perhaps the system killed it because memory ran out: fewer "
                "workers (--n-jobs) need less. What was computed is kept: run the same command again."
            ) from error
        except BaseException:
            run.stop()
            raise
    if failures:
        raise ExtractionError(job.store, failures)
    return open_store(job.store)
