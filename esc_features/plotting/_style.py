"""What all displays share: colours and axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Told apart by all common kinds of colour vision (Okabe and Ito), and of different lightness in print.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#000000"
GREY = "#555555"
COLORMAP = "magma"
# Counts of a confusion matrix stay legible in its cells up to this many categories.
FEW_CATEGORIES = 12


def new_axes(ax: Axes | None, figsize: tuple[float, float]) -> Axes:
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=figsize, layout="constrained")[1] if ax is None else ax


def given_axes(ax: Axes | Sequence[Axes] | np.ndarray, wanted: int) -> np.ndarray:
    axes = np.empty(wanted, object)
    given = np.ravel(np.asarray(ax, object))
    if len(given) != wanted:
        raise ValueError(f"{wanted} axes are needed, {len(given)} were given; without ax a new figure is made.")
    axes[:] = given
    return axes


def check_dimensions(array: np.ndarray, wanted: int, what: str) -> None:
    if array.ndim != wanted or array.size == 0:
        raise ValueError(f"This shows {what}; it was given an array of shape {array.shape}.")
