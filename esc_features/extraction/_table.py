"""How a run changes the clips of a store: as a summary, and in the clip table."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._files import now
from ..datasets import clip_keys
from ..exceptions import StoreError
from ..storage import CLIPS_FILE, find_features, write_clip_table
from ._publish import cannot_write
from ._stored import stored_clips

if TYPE_CHECKING:
    import pandas as pd

    from ..lazy import ClipKey

#: What may change about a clip without its row: how that is called, and the columns.
_OPINIONS = (
    ("relabelled", ("category", "labels")),
    ("moved to another fold", ("fold",)),
    ("of another source", ("src_file", "take")),
)


@dataclass(frozen=True)
class Edit:
    """How the clips of a store change."""

    store: Path
    before: pd.DataFrame | None
    after: pd.DataFrame
    _now: list[ClipKey] = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "_now", clip_keys(self.after))

    @property
    def dataset(self) -> str:
        """The name of the data set, which stays if its folder is renamed."""
        return (self.after if self.before is None else self.before).attrs.get("name", "dataset")

    @cached_property
    def new(self) -> np.ndarray:
        """Mask of the clips that the store did not have."""
        known = set() if self.before is None else set(clip_keys(self.before))
        return np.array([key not in known for key in self._now], bool)

    def summary(self, replaced: np.ndarray) -> str:
        """Return in one line what changes, counting each clip once; "" if nothing does."""
        if self.before is None:
            return ""
        kinds = np.full(len(self.after), "kept", object)
        for kind, columns in reversed(_OPINIONS):
            kinds[self._changed(columns)] = kind
        kinds[replaced] = "of a replaced recording"
        kinds[self.new] = "new"
        gone = len(set(clip_keys(self.before)) - set(self._now))
        order = ("new", "of a replaced recording", *(kind for kind, _ in _OPINIONS), "kept")
        counts = [(int((kinds == kind).sum()), kind) for kind in order] + [(gone, "gone")]
        if counts == [*((0, kind) for kind in order[:-1]), (len(self.after), "kept"), (0, "gone")]:
            return ""
        return ", ".join(f"{count} {kind}" for count, kind in counts if count)

    def _changed(self, columns: tuple[str, ...]) -> np.ndarray:
        assert self.before is not None
        here = [name for name in columns if name in self.before or name in self.after]
        before, after = (table.reindex(columns=here) for table in (self.before, self.after))
        old = dict(zip(clip_keys(self.before), before.itertuples(index=False, name=None), strict=True))
        rows = zip(self._now, after.itertuples(index=False, name=None), strict=True)
        return np.array([key in old and old[key] != row for key, row in rows], bool)

    def write_first(self, replaced: np.ndarray, moving: Collection[ClipKey] = ()) -> None:
        """Write the table before files are published: only the clips with rows in the old files and in the new ones.

        So the store can be opened whenever the run ends, and has nothing in it that is no longer true. `moving` are
        clips whose rows are about to move from one file to another.
        """
        stay = ~self.new & ~replaced & np.array([key not in moving for key in self._now], bool)
        self._write(self.after[stay] if stay.any() else self.after)

    def write_last(self) -> None:
        """Write the table of all clips."""
        self._write(self.after)

    def _write(self, clips: pd.DataFrame) -> None:
        try:
            write_clip_table(self.store, clips, self.dataset, now())
        except OSError as error:
            raise cannot_write(error, self.store / CLIPS_FILE, CLIPS_FILE) from error


def plan_edit(store: Path, clips: pd.DataFrame) -> Edit:
    """Return how the clips of a store change in a run with these clips.

    They become all the clips of the store, unless categories or folds were selected: then the others stay as they are.
    """
    features = find_features(store) if store.is_dir() else []
    before = stored_clips(store, {feature.name: feature.files for feature in features})
    if before is None:
        if clips.attrs.get("chosen") and any(feature.published for feature in features):
            raise StoreError(
                f"{store / CLIPS_FILE} is damaged or missing, so the other clips of the store are unknown. "
                "Nothing was changed: run the same command without --categories and --folds, which writes it again."
            )
        return Edit(store, None, clips)
    if clips.attrs.get("chosen"):
        return Edit(store, before, _with_others(store, before, clips))
    if not set(clip_keys(before)) & set(clip_keys(clips)):
        raise StoreError(
            f"None of the {len(before)} clips of {store} is among these, so it is the store of another data set. "
            "Nothing was changed: choose another folder with --out, or remove this one if it is no longer needed."
        )
    return Edit(store, before, clips)


def _with_others(store: Path, before: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    """Return the clips of a store, the selected ones as they are now, followed by those that are new."""
    import pandas as pd

    if ("labels" in before) != ("labels" in clips):
        raise StoreError(
            f"The clips of {store} have {'several labels' if 'labels' in before else 'one category'} and those of this "
            "table do not: extract the whole table, without --categories and --folds, or into another folder with "
            "--out."
        )
    before, keys = _with_numbers_of(clips, before, store), clip_keys(before)
    chosen = dict(zip(clip_keys(clips), range(len(clips)), strict=True))
    both = pd.concat([before, clips])
    in_place = [len(before) + chosen[key] if key in chosen else row for row, key in enumerate(keys)]
    known = set(keys)
    added = [len(before) + row for key, row in chosen.items() if key not in known]
    both = both.iloc[[*in_place, *added]].reset_index(drop=True)
    both.attrs = before.attrs | clips.attrs
    if "labels" in both:
        used = {label for labels in both["labels"] for label in labels}
        ordered = [*before.attrs.get("categories", ()), *clips.attrs.get("categories", ())]
        both.attrs["categories"] = list(dict.fromkeys([*ordered, *sorted(used)]))
    return both


def _with_numbers_of(clips: pd.DataFrame, before: pd.DataFrame, store: Path) -> pd.DataFrame:
    """Return the clips of a store with the class numbers that their categories have now."""
    if "labels" in before:
        return before
    numbers = dict(zip(clips["category"], clips["target"], strict=True))
    target = before["category"].map(numbers).fillna(before["target"]).astype("int64")
    pairs = {*numbers.items(), *zip(before["category"], target, strict=True)}
    if len({number for _, number in pairs}) < len(pairs):
        raise StoreError(
            f"The categories have other numbers than in {store}, which also has categories that were not selected: "
            "extract the whole table, without --categories and --folds."
        )
    return before.assign(target=target)
