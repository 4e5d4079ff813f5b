"""What a store states about itself: its clips and its features, as far as they are intact."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets import IDENTITY
from ..exceptions import StoreError
from ..storage import (
    CLIPS_FILE,
    FEATURE_1,
    ClipTable,
    ClosedFileError,
    Header,
    check_labels,
    find_features,
    read_column,
    read_header,
    recording_path,
)

if TYPE_CHECKING:
    import pandas as pd

    from ..features import Feature

#: Feature -> fold -> its file: the published one, or else the partial one.
Files = dict[str, dict[int, Path]]


def find_store(store) -> tuple[Path, Files]:
    """Return the folder of a store and its files; raise StoreError if there is none, or a part may not be read."""
    folder = Path(store).resolve()
    features = find_features(folder) if folder.is_dir() else []
    for feature in features:
        if feature.problem:
            raise StoreError(feature.problem)
    files = {feature.name: feature.files for feature in features}
    if not files:
        raise StoreError(f"There is no store at {folder}: make one with extract_features DATASET --out {store}.")
    return folder, files


def stored_clips(store: Path, files: Files, audio: Path | None = None) -> pd.DataFrame | None:
    """Return the clips of a store with the paths of their recordings; None if no file states them.

    `audio` is the folder of the recordings, by default the one that the store names. The clips of a store of format 1
    are those of its files; a fold that no intact file describes is left out, and `lost_folds` names it.
    """
    try:
        return _clips_of(ClipTable(store / CLIPS_FILE), audio)
    except ClosedFileError:
        raise
    except (StoreError, OSError):
        return _clips_in(files, audio)


def _clips_of(table: ClipTable, audio: Path | None) -> pd.DataFrame:
    import pandas as pd

    facts = table.facts
    label = "labels" if facts.several_labels else "category"
    columns: dict = {name: table.column(name) for name in (*IDENTITY, "fold", "target", label, "src_file", "take")}
    if facts.several_labels:
        names = np.array(facts.categories, dtype=object)
        columns["labels"] = [tuple(names[row]) for row in columns["labels"].astype(bool)]
    folder = facts.audio_folder if audio is None else str(audio)
    columns["path"] = [recording_path(path, folder) for path in table.column("path").tolist()]
    clips = pd.DataFrame(columns)
    clips.attrs = {"name": facts.dataset, "folds_by": facts.folds_by}
    if facts.several_labels:
        clips.attrs["categories"] = list(facts.categories)
    return clips


def _clips_in(files: Files, audio: Path | None) -> pd.DataFrame | None:
    import pandas as pd

    tables, names = [], []
    for _, header in sorted(_describing(files).items()):
        assert header.labels is not None
        table = pd.DataFrame({name: read_column(header, name) for name in (*header.layout.given, "start", "end")})
        folder = header.labels.audio_folder if audio is None else str(audio)
        table["path"] = [recording_path(name, folder) for name in table["filename"]]
        tables.append(table)
        names.append(header.labels.dataset)
    if not tables:
        return None
    clips = pd.concat(tables, ignore_index=True)
    clips.attrs["name"] = names[0]
    return clips


def lost_folds(store: Path, files: Files) -> list[int]:
    """Return the folds whose clips and labels nothing in the store states."""
    declared = {fold for by_fold in files.values() for fold in by_fold}
    clips = stored_clips(store, files)
    for header in _headers(files):
        declared.update(() if header.labels is None else header.labels.folds)
    return sorted(declared - (set() if clips is None else set(clips["fold"].tolist())))


def features_of(features: Any, recipe: Any, trusted: Collection[str]) -> dict[str, Feature]:
    """Return the features that the user names, if any."""
    from ..features import make_features

    return {} if features is None and recipe is None else make_features(features, recipe, trusted)


def stored_feature(by_fold: dict[int, Path], trusted: Collection[str] = ()) -> Feature:
    """Rebuild a feature from what most of its files state; raise ValueError if that is impossible."""
    from ..features import fingerprint_of, rebuild_feature

    made: list[tuple[Feature, bool]] = []
    reason: ValueError = StoreError("None of its files can be read.")
    for header in _headers({"": by_fold}):
        description = header.facts.description
        try:
            feature = rebuild_feature(description, trusted)
        except ValueError as error:
            reason = error
            continue
        if tuple(feature.output_shape()) != header.data.shape:
            reason = StoreError("Its parameters and the shape of its rows contradict each other.")
        elif fingerprint_of(description) == header.facts.fingerprint:
            made.append((feature, header.facts.feature == header.path.parent.name))
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
    return {header.facts.fingerprint for header in _headers({"": by_fold})}


def _describing(files: Files) -> dict[int, Header]:
    """Return, for each fold, a file of format 1 whose labels are intact."""
    found: dict[int, Header] = {}
    for header in _headers(files):
        if header.layout is not FEATURE_1:
            continue
        try:
            check_labels(header)
            of_this_fold = (read_column(header, "fold") == header.facts.fold).all()
        except (StoreError, OSError):
            continue
        if of_this_fold:
            found.setdefault(header.facts.fold, header)
    return found


def _headers(files: Files) -> Iterator[Header]:
    for by_fold in files.values():
        for path in by_fold.values():
            try:
                yield read_header(path)
            except (StoreError, OSError):
                continue
