"""A figure of the categories' scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ._style import BLUE, AxesDisplay, method_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class CategoryScoresDisplay(AxesDisplay):
    """One bar per category: the share of its clips that was recognised, with its interval; best first.

    Parameters
    ----------
    recalls : pandas.DataFrame
        `category`, `clips`, `recall`, `low`, `high`, one row per category, as `Leaderboard.recalls` returns it.
    title : str, default=""
        Title of the axes: name the data set and the method.

    Examples
    --------
    >>> import pandas as pd
    >>> from esc_features.plotting import CategoryScoresDisplay
    >>> recalls = pd.DataFrame({"category": ["dog", "rain"], "clips": [40, 40], "recall": [0.7, 0.9],
    ...                         "low": [0.55, 0.8], "high": [0.85, 0.98]})
    >>> [label.get_text() for label in CategoryScoresDisplay(recalls).plot().ax_.get_yticklabels()]
    ['rain', 'dog']
    """

    def __init__(self, recalls: pd.DataFrame, *, title: str = ""):
        self.recalls = recalls.sort_values(["recall", "category"], ascending=[False, True], ignore_index=True)
        self.title = title

    @classmethod
    def from_leaderboard(
        cls, leaderboard: Any, method: str | None = None, *, ax: Axes | None = None
    ) -> CategoryScoresDisplay:
        """Draw the recalls of a method of a leaderboard.

        Parameters
        ----------
        leaderboard : Leaderboard
            What `evaluate` returned.
        method : str, optional
            Name of the method; the best by default.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        CategoryScoresDisplay
        """
        return cls(leaderboard.recalls(method), title=method_title(leaderboard, method)).plot(ax)

    def _size(self) -> tuple[float, float]:
        return 6.5, 1.2 + 0.2 * len(self.recalls)

    def _draw(self, ax: Axes) -> None:
        rows, recall = np.arange(len(self.recalls)), 100 * self.recalls["recall"].to_numpy()
        ends = 100 * self.recalls[["low", "high"]].to_numpy().T
        reach = np.abs(ends - recall) if len(rows) else None
        ax.barh(rows, recall, 0.72, color=BLUE, alpha=0.55, xerr=reach, error_kw={"elinewidth": 1, "ecolor": "black"})
        ax.set_yticks(rows, self.recalls["category"], fontsize=9 if len(rows) <= 20 else 8)
        ax.set(ylim=(len(rows) - 0.4, -0.6), xlim=(0, 100.5), xlabel="Clips recognised (%), with 95 % interval")
        ax.set_title(self.title, fontsize="medium")
        ax.grid(axis="x", alpha=0.3)
        ax.set_axisbelow(True)
