"""The clip table of a store, brought up to date with the clips of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from ..datasets import clip_keys
from ..exceptions import StoreError
from ..storage import CLIPS_FILE, find_files, write_clip_table
from ._publish import cannot_write, now
from ._stored import stored_clips

_OPINIONS = ("fold", "target", "category", "labels", "src_file", "take")


def write_table(store: Path, clips: pd.DataFrame, say: Callable[[str], None]) -> None:
    """Write what the clips of a run are now; clips of folds that the run is not about stay as they are."""
    before = stored_clips(store, find_files(store) if store.is_dir() else {})
    name = clips.attrs.get("name", "dataset")
    if before is not None:
        name = before.attrs["name"]  # a folder that was renamed is no other data set
        clips = _with_other_folds(store, before, clips)
        if changed := _relabelled(before, clips):
            say(f"clips: {changed} relabelled or moved to another fold")
    store.mkdir(parents=True, exist_ok=True)
    try:
        write_clip_table(store, clips, name, now())
    except OSError as error:
        raise cannot_write(error, store / CLIPS_FILE, CLIPS_FILE) from error


def _with_other_folds(store: Path, before: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    if ("labels" in before) != ("labels" in clips):
        raise StoreError(
            f"The clips of {store} have {'several labels' if 'labels' in before else 'one category'} and those of this "
            "table do not: extract them into another folder with --out."
        )
    here, folds = set(clip_keys(clips)), set(clips["fold"].tolist())
    others = [
        key not in here and fold not in folds for key, fold in zip(clip_keys(before), before["fold"], strict=True)
    ]
    both = pd.concat([before[others], clips], ignore_index=True)
    both.attrs = before.attrs | clips.attrs
    if "categories" in before.attrs:
        both.attrs["categories"] = list(
            dict.fromkeys([*before.attrs["categories"], *clips.attrs.get("categories", ())])
        )
        used = {label for labels in both["labels"] for label in labels}
        both.attrs["categories"] += sorted(used - set(both.attrs["categories"]))
    return both


def _relabelled(before: pd.DataFrame, clips: pd.DataFrame) -> int:
    """Return of how many clips something else is said now."""
    columns = [name for name in _OPINIONS if name in before and name in clips]
    said = dict(zip(clip_keys(before), before[columns].itertuples(index=False, name=None), strict=True))
    now_said = zip(clip_keys(clips), clips[columns].itertuples(index=False, name=None), strict=True)
    return sum(key in said and said[key] != row for key, row in now_said)
