"""What a store says about itself: its clips and its features, as far as they can be believed."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets import leaves_folder
from ..exceptions import StoreError
from ..storage import Header, check_labels, find_files, read_column, read_header

if TYPE_CHECKING:
    import pandas as pd

    from ..features import Feature

Files = dict[str, dict[int, Path]]
_COLUMNS = ("filename", "fold", "target", "category", "src_file", "take")


def find_store(store) -> tuple[Path, Files]:
    """Return the folder of a store and its files, or raise StoreError where there is none."""
    folder = Path(store).resolve()
    files = find_files(folder) if folder.is_dir() else {}
    if not files:
        raise StoreError(f"There is no store at {folder}: make one with extract_features DATASET --out {store}.")
    return folder, files


def stored_clips(files: Files, audio: Path | None = None) -> pd.DataFrame | None:
    """Return the clips of a store with the paths of their recordings; None where no file says them.

    `audio` is the folder of the recordings, by default the one that the store names. A fold that no file describes
    reliably is left out: `lost_folds` names it.
    """
    import pandas as pd

    tables = []
    for _, header in sorted(_describing(files).items()):
        table = pd.DataFrame({name: read_column(header, name) for name in _COLUMNS})
        folder = audio if audio is not None else Path(header.attributes["audio_folder"])
        table["start"], table["end"] = 0.0, math.inf
        table["path"] = [_path(folder, name) for name in table["filename"]]
        tables.append(table)
        table.attrs["name"] = header.attributes["dataset"]
    if not tables:
        return None
    clips = pd.concat(tables, ignore_index=True)
    clips.attrs["name"] = tables[0].attrs["name"]
    return clips


def lost_folds(files: Files) -> list[int]:
    """Return the folds whose clips and labels no file of the store tells."""
    declared = {fold for by_fold in files.values() for fold in by_fold}
    for header in _headers(files):
        declared.update(header.attributes["folds"])
    return sorted(declared - _describing(files).keys())


def features_of(features: Any, recipe: Any, trusted: Collection[str]) -> dict[str, Feature]:
    """Return the features that the user names, none where nothing is named."""
    from ..features import make_features

    return {} if features is None and recipe is None else make_features(features, recipe, trusted)


def dataset_name(files: Files, clips: pd.DataFrame) -> str:
    """Return the name of the data set of a store: the one that it has, as a renamed folder is no other data set."""
    name = next((header.attributes["dataset"] for header in _headers(files)), None)
    return name if name is not None else clips.attrs.get("name", "dataset")


def stored_feature(by_fold: dict[int, Path], trusted: Collection[str] = ()) -> Feature:
    """Make a feature of what most of its files say; ValueError where none can be made."""
    from ..features import fingerprint_of, rebuild_feature

    made: list[tuple[Feature, bool]] = []
    reason: ValueError = StoreError("No file of it can be read.")
    for header in _headers({"": by_fold}):
        description = header.attributes["description"]
        try:
            feature = rebuild_feature(description, trusted)
        except ValueError as error:
            reason = error
            continue
        if fingerprint_of(description) == header.attributes["fingerprint"]:
            made.append((feature, header.attributes["feature"] == header.path.parent.name))
        else:
            reason = StoreError("Its parameters and its fingerprint contradict each other.")
    if not made:
        raise reason
    fingerprints = [feature.fingerprint() for feature, _ in made]
    # A file of another feature may have been put here; a folder may have been renamed as a whole.
    best = max(made, key=lambda pair: (pair[1], fingerprints.count(pair[0].fingerprint())))
    return best[0]


def stored_fingerprints(by_fold: dict[int, Path]) -> set[str]:
    """Return the fingerprints that the files of a feature state."""
    return {header.attributes["fingerprint"] for header in _headers({"": by_fold})}


def _describing(files: Files) -> dict[int, Header]:
    """Return for each fold a file whose labels are what was written."""
    found: dict[int, Header] = {}
    for header in _headers(files):
        fold = header.attributes["fold"]
        try:
            check_labels(header)
            of_this_fold = (read_column(header, "fold") == fold).all()
        except (StoreError, OSError):
            continue
        if of_this_fold:
            found.setdefault(fold, header)
    return found


def _headers(files: Files) -> Iterator[Header]:
    for by_fold in files.values():
        for path in by_fold.values():
            try:
                yield read_header(path)
            except (StoreError, OSError):
                continue


def _path(folder: Path, name: str) -> str:
    # A name that leads out of the folder comes from no table that we read.
    return "" if leaves_folder(name) else str(folder / name)
