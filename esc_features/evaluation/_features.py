"""The features that methods start with; those that a store lacks are extracted into it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..exceptions import StoreError
from ..features import Waveform
from ..store import Store, open_store
from ._method import Method
from ._report import plain

if TYPE_CHECKING:
    import pandas as pd

    from ..features import Feature


def with_features(store: Store, methods: Iterable[Method], verbose: bool) -> Store:
    """Return the store with all features that methods start with, extracting missing ones if its recordings are there.

    If they are not, or nothing can be written, pipelines compute the feature from stored waveforms.

    Raises
    ------
    StoreError
        If neither is possible for a feature.
    """
    wanted = {feature.fingerprint(): feature for feature in (method.feature for method in methods)}
    lacking = [feature for feature in wanted.values() if store.audio.precomputed(feature) is None]
    if not lacking:
        return store
    clips = _all_clips(store.path)
    gone = [name for name, path in zip(clips["filename"], clips["path"], strict=True) if not Path(path).is_file()]
    if not gone and os.access(store.path, os.W_OK):
        return _extracted(store, clips, lacking, verbose)
    without = [f for f in lacking if store.audio.precomputed(Waveform.of(f.waveform())) is None]
    if without:
        why = f"{plain(gone[0])} is not in {store.audio_folder} any more" if gone else "it cannot be written to"
        raise StoreError(
            f"{store.path} lacks {', '.join(map(repr, without))}, and {why}. Run extract_features FOLDER --out "
            f"{store.path} with these features, or leave out their methods."
        )
    return store


def _all_clips(path: Path) -> pd.DataFrame:
    """Return the clip table of the whole store in a folder, as `extract` takes it."""
    store = open_store(path)
    clips = store.clips
    clips.attrs = {"name": store.dataset, "folds_by": store.folds_by}
    if store.y.ndim == 2:
        clips.attrs["categories"] = store.categories
    return clips


def _extracted(store: Store, clips: pd.DataFrame, features: list[Feature], verbose: bool) -> Store:
    from ..extraction import extract

    named = {}
    for feature in features:
        taken = feature.name in store or feature.name in named
        named[f"{feature.name}-{feature.fingerprint()[:6]}" if taken else feature.name] = feature
    whole = extract(clips, store.path, features=named, verbose=verbose)
    row = {key: number for number, key in enumerate(whole.audio.clip_keys)}
    return whole[[row[key] for key in store.audio.clip_keys]]
