"""The features of a store that were not requested: whether they can be opened together with what a run computes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .._suggest import list_some
from ..exceptions import StoreError

if TYPE_CHECKING:
    import pandas as pd

    from ._judge import AudioDigests, RowsOfFeature


@dataclass(frozen=True)
class Comparison:
    """How many of the current clips a feature lacks, and which recordings changed since its rows were computed."""

    name: str
    lacking: int
    replaced: tuple[str, ...]

    @classmethod
    def of(cls, name: str, rows: RowsOfFeature, clips: pd.DataFrame, audio: AudioDigests) -> Comparison:
        """Compare the rows of a feature with the current clips and recordings."""
        replaced = clips["filename"][rows.replaced(clips, audio)].unique().tolist()
        return cls(name, int((~rows.knows(clips)).sum()), tuple(replaced))


def refuse_disagreement(others: Iterable[Comparison], asked: Iterable[str], store: Path) -> None:
    """Raise StoreError if recordings of a feature that was not requested have changed.

    A store whose features come from different recordings cannot be opened, so this is checked before anything is
    computed.
    """
    old = [other for other in others if other.replaced]
    if not old:
        return
    names = ", ".join(repr(other.name) for other in old)
    recordings = list(dict.fromkeys(name for other in old for name in other.replaced))
    raise StoreError(
        f"{list_some(recordings)} changed since {names} of {store} {'was' if len(old) == 1 else 'were'} "
        f"extracted, and all features of a store must be of the same recordings. Nothing was changed: update all of "
        f"them with {_together(old, asked, store)}, or choose another folder with --out."
    )


def lacking_line(others: Iterable[Comparison], asked: Iterable[str], store: Path) -> str:
    """Return which of the features that were not requested lack clips; "" if none does."""
    behind = [other for other in others if other.lacking]
    if not behind:
        return ""
    counts = ", ".join(f"{other.name!r} lacks {other.lacking} of the clips" for other in behind)
    return f"{counts}: {_together(behind, asked, store)} updates all features"


def _together(others: list[Comparison], asked: Iterable[str], store: Path) -> str:
    names = sorted({*asked, *(other.name for other in others)})
    return f"extract_features DATASET --features {','.join(names)} --out {store}"
