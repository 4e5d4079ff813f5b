"""The leaderboard as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._published import published_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ._leaderboard import Leaderboard

_BLUE, _VERMILION, _GREY = "#0072B2", "#D55E00", "#666666"


class LeaderboardDisplay:
    """Dots for the folds of each method, a bar for its mean, and lines for what was published.

    Parameters
    ----------
    scores : dict of str to array-like
        Accuracy in percent by fold of each method, best first.
    pretrained : set of str
        The methods that were trained on something else before.
    published : list of (str, float)
        Name and accuracy in percent of each published result.
    title : str
        What stands above.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn; after `plot`.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`.

    Examples
    --------
    >>> from esc_features.evaluation import LeaderboardDisplay
    >>> display = LeaderboardDisplay({"svm": [65.0, 70.0], "knn": [60.0, 66.0]}, set(), [("human", 95.7)], "ESC-10")
    >>> display.plot().ax_.get_xlabel()
    'Accuracy on the held-out fold (%)'
    """

    ax_: Axes
    figure_: Figure

    def __init__(self, scores, pretrained, published, title: str):
        self.scores = {name: np.asarray(values, float) for name, values in scores.items()}
        self.pretrained, self.published, self.title = pretrained, published, title

    @classmethod
    def from_leaderboard(cls, leaderboard: Leaderboard, *, ax: Axes | None = None) -> LeaderboardDisplay:
        """Draw a leaderboard.

        Parameters
        ----------
        leaderboard : Leaderboard
            What `evaluate` returned.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        LeaderboardDisplay
        """
        results, facts = leaderboard.results, leaderboard.facts
        by_fold = 100 * results.groupby(["method", "split"])["accuracy"].mean()
        scores = {method: by_fold[method].to_numpy() for method in leaderboard.table["method"]}
        pretrained = set(results.loc[~results["pretraining"].isin(["none", "not stated"]), "method"])
        published = [(what.split(",")[0], accuracy) for what, accuracy, _ in published_rows(facts["dataset"])]
        title = f"{facts['dataset']}, {facts['clips']} clips, {', '.join(facts['splits'])}"
        return cls(scores, pretrained, published, "\n".join([title, *facts["stamps"]])).plot(ax)

    def plot(self, ax: Axes | None = None) -> LeaderboardDisplay:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        self
        """
        import matplotlib.pyplot as plt

        if ax is None:
            height = 1.6 + 0.42 * len(self.scores) + (0.2 * len(self.published))
            ax = plt.subplots(figsize=(9, max(3.5, height)), layout="constrained")[1]
        self.ax_, self.figure_ = ax, ax.figure
        for row, (name, values) in enumerate(self.scores.items()):
            color = _VERMILION if name in self.pretrained else _BLUE
            ax.plot(values, np.full(len(values), row), "o", color=color, alpha=0.55, markersize=6)
            ax.plot([values.mean()], [row], "|", color=color, markersize=20, markeredgewidth=3)
            ax.annotate(
                f"{values.mean():.1f}", (values.mean(), row), (0, 12), textcoords="offset points", ha="center",
                bbox={"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.8},
            )  # fmt: skip
        self._draw_published(ax)
        ax.set_yticks(range(len(self.scores)), list(self.scores))
        ax.set_ylim(len(self.scores) - 0.4, -0.7)
        ax.set_xlim(right=101)
        ax.set(xlabel="Accuracy on the held-out fold (%)", title=self.title)
        ax.grid(axis="x", alpha=0.3)
        self._add_legend(ax)
        return self

    def _draw_published(self, ax: Axes) -> None:
        for number, (_, accuracy) in enumerate(self.published, 1):
            ax.axvline(accuracy, color=_GREY, linestyle="--", linewidth=1)
            ax.annotate(
                str(number), (accuracy, 0), (0, 3), xycoords=("data", "axes fraction"), textcoords="offset points",
                ha="center", fontsize=8, color=_GREY, bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": _GREY},
            )  # fmt: skip

    def _add_legend(self, ax: Axes) -> None:
        from matplotlib.lines import Line2D

        handles = [
            Line2D([], [], marker="o", linestyle="", color=_BLUE, label="a fold (bar: mean), trained from scratch"),
            Line2D([], [], marker="o", linestyle="", color=_VERMILION, label="a fold (bar: mean), pretrained"),
        ][: 2 if self.pretrained else 1]
        handles += [
            Line2D([], [], linestyle="--", color=_GREY, label=f"{number}  {what}, {accuracy:g} % (published)")
            for number, (what, accuracy) in enumerate(self.published, 1)
        ]
        self.figure_.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
