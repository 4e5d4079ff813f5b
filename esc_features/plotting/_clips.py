"""Find the clips that a display shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..store import Store, StoreArray

_MOST_OF_A_CATEGORY = 12


def feature_array(store: Store | StoreArray, feature: str) -> StoreArray:
    return store if hasattr(store, "take") else store[feature]  # type: ignore[return-value]


def find_clip(store: Store | StoreArray, feature: str, clip: int | str) -> tuple[StoreArray, int]:
    array = feature_array(store, feature)
    if not isinstance(clip, str):
        return array, clip
    rows = np.flatnonzero(array.filenames == clip)
    if not len(rows):
        advice = "this is a category: give the row of one of its clips" if _has(array, clip).any() else "see .filenames"
        raise ValueError(f"There is no clip {clip!r} in {array!r}; {advice}.")
    return array, int(rows[0])


def find_clips(array: StoreArray, clips: int | str | Sequence[int], random_state: Any) -> StoreArray:
    """Return the part of the array that `BatchDisplay.from_store` is to show."""
    from sklearn.utils import check_random_state

    if isinstance(clips, str):
        of_category = np.flatnonzero(_has(array, clips))
        if not len(of_category):
            there = ", ".join(sorted({label for labels in _labels(array) for label in labels}))
            raise ValueError(f"There is no clip of category {clips!r} in {array!r}. The categories are {there}.")
        shuffled = check_random_state(random_state).permutation(of_category)
        return array[np.sort(shuffled[:_MOST_OF_A_CATEGORY])]
    if isinstance(clips, int | np.integer):
        return array[check_random_state(random_state).permutation(len(array))[:clips]]
    return array[np.asarray(clips)]


def clip_labels(array: StoreArray) -> list[str]:
    """Return the title of each clip: its category, or its labels if clips have several."""
    return [", ".join(labels) or "no label" for labels in _labels(array)]


def clip_title(array: StoreArray, row: int) -> str:
    one = array[[row]]
    return f"{clip_labels(one)[0]} ({one.filenames[0]})"


def parameter_of(array: StoreArray, name: str) -> Any:
    if name in array.parameters:
        return array.parameters[name]
    raise ValueError(
        f"{array!r} does not know its {name}. Give an array of a store, or call the class of the display with the "
        f"numbers and {name}=."
    )


def _labels(array: StoreArray) -> list[tuple[str, ...]]:
    y = np.asarray(array.y)
    if y.ndim == 1:
        return [(str(category),) for category in y]
    return [tuple(labels) for labels in array.clips["labels"]]


def _has(array: StoreArray, category: str) -> np.ndarray:
    return np.array([category in labels for labels in _labels(array)], bool)
