"""What the clips of a store were and are: the edit that a run makes, in numbers and in the clip table."""

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

#: What may change about a clip, and how that is called.
_OPINIONS = (
    ("relabelled", ("category", "labels")),
    ("moved to another fold", ("fold",)),
    ("of another source", ("src_file", "take")),
)


@dataclass(frozen=True)
class Edit:
    """What becomes of the clips of a store."""

    store: Path
    before: pd.DataFrame | None
    after: pd.DataFrame
    _now: list[ClipKey] = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "_now", clip_keys(self.after))

    @property
    def dataset(self) -> str:
        """The name of the data set: a folder that was renamed is no other one."""
        return (self.after if self.before is None else self.before).attrs.get("name", "dataset")

    @cached_property
    def new(self) -> np.ndarray:
        """Which clips the store did not have."""
        known = set() if self.before is None else set(clip_keys(self.before))
        return np.array([key not in known for key in self._now], bool)

    def summary(self, replaced: np.ndarray) -> str:
        """Say in one line what changes, each clip counted once; "" where nothing does."""
        if self.before is None:
            return ""
        kinds = np.full(len(self.after), "kept", object)
        for kind, columns in reversed(_OPINIONS):
            kinds[self._said_otherwise(columns)] = kind
        kinds[replaced] = "of a replaced recording"
        kinds[self.new] = "new"
        gone = len(set(clip_keys(self.before)) - set(self._now))
        order = ("new", "of a replaced recording", *(kind for kind, _ in _OPINIONS), "kept")
        counts = [(int((kinds == kind).sum()), kind) for kind in order] + [(gone, "gone")]
        if counts == [*((0, kind) for kind in order[:-1]), (len(self.after), "kept"), (0, "gone")]:
            return ""
        return ", ".join(f"{count} {kind}" for count, kind in counts if count)

    def _said_otherwise(self, columns: tuple[str, ...]) -> np.ndarray:
        assert self.before is not None
        here = [name for name in columns if name in self.before or name in self.after]
        before, after = (table.reindex(columns=here) for table in (self.before, self.after))
        said = dict(zip(clip_keys(self.before), before.itertuples(index=False, name=None), strict=True))
        rows = zip(self._now, after.itertuples(index=False, name=None), strict=True)
        return np.array([key in said and said[key] != row for key, row in rows], bool)

    def write_first(self, replaced: np.ndarray, moving: Collection[ClipKey] = ()) -> None:
        """Write the table before files get their names: clips with rows in the files of before and in those of after.

        Whenever the run ends, the store is one that can be opened, with nothing in it that is no longer true. `moving`
        are clips whose rows go from one file to another right now.
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
    """Return what becomes of the clips of a store where a run is asked for these.

    They are all the clips from then on, unless categories or folds were chosen: then the others stay as they are.
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
            "Nothing was changed: name another folder with --out, or remove this one if it is not needed any more."
        )
    return Edit(store, before, clips)


def _with_others(store: Path, before: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    """Return the clips of a store, those that were chosen as they are now, and what is new of these."""
    import pandas as pd

    if ("labels" in before) != ("labels" in clips):
        raise StoreError(
            f"The clips of {store} have {'several labels' if 'labels' in before else 'one category'} and those of this "
            "table do not: extract all of it, without --categories and --folds, or into another folder with --out."
        )
    before, keys = _with_numbers_of(clips, before, store), clip_keys(before)
    chosen = dict(zip(clip_keys(clips), range(len(clips)), strict=True))
    both = pd.concat([before, clips], ignore_index=True)
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
            f"The categories have other numbers than in {store}, where some are not among those chosen: extract all of "
            "the table, without --categories and --folds."
        )
    return before.assign(target=target)
