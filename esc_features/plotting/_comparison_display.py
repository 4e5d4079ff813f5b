"""Paired differences between methods as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ._style import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class ComparisonDisplay:
    """A matrix of methods: by how much that of the row is above that of the column, with its interval.

    A cell is coloured where the interval leaves out zero, so that what is left white may be luck.

    Parameters
    ----------
    comparisons : pandas.DataFrame
        `method`, `other`, `difference`, `low`, `high`, one row per ordered pair, as `Leaderboard.comparisons` has it.
    unit : str, default="points"
        Of the numbers, in the label of the colours.
    factor : float, default=100
        What the differences are multiplied by; 100 makes percentage points of shares.
    title : str, default=""
        Written above: name the data set and the metric.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn; after `plot`.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`.

    Examples
    --------
    >>> import pandas as pd
    >>> from esc_features.plotting import ComparisonDisplay
    >>> pairs = pd.DataFrame({"method": ["svm", "knn"], "other": ["knn", "svm"], "difference": [0.05, -0.05],
    ...                       "low": [0.01, -0.09], "high": [0.09, -0.01]})
    >>> [text.get_text() for text in ComparisonDisplay(pairs).plot().ax_.texts][0]
    '+5.0\\n1.0 to 9.0'
    """

    ax_: Axes
    figure_: Figure

    def __init__(self, comparisons: pd.DataFrame, *, unit: str = "points", factor: float = 100, title: str = ""):
        self.comparisons, self.unit, self.factor, self.title = comparisons, unit, factor, title
        self.methods = list(dict.fromkeys(comparisons["method"]))

    @classmethod
    def from_leaderboard(cls, leaderboard: Any, *, ax: Axes | None = None) -> ComparisonDisplay:
        """Draw the differences of a leaderboard.

        Parameters
        ----------
        leaderboard : Leaderboard
            What `evaluate` returned.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        ComparisonDisplay
        """
        metric, facts = leaderboard.metric, leaderboard.facts
        unit, factor = ("points", 100) if metric.is_share else ("", 1)
        title = f"{metric.title}, {facts.official or facts.dataset}: row less column, 95 % intervals"
        return cls(leaderboard.comparisons(), unit=unit, factor=factor, title=title).plot(ax)

    def plot(self, ax: Axes | None = None, *, cmap: str = "PuOr_r") -> ComparisonDisplay:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        cmap : str, default="PuOr_r"
            Colours of the differences that are told apart from zero.

        Returns
        -------
        self
        """
        side = len(self.methods)
        self.ax_ = ax = new_axes(ax, (2.6 + 0.95 * side, 1.6 + 0.5 * side))
        self.figure_ = ax.figure  # type: ignore[assignment]
        place = {name: number for number, name in enumerate(self.methods)}
        shown = np.zeros((side, side))
        digits = 1 if self.factor == 100 else 3
        for pair in self.comparisons.itertuples():
            row, column = place[pair.method], place[pair.other]
            value, low, high = (self.factor * number for number in (pair.difference, pair.low, pair.high))
            told_apart = low > 0 or high < 0
            shown[row, column] = value if told_apart else 0
            text = f"{value:+.{digits}f}\n{low:.{digits}f} to {high:.{digits}f}" if np.isfinite(value) else "–"
            ax.text(column, row, text, ha="center", va="center", fontsize=7, weight="bold" if told_apart else None)
        most = max(np.abs(shown).max(), 1e-9) * 2.2  # light colours, under black numbers
        ax.imshow(shown, cmap=cmap, vmin=-most, vmax=most, aspect="auto")
        ax.set_xticks(range(side), self.methods, rotation=35, ha="right", rotation_mode="anchor")
        ax.set_yticks(range(side), self.methods)
        ax.set_title(self.title, fontsize="medium")
        unit = f" ({self.unit})" if self.unit else ""
        ax.set_xlabel(f"less this one{unit}; bold and coloured: the interval leaves out 0")
        return self
