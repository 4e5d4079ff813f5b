"""The figures of a leaderboard."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from ..plotting import (
    CategoryScoresDisplay,
    ComparisonDisplay,
    ConfusionDisplay,
    LeaderboardDisplay,
    ReliabilityDisplay,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ._leaderboard import Leaderboard

_MANY_CATEGORIES = 12


def draw_figures(board: Leaderboard) -> dict[str, Figure]:
    """Return name -> figure, of each that these results allow. pyplot forgets them."""
    import matplotlib

    with matplotlib.rc_context({"text.parse_math": False}):  # a dollar sign in a name is no formula
        return _draw(board)


def _draw(board: Leaderboard) -> dict[str, Figure]:
    drawn: dict[str, Figure] = {"leaderboard": LeaderboardDisplay.from_leaderboard(board).figure_}
    if len(board.table) > 1:
        drawn["comparisons"] = ComparisonDisplay.from_leaderboard(board).figure_
    if not board.held_out()[0].has_several_labels:
        drawn["confusion"] = confusion_display(board).figure_
    drawn["categories"] = CategoryScoresDisplay.from_leaderboard(board).figure_
    if board.calibrated_methods:
        drawn["reliability"] = ReliabilityDisplay.from_leaderboard(board).figure_
    for figure in drawn.values():
        _forget(figure)
    return drawn


def _forget(figure: Figure) -> None:
    import matplotlib.pyplot as plt

    plt.close(figure)


def confusion_display(board: Leaderboard, method: str | None = None) -> ConfusionDisplay:
    """Draw the confusions of a method; many categories are put in an order in which confused ones are neighbours."""
    counts, categories = board.confusions(method), np.array(board.facts.categories)
    order = _by_confusion(counts) if len(categories) > _MANY_CATEGORIES else np.arange(len(categories))
    name = board.facts.official or board.facts.dataset
    title = f"{method or board.best} on held-out folds of {name}"
    return ConfusionDisplay({"": counts[np.ix_(order, order)]}, categories[order].tolist(), title=title).plot(named=5)


def _by_confusion(counts: np.ndarray) -> np.ndarray:
    """Return the order of a hierarchical clustering in which what is confused is near."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    distances = 1 - (shares + shares.T) / 2
    np.fill_diagonal(distances, 0)
    return leaves_list(linkage(squareform(distances, checks=False), "average", optimal_ordering=True))


def picture(figure: Figure, name: str, kind: str) -> bytes:
    """Return a figure as "png" or "svg"."""
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else {})
    return buffer.getvalue()
