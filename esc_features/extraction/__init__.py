"""Extraction: what is missing, computed in parallel and written so that a kill loses nothing."""

from ._extract import extract

__all__ = ["extract"]
