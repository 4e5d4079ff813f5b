"""Look at and listen to a store: a web server for this machine only, its page, and sites that open from disk."""

import importlib
from typing import Any

# Looked up on first use: importing the package must not import Starlette, which is of the extra `view`.
_HOME = {"Viewer": "_viewer", "export_site": "_export"}

__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
