"""Clips as points: nearest neighbours and the map, from a stored feature of one number per column."""

from __future__ import annotations

import functools
import math
import re
import threading
from dataclasses import dataclass

import numpy as np

from ..lazy import as_float32
from ..store import StoreArray, holds_waveforms
from ._collection import Collection

METHODS = ("pca", "tsne", "umap")
# Numbers that are read at a time, so that memory does not grow with the store; most numbers of a clip; and most clips
# that a method is fitted on.
_AT_ONCE = 1 << 22
_WIDEST = 1 << 14
_FITTED = {"pca": 20_000, "tsne": 3000, "umap": 10_000}


@dataclass(frozen=True, eq=False)
class Map:
    """The positions of clips in a plane: their `rows`, and `points` from 0 to 1."""

    rows: np.ndarray
    points: np.ndarray


class Vectors:
    """The vector features of a store.

    Columns are standardised before distances are computed, because features differ in their units.
    """

    def __init__(self, collection: Collection):
        self._arrays = {
            name: array
            for name, array in collection.store.items()
            if len(array.shape) == 2 and 1 < array.shape[1] <= _WIDEST and not holds_waveforms(array)
        }
        self._lock = threading.Lock()
        self._standards = functools.cache(self._standard_of)
        self._maps = functools.cache(self._map_of)

    @property
    def features(self) -> list[str]:
        return list(self._arrays)

    def neighbours(self, row: int, feature: str = "", most: int = 12) -> list[tuple[int, float]]:
        """Return the rows of the nearest clips and their distances, in standard deviations."""
        array = self._array(feature)
        mean, deviation = self._standards(array.feature_name)
        here = (_numbers(array, [row])[0] - mean) / deviation
        distances = np.concatenate([np.linalg.norm((part - mean) / deviation - here, axis=1) for part in _parts(array)])
        distances[row] = np.inf
        nearest = np.argsort(distances, kind="stable")[: min(most, len(array) - 1)]
        return [(int(other), float(distances[other])) for other in nearest if math.isfinite(distances[other])]

    def map(self, feature: str = "", method: str = "pca") -> Map:
        """Return all clips as points, or an even sample of them if they are too many for the method."""
        if method not in METHODS:
            raise ValueError(f"There is no map {method!r}. Use {', '.join(METHODS)}.")
        name = self._array(feature).feature_name
        with self._lock:
            return self._maps(name, method)

    def inside(self, lasso: str) -> np.ndarray:
        """Return the rows within a polygon that was drawn on a map: "mfcc:pca:0.1,0.2;0.3,0.2;..."."""
        feature, _, rest = lasso.partition(":")
        method, _, drawn = rest.partition(":")
        numbers = [pair.split(",") for pair in drawn.split(";")]
        if not 3 <= len(numbers) <= 400 or not all(len(pair) == 2 and _are_numbers(pair) for pair in numbers):
            raise ValueError("A lasso is written FEATURE:METHOD:X,Y;X,Y;X,Y, with three corners or more.")
        shown = self.map(feature, method)
        from matplotlib.path import Path as Polygon

        return shown.rows[Polygon(np.array(numbers, float)).contains_points(shown.points)]

    def _array(self, feature: str) -> StoreArray:
        if not self._arrays:
            raise ValueError(
                "The store has no vector feature, which maps and neighbours need: extract_features ... "
                "--features mfcc adds one."
            )
        name = feature or next(iter(self._arrays))
        if name not in self._arrays:
            raise ValueError(f"There is no vector feature {name!r}; there are {', '.join(self._arrays)}.")
        return self._arrays[name]

    def _standard_of(self, feature: str) -> tuple[np.ndarray, np.ndarray]:
        array = self._arrays[feature]
        total = square = np.zeros(array.shape[1])
        for part in _parts(array):
            total, square = total + part.sum(axis=0, dtype=float), square + np.square(part, dtype=float).sum(axis=0)
        mean = total / len(array)
        deviation = np.sqrt(np.maximum(square / len(array) - mean**2, 0))
        return mean.astype(np.float32), np.where(deviation > 1e-9, deviation, 1).astype(np.float32)

    def _map_of(self, feature: str, method: str) -> Map:
        array = self._arrays[feature]
        if len(array) < 3:
            raise ValueError("A map needs three clips or more.")
        mean, deviation = self._standards(feature)
        fitted = np.unique(np.linspace(0, len(array) - 1, min(len(array), _FITTED[method])).astype(np.int64))
        values = (_numbers(array, fitted) - mean) / deviation
        if method == "pca":
            from sklearn.decomposition import PCA

            pca = PCA(2, random_state=0).fit(values)
            points = np.concatenate([pca.transform((part - mean) / deviation) for part in _parts(array)])
            rows = np.arange(len(array))
        else:
            points, rows = _embedder(method, len(values)).fit_transform(values), fitted
        # A few outliers must not compress all other points.
        low, high = np.percentile(points, [0.5, 99.5], axis=0)
        span = np.where(high > low, high - low, 1)
        points = np.clip((points - low) / span * 0.94 + 0.03, 0.01, 0.99)
        return Map(rows, points.astype(np.float32))


def _parts(array: StoreArray):
    clips = max(1, _AT_ONCE // array.shape[1])
    for start in range(0, len(array), clips):
        yield _numbers(array, range(start, min(len(array), start + clips)))


def _numbers(array: StoreArray, rows) -> np.ndarray:
    return np.nan_to_num(as_float32(array.take(rows)))


def _are_numbers(texts: list[str]) -> bool:
    return all(re.fullmatch(r"\d{1,6}(\.\d{0,9})?", text) for text in texts)


def _embedder(method: str, clips: int):
    if method == "tsne":
        from sklearn.manifold import TSNE

        return TSNE(2, random_state=0, perplexity=min(30.0, (clips - 1) / 3))
    try:
        from umap import UMAP
    except ImportError:
        raise ValueError("UMAP is not installed: pip install umap-learn, or choose pca or tsne.") from None
    return UMAP(random_state=0, n_neighbors=min(15, clips - 1))
