"""What a leaderboard is based on: the data set, how its clips were split, and what a reader must know."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ..datasets import OFFICIAL_DATASETS, official_name
from ..exceptions import SourceLeakWarning
from ..model_selection import FoldSplit
from ..store import Store, StoreAudio
from ._fit import Split, clips_digest
from ._keys import digest_of
from ._result import ResultError


@dataclass(frozen=True)
class Facts:
    """What the results of a leaderboard have in common.

    Parameters
    ----------
    dataset : str
        Name of the data set, as the store has it.
    official : str or None
        "esc10" or "esc50" if these are the clips and categories of the official data set, split by its folds.
    clips, sources : int
        How many clips, and how many recordings they come from.
    categories : tuple of str
        The category names.
    splits : tuple of str
        Names of all splits, evaluated or not.
    protocol : str
        Digest of the clips, their labels and folds, and of how they were split.
    stamps : tuple of str
        What a reader of any table must know.

    Examples
    --------
    >>> from esc_features import evaluate
    >>> board = evaluate("stores/demo", ["knn"], out="results", verbose=False)
    >>> board.facts.clips, board.facts.sources, board.facts.official is None
    (40, 20, True)
    """

    dataset: str
    official: str | None
    clips: int
    sources: int
    categories: tuple[str, ...]
    splits: tuple[str, ...]
    protocol: str
    stamps: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """Name of the data set for titles: the official one, else the store's."""
        return self.official or self.dataset

    def to_json(self) -> bytes:
        """Return the facts as they are stored."""
        return json.dumps({"format": "esc_features leaderboard 1", **asdict(self)}, indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes, where: str) -> Facts:
        """Return stored facts."""
        try:
            read = json.loads(content)
            return cls(
                dataset=str(read["dataset"]),
                official=None if read["official"] is None else str(read["official"]),
                clips=int(read["clips"]),
                sources=int(read["sources"]),
                categories=tuple(map(str, read["categories"])),
                splits=tuple(map(str, read["splits"])),
                protocol=str(read["protocol"]),
                stamps=tuple(map(str, read["stamps"])),
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ResultError(f"{where} is damaged or not a leaderboard: {error!r}. Evaluate again.") from error


def make_splits(store: Store, audio: StoreAudio, cv: Any) -> list[Split]:
    """Return all splits: one per fold of the store, or those of a splitter."""
    if cv is None:
        present = sorted(set(store.folds.tolist()))
        splits = FoldSplit(store.folds).split(audio)
        return [Split(f"fold{fold}", *split) for fold, split in zip(present, splits, strict=True)]
    try:
        made = list(cv.split(audio, audio.y))
    except ValueError:  # it needs groups: the clips of a recording are one group
        made = list(cv.split(audio, audio.y, audio.sources))
    return [Split(f"split{number}", *map(np.asarray, split)) for number, split in enumerate(made, 1)]


def choose_splits(splits: list[Split], folds: Iterable[int] | None, cv: Any) -> list[Split]:
    """Return the splits that leave out these folds; all by default."""
    if folds is None:
        return splits
    if cv is not None:
        raise ValueError("Give folds or cv, not both: a splitter of your own has its own splits.")
    wanted = {f"fold{fold}" for fold in folds}
    unknown = wanted.difference(split.name for split in splits)
    if unknown or not wanted:
        there = ", ".join(split.name.removeprefix("fold") for split in splits)
        raise ValueError(f"The store has no fold {', '.join(sorted(unknown)).replace('fold', '')}. It has {there}.")
    return [split for split in splits if split.name in wanted]


def make_facts(store: Store, audio: StoreAudio, splits: list[Split], cv: Any) -> Facts:
    """Return the facts, and warn if a splitter leaks."""
    official = None if store.y.ndim == 2 else official_name(store.clips)
    stamps = _dataset_stamps(store, official)
    if cv is not None:
        stamps.append(f"NOT THE OFFICIAL SPLIT: {cv!r}")
    if cv is not None or official is None:
        stamps += _leak_stamps(audio.sources, splits, warn=cv is not None)
    every = clips_digest(audio, store.column("audio_digest"))
    rows = [] if cv is None else [part.tobytes() for split in splits for part in (split.train, split.test)]
    return Facts(
        dataset=store.dataset,
        official=official if cv is None else None,
        clips=len(store),
        sources=len(set(audio.sources.tolist())),
        categories=tuple(map(str, store.categories)),
        splits=tuple(split.name for split in splits),
        protocol=digest_of(every, "folds" if cv is None else "splitter", *rows),
        stamps=tuple(stamps),
    )


def _dataset_stamps(store: Store, official: str | None) -> list[str]:
    whole = OFFICIAL_DATASETS.get(store.dataset)
    if official is not None or whole is None:
        return []
    if len(store.categories) < whole.n_categories:
        return [f"SUBSET: {len(store.categories)} of {whole.n_categories} categories"]
    if len(store) < whole.n_clips:
        return [f"SUBSET: {len(store)} of {whole.n_clips} clips"]
    return [f"NOT THE OFFICIAL {store.dataset}: other clips, classes or folds"]


def _leak_stamps(sources: np.ndarray, splits: list[Split], warn: bool) -> list[str]:
    tested = sum(len(split.test) for split in splits)
    leaking = sum(int(np.isin(sources[split.test], sources[split.train]).sum()) for split in splits)
    if not leaking:
        return []
    if warn:
        warnings.warn(
            f"{leaking} of {tested} test clips come from recordings that the training clips come from too: the scores "
            "will be too good. Split by the folds (leave cv out), or keep the clips of one recording together with "
            "cv=GroupKFold(), which gets the recordings as groups.",
            SourceLeakWarning,
            stacklevel=4,
        )
    return [f"LEAK: {leaking} of {tested} test clips come from recordings that training clips come from"]
