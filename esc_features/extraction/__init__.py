"""Extraction: compute what a store lacks, in parallel and safe from kills; explain, verify and repair stores."""

import importlib

# Looked up on first use: neither `extract_features --help` nor a worker needs pandas.
_HOME = {"extract": "_extract", "explain": "_explain", "verify": "_verify", "repair": "_repair"}

__all__ = [*_HOME]


def __getattr__(name):
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
