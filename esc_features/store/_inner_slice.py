"""Indices beyond the first axis, applied when batches are read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class InnerSlice:
    """Slices within each clip; `X[:, key, ...]` maps it over batches."""

    key: tuple

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        return batch[(slice(None), *self.key)]


def split_key(key: tuple, ndim: int) -> tuple[object, tuple]:
    """Return the part of a key that selects clips, and the part that slices within them, () if it takes all."""
    if any(part is None for part in key):
        raise IndexError(
            "A StoreArray takes no new axis. X.map(lambda batch: batch[:, None]) adds one when it is read."
        )
    if any(part is Ellipsis for part in key):
        place = next(number for number, part in enumerate(key) if part is Ellipsis)
        key = (*key[:place], *[slice(None)] * (ndim - len(key) + 1), *key[place + 1 :])
    if len(key) > ndim or any(part is Ellipsis for part in key):
        raise IndexError(f"The index {key} has more parts than the {ndim} axes of the array.")
    first, *inner = key
    while inner and isinstance(inner[-1], slice) and inner[-1] == slice(None):
        del inner[-1]
    if sum(_is_list(part) for part in key) > 1:
        raise IndexError(
            "Lists and masks on several axes are not supported: select the clips first, X[rows][:, columns]."
        )
    return first, tuple(inner)


def _is_list(part) -> bool:
    return not isinstance(part, slice) and np.ndim(part) > 0
