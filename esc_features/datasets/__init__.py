"""Clips of a data set: the clip table and its schema, labels, windows, ESC-50, other layouts, a synthesised demo."""

import importlib
from typing import Any

from ._columns import CLIP_COLUMNS, IDENTITY, clip_keys, clip_name, leaves_folder

# Imported on first use: workers need the schema, but not pandas.
_HOME = {
    "ESC50_BIBTEX": "_esc50",
    "ESC50_LICENSE": "_esc50",
    "OFFICIAL_DATASETS": "_official",
    "OfficialDataset": "_official",
    "apply_corrections": "_corrections",
    "assign_folds": "_assign_folds",
    "category_numbers": "_category_numbers",
    "check_clips": "_clips",
    "cut_windows": "_cut_windows",
    "fetch_esc50": "_esc50",
    "fetch_esc50_metadata": "_esc50",
    "find_clips": "_find_clips",
    "label_windows": "_label_windows",
    "load_annotations": "_annotations",
    "load_clips": "_clips",
    "load_soundata": "_load_soundata",
    "make_demo": "_demo",
    "official_name": "_official",
}

__all__ = ["CLIP_COLUMNS", "IDENTITY", "clip_keys", "clip_name", "leaves_folder", *_HOME]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
