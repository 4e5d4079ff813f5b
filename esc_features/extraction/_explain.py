"""`explain`: why files of a store would be recomputed."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..exceptions import StoreError
from ..storage import check_labels, read_header
from ._judge import parameter_differences
from ._plan import make_plan
from ._stored import Files, features_of, find_store, stored_clips, stored_feature
from ._table import plan_edit

if TYPE_CHECKING:
    import pandas as pd

    from ..features import Feature


def explain(
    store: str | os.PathLike,
    dataset: str | os.PathLike | pd.DataFrame | None = None,
    *,
    features: str | Mapping[str, Any] | None = None,
    recipe: str | os.PathLike | None = None,
    trusted: Collection[str] = (),
) -> pd.DataFrame:
    """Report which files of a store would be recomputed now, and why.

    The reasons name the parameter, clip, recording or library version. This is the plan that `extract` makes, without
    extracting anything. Nothing is changed.

    Parameters
    ----------
    store : path-like
        Folder of the store.
    dataset : path-like or DataFrame, optional
        The clips as they are now, as in `extract`. By default those of the store, with their recordings in the folder
        that the store names.
    features, recipe : optional
        The features as they are wanted now, as in `extract`. By default those of the store whose classes are in
        esc_features or in modules of `trusted`.
    trusted : collection of str, default=()
        Modules or packages whose classes a recipe or the store may name. Importing a module runs its code.

    Returns
    -------
    pandas.DataFrame
        Columns `feature`, `fold`, `state` and `reason`: one row per reason, and one with an empty reason for each file
        that has none. `state` is "fresh" (nothing to do), "drifted" (extracted with other library versions), "edited"
        (other clips or recordings: `extract` computes what is new), "stale" (other parameters, or unreadable:
        `extract` needs `overwrite`), "damaged", "partial" (not finished), "missing", "gone" (its fold is no longer in
        the data set) or "unknown" (its class is not imported, because only the store names it; or the store does not
        state its clips). `attrs["changes"]` says in one line how the clips differ, such as "3 new, 1 relabelled, 396
        kept", and is "" if they do not.

    Raises
    ------
    StoreError
        If there is no store in the folder.

    Examples
    --------
    >>> from esc_features import MelSpectrogram
    >>> from esc_features.extraction import explain
    >>> reasons = explain("stores/demo", features={"mel": MelSpectrogram(n_mels=64)})
    >>> reasons["reason"][0]
    'n_mels is 128 in the store and 64 now'
    """
    import pandas as pd

    folder, files = find_store(store)
    now = read_clips(dataset)
    clips = now if now is not None else stored_clips(folder, files)
    named = features_of(features, recipe, trusted)
    known: dict[str, Feature] = dict(named)
    unknown = [] if named else _rebuild_all(files, known, trusted)
    reasons = list(unknown)
    changes = ""
    if clips is not None:
        edit = plan_edit(folder, clips)
        clips = edit.after
        plan = make_plan(clips, known, folder, n_jobs=1)
        changes = edit.summary(plan.replaced)
        for file in plan.files:
            elsewhere = _elsewhere(files, file.wanted.feature, file.wanted.fold) if file.state == "missing" else ()
            why = [*file.reasons, *elsewhere] or [""]
            reasons += [(file.wanted.name, file.wanted.fold, file.state, reason) for reason in why]
    folds = set() if clips is None else set(clips["fold"].tolist())
    reasons += [
        (name, fold, *_not_of_a_clip(files[name][fold], fold, clips, now))
        for name in known.keys() & files.keys()
        for fold in files[name].keys() - folds
    ]
    table = pd.DataFrame(sorted(reasons, key=lambda row: row[:2]), columns=["feature", "fold", "state", "reason"])
    table.attrs["changes"] = changes
    return table


def read_clips(dataset) -> pd.DataFrame | None:
    """Return the clips of a data set as they are now; None if none is given."""
    from ..datasets import find_clips

    return None if dataset is None else find_clips(dataset)


def _rebuild_all(files: Files, known: dict[str, Feature], trusted: Collection[str]) -> list[tuple[str, int, str, str]]:
    """Add the features of a store to `known`; return a reason for each file of those that cannot be rebuilt."""
    unknown = []
    for name, by_fold in files.items():
        try:
            known[name] = stored_feature(by_fold, trusted)
        except ValueError as error:
            unknown += [(name, fold, "unknown", str(error)) for fold in by_fold]
    return unknown


def _not_of_a_clip(path: Path, fold: int, clips: pd.DataFrame | None, now: pd.DataFrame | None) -> tuple[str, str]:
    """Return the state of a file of a fold that has no clip now, and the reason."""
    if now is None:
        try:
            header = read_header(path)
            check_labels(header)
        except (StoreError, OSError) as error:
            return "stale", str(error)
        if header.labels is not None or header.facts.fold != fold:
            return "stale", "it says that it belongs to another fold"
        if clips is None:
            return "unknown", "nothing in the store states which clips it has: name the data set"
    return "gone", "this fold is no longer in the data set"


def _elsewhere(files: Files, feature: Feature, fold: int) -> list[str]:
    """Return what the store has instead of a file: the same feature under another name, or the most similar one."""
    found = list(_differences_to_others(files, feature, fold))
    same = [name for name, reasons in found if not reasons]
    if same:
        return [f"it is in the store under the name {same[0]!r}"]
    nearest = min(found, key=lambda pair: len(pair[1]), default=None)
    return [] if nearest is None else [f"the most similar is {nearest[0]!r}, where {'; '.join(nearest[1])}"]


def _differences_to_others(files: Files, feature: Feature, fold: int) -> Iterator[tuple[str, list[str]]]:
    wanted = feature.description()
    for name, by_fold in files.items():
        try:
            stored = read_header(by_fold[fold]).facts.description
        except (StoreError, KeyError):
            continue
        if stored["class"] == wanted["class"]:
            yield name, parameter_differences(stored, wanted)
