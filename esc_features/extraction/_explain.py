"""Why files of a store are not what would be extracted now."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..audio import file_digest
from ..exceptions import AudioError, StoreError
from ..storage import PARTIAL, Header, find_files, read_column, read_header
from ._rebuild import features_of, rebuild
from ._staleness import (
    clip_differences,
    feature_differences,
    library_versions,
    parameter_differences,
    version_differences,
)

if TYPE_CHECKING:
    import pandas as pd

    from ..features import Feature


def explain(
    store: str | os.PathLike,
    dataset: str | os.PathLike | pd.DataFrame | None = None,
    *,
    features: str | Mapping[str, Any] | None = None,
    recipe: str | os.PathLike | None = None,
) -> pd.DataFrame:
    """Say of every file of a store whether it is what would be extracted now, and if not, why.

    Which parameter, which clip, which recording or which version of a library: what `extract` decides by, without
    extracting anything. Nothing is changed.

    Parameters
    ----------
    store : path-like
        Folder of the store.
    dataset : path-like or DataFrame, optional
        The clips as they are now: a folder in the layout of ESC-50, or a clip table. Without it, the clips are taken
        as the store has them, and their recordings are looked for in the folder that the store names.
    features, recipe : optional
        As in `extract`: the features as they are wanted now. By default those of the store, as far as they are of
        classes of esc_features.

    Returns
    -------
    pandas.DataFrame
        `feature`, `fold`, `state` and `reason`; a row for each reason, and one without a reason for each file that has
        none. `state` is "fresh" (nothing to do), "drifted" (extracted with other versions of libraries), "stale"
        (other parameters, clips or recordings), "partial" (not finished), "missing" or "unknown".

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

    folder = Path(store).resolve()
    files = find_files(folder) if folder.is_dir() else {}
    if not files:
        raise StoreError(f"There is no store at {folder}: make one with extract_features DATASET --out {store}.")
    clips = _read_clips(dataset)
    wanted: dict[str, Feature | None] = {**features_of(features, recipe)} or dict.fromkeys(files)
    rows = []
    for name, feature in wanted.items():
        for fold in _folds(files, clips):
            in_fold = None if clips is None else clips[clips["fold"] == fold].reset_index(drop=True)
            path = files.get(name, {}).get(fold)
            state, reasons = _look(path, feature, in_fold) if path else ("missing", _elsewhere(files, feature, fold))
            rows += [(name, fold, state, reason) for reason in reasons or [""]]
    return pd.DataFrame(rows, columns=["feature", "fold", "state", "reason"])


def _read_clips(dataset) -> pd.DataFrame | None:
    import pandas as pd

    from ..datasets import load_clips

    return dataset if dataset is None or isinstance(dataset, pd.DataFrame) else load_clips(dataset)


def _folds(files: dict[str, dict[int, Path]], clips: pd.DataFrame | None) -> list[int]:
    if clips is not None:
        return sorted(clips["fold"].unique().tolist())
    return sorted({fold for by_fold in files.values() for fold in by_fold})


def _look(path: Path, feature: Feature | None, clips: pd.DataFrame | None) -> tuple[str, list[str]]:
    """Return the state of a file and the reasons for it."""
    try:
        header = read_header(path)
        if feature is None:
            feature = rebuild(header.attributes["description"])
    except StoreError as error:
        return ("unknown" if path.exists() and _is_readable(path) else "stale"), [str(error)]
    reasons = feature_differences(header, feature)
    reasons += _clip_reasons(header, clips)
    drift = version_differences(header.attributes["versions"], library_versions(feature))
    if reasons:
        return "stale", reasons + drift
    if path.suffix == PARTIAL:
        done = int(read_column(header, "done").astype(bool).sum())
        return ("stale" if drift else "partial"), [f"{done} of {len(header)} clips are done", *drift]
    return ("drifted" if drift else "fresh"), drift


def _is_readable(path: Path) -> bool:
    try:
        read_header(path)
    except StoreError:
        return False
    return True


def _clip_reasons(header: Header, clips: pd.DataFrame | None) -> list[str]:
    if clips is not None:
        return clip_differences(header, clips, _digests(clips["path"]))
    import pandas as pd

    columns = ("filename", "fold", "target", "category", "src_file", "take")
    clips = pd.DataFrame({name: read_column(header, name) for name in columns})
    folder = Path(header.attributes["audio_folder"])
    # A name that leads out of the folder comes from no table that we read.
    inside = [not Path(name).is_absolute() and ".." not in Path(name).parts for name in clips["filename"]]
    paths = [folder / name if good else None for name, good in zip(clips["filename"], inside, strict=True)]
    return clip_differences(header, clips, _digests(paths))


def _digests(paths) -> np.ndarray:
    """Return the digests of recordings, 0 for those that are not there."""

    def digest(path) -> int:
        try:
            return file_digest(path) if path is not None else 0
        except AudioError:
            return 0

    return np.array([digest(path) for path in paths], np.uint64)


def _elsewhere(files: dict[str, dict[int, Path]], feature: Feature | None, fold: int) -> list[str]:
    """Return what the store has instead of a file: the same feature under another name, or the most similar one."""
    if feature is None:
        return []
    found = list(_differences_to_others(files, feature, fold))
    same = [name for name, reasons in found if not reasons]
    if same:
        return [f"it is in the store under the name {same[0]!r}"]
    nearest = min(found, key=lambda pair: len(pair[1]), default=None)
    return [] if nearest is None else [f"the most similar is {nearest[0]!r}, where {'; '.join(nearest[1])}"]


def _differences_to_others(files, feature: Feature, fold: int) -> Iterator[tuple[str, list[str]]]:
    wanted = feature.description()
    for name, by_fold in files.items():
        try:
            stored = read_header(by_fold[fold]).attributes["description"]
        except (StoreError, KeyError):
            continue
        if stored["class"] == wanted["class"]:
            yield name, parameter_differences(stored, wanted)
