"""A figure of the leaderboard."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._style import BLUE, GREY, VERMILION, AxesDisplay

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class LeaderboardDisplay(AxesDisplay):
    """One row per method: its folds as dots, its mean with its interval, and lines for chance and published results.

    Dots of folds with equal scores are drawn side by side. A method marked "≈" does not differ significantly from the
    best.

    Parameters
    ----------
    scores : mapping of str to array-like of shape (folds,)
        Name of each method, best first -> its score on each fold, in percent if `unit` is "%".
    intervals : mapping of str to (float, float, float), optional
        Name -> mean, low and high end of its interval; by default the mean of the folds, without an interval.
    pretrained : collection of str, default=()
        The methods that were pretrained.
    same_as_best : collection of str, default=()
        The methods that do not differ significantly from the best.
    published : sequence of (str, float), default=()
        Name and score of each published result, as numbered lines.
    chance : float, optional
        Score of guessing, as a dotted line.
    metric : str, default="Accuracy"
        Name of the scores, for the axis label.
    unit : str, default="%"
        Unit of the scores, for the axis label.
    title : str, default=""
        Title of the axes: name the data set.

    Raises
    ------
    ValueError
        If there are no scores.

    Examples
    --------
    >>> from esc_features.plotting import LeaderboardDisplay
    >>> display = LeaderboardDisplay({"svm": [65.0, 70.0], "knn": [60.0, 66.0]}, chance=10, title="ESC-10")
    >>> display.plot().ax_.get_xlabel()
    'Accuracy on the held-out fold (%)'
    """

    def __init__(
        self,
        scores: Mapping[str, Any],
        intervals: Mapping[str, tuple[float, float, float]] | None = None,
        *,
        pretrained: Collection[str] = (),
        same_as_best: Collection[str] = (),
        published: Sequence[tuple[str, float]] = (),
        chance: float | None = None,
        metric: str = "Accuracy",
        unit: str = "%",
        title: str = "",
    ):
        self.scores = {name: np.asarray(values, float) for name, values in scores.items()}
        if not self.scores:
            raise ValueError("There are no scores to show: give those of at least one method.")
        means = {name: (float(values.mean()), np.nan, np.nan) for name, values in self.scores.items()}
        self.intervals = {**means, **(intervals or {})}
        self.pretrained, self.same_as_best, self.published = set(pretrained), set(same_as_best), list(published)
        self.chance = None if chance is None or np.isnan(chance) else chance
        self.metric, self.unit, self.title = metric, unit, title

    @classmethod
    def from_leaderboard(cls, leaderboard: Any, *, ax: Axes | None = None) -> LeaderboardDisplay:
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

        Examples
        --------
        >>> from esc_features import evaluate
        >>> from esc_features.plotting import LeaderboardDisplay
        >>> board = evaluate("stores/demo", ["knn"], out="results", verbose=False)
        >>> list(LeaderboardDisplay.from_leaderboard(board).scores)
        ['knn']
        """
        metric, table, facts = leaderboard.metric, leaderboard.table, leaderboard.facts
        pretrained = ~table["pretraining"].isin(["none", "not stated"])
        ends = metric.factor * table[[metric.name, "low", "high"]]
        title = f"{facts.name}: {facts.clips} clips, {len(facts.categories)} categories"
        display = cls(
            {name: metric.factor * scores.dropna().to_numpy() for name, scores in leaderboard.by_fold.iterrows()},
            dict(zip(table["method"], ends.itertuples(index=False, name=None), strict=True)),
            pretrained=table.loc[pretrained, "method"],
            same_as_best=table.loc[table["same_as_best"], "method"][1:],
            published=[(row.what, row.on(facts.official)) for row in leaderboard.landmarks],
            chance=metric.factor * leaderboard.chance,
            metric=metric.title,
            unit=metric.unit,
            title="\n".join([title, *leaderboard.stamps]),
        )
        return display.plot(ax)

    def _size(self) -> tuple[float, float]:
        return 9, max(3.2, 1.8 + 0.5 * len(self.scores) + 0.2 * len(self.published))

    def _draw(self, ax: Axes) -> None:
        for row, (name, values) in enumerate(self.scores.items()):
            self._draw_method(row, name, values)
        self._draw_lines()
        names = [f"{name} ≈" if name in self.same_as_best else name for name in self.scores]
        ax.set_yticks(range(len(names)), names)
        ax.set_ylim(len(names) - 0.4, -0.7)
        unit = f" ({self.unit})" if self.unit else ""
        ax.set_xlabel(f"{self.metric} on the held-out fold{unit}")
        ax.set_title(self.title, fontsize="medium")
        ax.grid(axis="x", alpha=0.3)
        ax.set_axisbelow(True)
        self._draw_legend()

    def _draw_method(self, row: int, name: str, values: np.ndarray) -> None:
        ax, color = self.ax_, VERMILION if name in self.pretrained else BLUE
        mean, low, high = self.intervals[name]
        ax.plot(values, row + 0.17 + _beside_each_other(values), "o", color=color, alpha=0.5, markersize=5, mew=0)
        if np.isfinite(low):
            ax.plot([low, high], [row - 0.12] * 2, color=color, linewidth=3, alpha=0.45, solid_capstyle="butt")
        ax.plot([mean], [row - 0.12], "|", color=color, markersize=11, markeredgewidth=2.5)
        number = f"{mean:.1f}" if self.unit else f"{mean:.3f}"
        ax.annotate(
            number, (mean, row - 0.12), (0, 6), textcoords="offset points", ha="center", fontsize=9,
            bbox={"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.8},
        )  # fmt: skip

    def _draw_lines(self) -> None:
        height, last = 3, np.inf
        for number, (_, score) in enumerate(self.published, 1):
            height = height + 15 if abs(score - last) < 2.5 else 3  # numbers of close lines are drawn above each other
            last = score
            self.ax_.axvline(score, color=GREY, linestyle="--", linewidth=1)
            self.ax_.annotate(
                str(number), (score, 0), (0, height), xycoords=("data", "axes fraction"), textcoords="offset points",
                ha="center", fontsize=8, color=GREY, bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": GREY},
            )  # fmt: skip
        if self.chance is not None:
            self.ax_.axvline(self.chance, color="black", linestyle=":", linewidth=1.2)

    def _draw_legend(self) -> None:
        from matplotlib.lines import Line2D

        kinds = [(BLUE, "from scratch, or not stated")] * bool(set(self.scores) - self.pretrained)
        kinds += [(VERMILION, "pretrained")] * bool(set(self.scores) & self.pretrained)
        handles = [
            Line2D([], [], marker="o", color=color, alpha=0.6, label=f"{kind}: folds, mean, 95 % interval")
            for color, kind in kinds
        ]
        handles += [Line2D([], [], linestyle=":", color="black", label="chance")] * (self.chance is not None)
        handles += [Line2D([], [], linestyle="", label="≈  not significantly worse")] * bool(self.same_as_best)
        handles += [
            Line2D([], [], linestyle="--", color=GREY, label=_two_lines(f"{number}  {what}: {score:g} (published)"))
            for number, (what, score) in enumerate(self.published, 1)
        ]
        self.figure_.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=8, frameon=False)


def _two_lines(label: str) -> str:
    """Return a label of the legend, wrapped so that two labels fit side by side into the figure."""
    return textwrap.fill(label, 50, subsequent_indent="    ")


def _beside_each_other(values: np.ndarray, step: float = 0.09) -> np.ndarray:
    """Return how far to move each dot, so that equal ones do not hide each other."""
    moved = np.zeros(len(values))
    for value in np.unique(values.round(6)):
        equal = np.flatnonzero(values.round(6) == value)
        moved[equal] = (np.arange(len(equal)) - (len(equal) - 1) / 2) * step
    return moved
