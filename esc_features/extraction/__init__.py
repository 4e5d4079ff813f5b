"""Extraction: what is missing, computed in parallel and written so that a kill loses nothing."""

__all__ = ["extract"]


def __getattr__(name):
    # On first use: neither `extract_features --help` nor a worker needs pandas.
    if name == "extract":
        from ._extract import extract

        return extract
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
