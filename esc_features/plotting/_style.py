"""What all displays share: colours and axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Distinguishable with all common kinds of colour vision (Okabe and Ito), and of different lightness in print.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#000000"
GREY = "#555555"
COLORMAP = "magma"
# Counts of a confusion matrix stay legible in its cells up to this many categories.
FEW_CATEGORIES = 12


class AxesDisplay:
    """Base class of the displays that draw into one axes.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes drawn into; set by `plot`.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`.
    """

    ax_: Axes
    figure_: Figure

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        self
        """
        self.ax_ = new_axes(ax, self._size())
        self.figure_ = self.ax_.figure  # type: ignore[assignment]
        self._draw(self.ax_)
        return self

    def _size(self) -> tuple[float, float]:
        """Return width and height of a new figure, in inches."""
        raise NotImplementedError

    def _draw(self, ax: Axes) -> None:
        raise NotImplementedError


def new_axes(ax: Axes | None, figsize: tuple[float, float]) -> Axes:
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=figsize, layout="constrained")[1] if ax is None else ax


def method_title(leaderboard: Any, method: str | None) -> str:
    return f"{method or leaderboard.best} on held-out folds of {leaderboard.facts.name}"


def given_axes(ax: Axes | Sequence[Axes] | np.ndarray, wanted: int) -> np.ndarray:
    axes = np.empty(wanted, object)
    given = np.ravel(np.asarray(ax, object))
    if len(given) != wanted:
        raise ValueError(f"{wanted} axes are needed, but {len(given)} were given: without ax, a new figure is made.")
    axes[:] = given
    return axes


def check_dimensions(array: np.ndarray, wanted: int, what: str) -> None:
    if array.ndim != wanted or array.size == 0:
        raise ValueError(f"This display shows {what}, but the array has the shape {array.shape}.")
