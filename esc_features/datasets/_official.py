"""Official facts about ESC-50 and ESC-10: their clips, folds and licences, and the digests that identify them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._columns import clip_keys, clip_name

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class OfficialDataset:
    """Facts about a published data set.

    Parameters
    ----------
    name : str
        "esc10" or "esc50".
    n_clips, n_categories : int
        Number of clips and of categories.
    folds : tuple of int
        The official folds.
    digest : str
        Digest of the file name, fold and target of every clip; see `official_name`.
    licence : str
        Licence of the recordings: its name and URL.

    Examples
    --------
    >>> from esc_features.datasets import OFFICIAL_DATASETS
    >>> OFFICIAL_DATASETS["esc10"].n_clips
    400
    """

    name: str
    n_clips: int
    n_categories: int
    folds: tuple[int, ...]
    digest: str
    licence: str


_FOLDS = (1, 2, 3, 4, 5)
_BY = "CC BY 3.0, https://creativecommons.org/licenses/by/3.0/"
_BY_NC = "CC BY-NC 3.0, https://creativecommons.org/licenses/by-nc/3.0/"
OFFICIAL_DATASETS = {
    "esc10": OfficialDataset("esc10", 400, 10, _FOLDS, "30fb001153b193f4ddc7d68effb69518", _BY),
    "esc50": OfficialDataset("esc50", 2000, 50, _FOLDS, "a9dbf4053e0dfaa153debc44f8087a91", _BY_NC),
}


def official_name(clips: pd.DataFrame) -> str | None:
    """Return which official data set a clip table is, if it is complete and has the official folds and targets.

    The table is recognised by a digest of the file name, fold and target of every clip, in any order, and not by the
    name of a folder: ESC-50 with other folds, or with a corrected label, is no longer the official data set.

    Parameters
    ----------
    clips : DataFrame
        A clip table, or the `clips` of a store.

    Returns
    -------
    {"esc10", "esc50"} or None
        The name; None if the table is not an official data set.

    Examples
    --------
    >>> from esc_features.datasets import make_demo, official_name
    >>> official_name(make_demo()) is None
    True
    """
    sizes = {official.n_clips for official in OFFICIAL_DATASETS.values()}
    if len(clips) not in sizes or "target" not in clips or "fold" not in clips:
        return None
    digest = _digest(clips)
    return next((name for name, official in OFFICIAL_DATASETS.items() if official.digest == digest), None)


def _digest(clips: pd.DataFrame) -> str:
    names = [clip_name(*key) for key in clip_keys(clips)]
    lines = sorted(
        f"{name}\t{fold}\t{target}\n" for name, fold, target in zip(names, clips["fold"], clips["target"], strict=True)
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:32]
