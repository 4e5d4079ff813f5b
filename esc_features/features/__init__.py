"""Features: scikit-learn transformers that turn each clip into an array."""

import importlib

from ._registry import FEATURES as _FEATURES

# Public name -> module, imported on first use.
_HOME = {
    "Feature": "_base",
    **{kind: module for kind, (module, _) in _FEATURES.items()},
    "FEATURE_NAMES": "_registry",
    "as_feature": "_transformer_feature",
    "feature_class": "_registry",
    "fingerprint_of": "_description",
    "make_features": "_recipe",
    "mel_filterbank": "_spectra",
    "rebuild_feature": "_rebuild",
}

__all__ = [*_HOME]


def __getattr__(name):
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
