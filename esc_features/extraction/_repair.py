"""`repair`: mend what `verify` finds, computing only what is wrong."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..exceptions import StoreError
from ..store import Store
from ._extract import run_job
from ._plan import REPAIR
from ._run import Job, number_of_jobs
from ._stored import Files, features_of, find_store, lost_folds, stored_clips, stored_feature, stored_fingerprints

if TYPE_CHECKING:
    import pandas as pd

    from ..features import Feature


def repair(
    store: str | os.PathLike,
    dataset: str | os.PathLike | pd.DataFrame | None = None,
    *,
    audio: str | os.PathLike | None = None,
    features: str | Mapping[str, Any] | None = None,
    recipe: str | os.PathLike | None = None,
    trusted: Collection[str] = (),
    again: Sequence[str] = (),
    n_jobs: int | None = None,
    verbose: bool = True,
) -> Store:
    """Repair a store: compute rows that are damaged, missing or of other clips, and keep all others.

    This is the command that `verify` prints. It first reads every row and compares it with its checksum, which takes
    about as long as reading the store, and then computes what is wrong.

    Parameters
    ----------
    store : path-like
        Folder of the store.
    dataset : path-like or DataFrame, optional
        The clips, as in `extract`; by default those of the store. Needed if the store no longer states the clips of
        some folds.
    audio : path-like, optional
        Folder of the recordings; by default the one that the store names.
    features, recipe : optional
        As in `extract`; needed for features of your own classes, and for features with no readable file.
    trusted : collection of str, default=()
        Modules or packages whose classes a recipe or the store may name. Importing a module runs its code.
    again : sequence of str, default=()
        Names of features to recompute completely.
    n_jobs, verbose : optional
        As in `extract`.

    Returns
    -------
    Store

    Raises
    ------
    StoreError
        If there is no store in the folder, or its clips or a feature can no longer be read; the message says what to
        add.
    ExtractionError
        If recordings whose rows are missing cannot be used.

    Examples
    --------
    >>> from esc_features.extraction import repair
    >>> repair("stores/demo", verbose=False)["mel"].shape
    (40, 128, 157)
    """
    folder, files = find_store(store)
    unknown = sorted(set(again) - files.keys())
    if unknown:
        raise StoreError(f"{folder} has no feature {', '.join(unknown)}; it has {', '.join(sorted(files))}.")
    job = Job(
        _clips(folder, dataset, files, None if audio is None else Path(audio)),
        _features(store, files, features_of(features, recipe, trusted), trusted),
        folder,
        number_of_jobs(n_jobs),
        REPAIR,
        check_rows=True,
        again=frozenset(again),
        verbose=verbose,
    )
    return run_job(job)


def _clips(folder: Path, dataset, files: Files, audio: Path | None) -> pd.DataFrame:
    from ._explain import read_clips

    clips = read_clips(dataset)
    if clips is not None:
        return clips
    lost, stored = lost_folds(folder, files), stored_clips(folder, files, audio)
    if lost or stored is None:
        folds = ", ".join(map(str, lost))
        raise StoreError(
            f"Nothing in {folder} states which clips fold {folds} has. Name the data set that it was extracted "
            f"from: esc_features repair {folder} DATASET."
        )
    return stored


def _features(store, files: Files, named: dict[str, Feature], trusted: Collection[str]) -> dict[str, Feature]:
    made = {}
    for name, by_fold in files.items():
        try:
            made[name] = stored_feature(by_fold, trusted)
        except ValueError as error:
            if name not in named:
                raise StoreError(
                    f"{name!r} cannot be computed again: {error} Name it with --features {name} if it is a built-in "
                    f"feature, or in a recipe: esc_features repair {store} --recipe RECIPE --trust MODULE."
                ) from error
            made[name] = _same_as_stored(name, named[name], by_fold)
    return made


def _same_as_stored(name: str, feature: Feature, by_fold) -> Feature:
    stored = stored_fingerprints(by_fold)
    if stored and feature.fingerprint() not in stored:
        raise StoreError(
            f"{name!r} is not the feature that the store holds: esc_features explain shows how they "
            "differ. To replace it, run extract_features with --overwrite."
        )
    return feature
