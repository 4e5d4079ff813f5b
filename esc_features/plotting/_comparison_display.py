"""A figure of paired differences between methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ._style import AxesDisplay

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ComparisonDisplay(AxesDisplay):
    """A matrix of methods: the score of the row minus that of the column, with its interval.

    A cell is coloured if its interval excludes zero; differences in white cells may be noise.

    Parameters
    ----------
    comparisons : pandas.DataFrame
        `method`, `other`, `difference`, `low`, `high`, one row per ordered pair, as `Leaderboard.comparisons` returns
        it.
    is_share : bool, default=True
        Whether the scores are shares from 0 to 1, which are written in percentage points.
    title : str, default=""
        Title of the axes: name the data set and the metric.

    Examples
    --------
    >>> import pandas as pd
    >>> from esc_features.plotting import ComparisonDisplay
    >>> pairs = pd.DataFrame({"method": ["svm", "knn"], "other": ["knn", "svm"], "difference": [0.05, -0.05],
    ...                       "low": [0.01, -0.09], "high": [0.09, -0.01]})
    >>> [text.get_text() for text in ComparisonDisplay(pairs).plot().ax_.texts][0]
    '+5.0\\n1.0 to 9.0'
    """

    def __init__(self, comparisons: pd.DataFrame, *, is_share: bool = True, title: str = ""):
        self.comparisons, self.is_share, self.title = comparisons, is_share, title
        self.methods = list(dict.fromkeys(comparisons["method"]))

    @classmethod
    def from_leaderboard(cls, leaderboard: Any, *, ax: Axes | None = None) -> ComparisonDisplay:
        """Draw the differences between the methods of a leaderboard.

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
        metric = leaderboard.metric
        title = f"{metric.title}, {leaderboard.facts.name}\nrow minus column, with 95 % interval"
        return cls(leaderboard.comparisons(), is_share=metric.is_share, title=title).plot(ax)

    def _size(self) -> tuple[float, float]:
        return 2.6 + 0.95 * len(self.methods), 1.6 + 0.5 * len(self.methods)

    def _draw(self, ax: Axes) -> None:
        side = len(self.methods)
        place = {name: number for number, name in enumerate(self.methods)}
        shown = np.zeros((side, side))
        largest = max(self.comparisons["difference"].abs().max(), 1e-9)
        factor, digits, unit = (100, 1, " (points)") if self.is_share else (1, 3, "")
        for pair in self.comparisons.itertuples():
            row, column = place[pair.method], place[pair.other]
            value, low, high = (factor * number for number in (pair.difference, pair.low, pair.high))
            excludes_zero = low > 0 or high < 0
            if excludes_zero:  # light colours keep black numbers legible, and even the smallest difference is visible
                shown[row, column] = np.sign(value) * (0.15 + 0.35 * abs(pair.difference) / largest)
            text = f"{value:+.{digits}f}\n{low:.{digits}f} to {high:.{digits}f}" if np.isfinite(value) else "–"
            ax.text(column, row, text, ha="center", va="center", fontsize=7, weight="bold" if excludes_zero else None)
        ax.imshow(shown, cmap="PuOr_r", vmin=-1, vmax=1, aspect="auto")
        ax.set_xticks(range(side), self.methods, rotation=35, ha="right", rotation_mode="anchor")
        ax.set_yticks(range(side), self.methods)
        ax.set_title(self.title, fontsize="medium")
        ax.set_xlabel(f"minus this one{unit}\nbold and coloured: the interval excludes 0")
