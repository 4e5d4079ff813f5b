"""Precomputed features of environmental sounds, with a scikit-learn-style API."""

import importlib

__version__ = "0.1.0"

# Imported on first use: importing the package must not import torch, librosa or scikit-learn.
_HOME = {
    "evaluate": "evaluation",
    "extract": "extraction",
    "open_store": "store",
    "Store": "store",
    "StoreArray": "store",
    "save_model": "deployment",
    "load_model": "deployment",
    "cut_windows": "datasets",
    "predict_windows": "deployment",
    "merge_detections": "deployment",
    "fetch_esc50": "datasets",
    "label_windows": "datasets",
    "load_annotations": "datasets",
    "load_clips": "datasets",
    "make_demo": "datasets",
    "Waveform": "features",
    "MelSpectrogram": "features",
    "MFCCStatistics": "features",
}

__all__ = [*_HOME, "__version__"]


def __getattr__(name):
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
