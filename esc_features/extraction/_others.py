"""The features of a store that a run was not asked for: whether they and what it computes can be opened together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._suggest import list_some
from ..datasets import clip_keys
from ..exceptions import StoreError
from ..lazy import ClipKey
from ..storage import read_column, stored_keys

if TYPE_CHECKING:
    import pandas as pd

    from ._judge import AudioDigests, Headers


class OtherFeature:
    """The published rows of a feature, whichever class computed them."""

    def __init__(self, name: str, paths: Iterable[Path], headers: Headers):
        self.name = name
        self._digests: dict[ClipKey, set[int]] = {}
        for path in paths:
            try:
                header = headers.of(path)
                keys = stored_keys(header)
                done, digests = (read_column(header, name).tolist() for name in ("done", "audio_digest"))
            except (StoreError, OSError):
                continue
            for key, is_done, digest in zip(keys, done, digests, strict=True):
                if is_done == 1:
                    self._digests.setdefault(key, set()).add(digest)

    def knows(self, clips: pd.DataFrame) -> np.ndarray:
        """Return which clips have a row."""
        return np.array([key in self._digests for key in clip_keys(clips)], bool)

    def compare(self, clips: pd.DataFrame, audio: AudioDigests) -> Comparison:
        """Compare the rows with the current clips and recordings."""
        known = zip(clip_keys(clips), audio.values.tolist(), audio.known.tolist(), strict=True)
        replaced = [is_known and digest not in self._digests.get(key, {digest}) for key, digest, is_known in known]
        names = clips["filename"][np.array(replaced, bool)].unique().tolist()
        return Comparison(self.name, int((~self.knows(clips)).sum()), tuple(names))


@dataclass(frozen=True)
class Comparison:
    """How many of the current clips a feature lacks, and which recordings changed since its rows were computed."""

    name: str
    lacking: int
    replaced: tuple[str, ...]


def refuse_disagreement(others: Iterable[Comparison], asked: Iterable[str], store: Path) -> None:
    """Raise StoreError where a feature that was not asked for is of recordings that have changed.

    A store whose features are of different recordings is refused when it is opened: better before anything is computed.
    """
    old = [other for other in others if other.replaced]
    if not old:
        return
    names = ", ".join(repr(other.name) for other in old)
    recordings = list(dict.fromkeys(name for other in old for name in other.replaced))
    raise StoreError(
        f"{list_some(recordings)} changed since {names} of {store} {'was' if len(old) == 1 else 'were'} "
        f"extracted, and features of one store must be of the same recordings. Nothing was changed: bring all together "
        f"with {_together(old, asked, store)}, or choose another folder with --out."
    )


def lacking_line(others: Iterable[Comparison], asked: Iterable[str], store: Path) -> str:
    """Say which features that were not asked for lack clips; "" where none does."""
    behind = [other for other in others if other.lacking]
    if not behind:
        return ""
    counts = ", ".join(f"{other.name!r} lacks {other.lacking} of the clips" for other in behind)
    return f"{counts}: {_together(behind, asked, store)} brings all together"


def _together(others: list[Comparison], asked: Iterable[str], store: Path) -> str:
    names = sorted({*asked, *(other.name for other in others)})
    return f"extract_features DATASET --features {','.join(names)} --out {store}"
