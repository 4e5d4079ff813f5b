"""Deployment of trained models: one safe file, predictions over recordings of any length, ONNX."""

import importlib

# Looked up on first use: importing the package must not import torch, pandas or scikit-learn.
_HOME = {
    "ModelCard": "_model_card",
    "read_card": "_model_card",
    "save_model": "_model_file",
    "load_model": "_model_file",
    "predict_windows": "_predict_windows",
    "predict_to_file": "_predict_to_file",
    "PredictionSummary": "_predict_to_file",
    "LiveWindow": "_listen",
    "listen": "_listen",
    "export_onnx": "_export_onnx",
    "merge_detections": "_detections",
    "write_detections": "_detections",
}

__all__ = [*_HOME]


def __getattr__(name):
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
