"""The figures of a leaderboard."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from .._suggest import did_you_mean
from ..plotting import (
    CategoryScoresDisplay,
    ComparisonDisplay,
    ConfusionDisplay,
    LeaderboardDisplay,
    ReliabilityDisplay,
)
from ._held_out import HeldOut

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ._leaderboard import Leaderboard


def draw_figures(board: Leaderboard) -> dict[str, Figure]:
    """Return name -> figure for each figure that these results allow; pyplot does not keep them."""
    import matplotlib
    import matplotlib.pyplot as plt

    displays: dict[str, Any] = {"leaderboard": LeaderboardDisplay}
    if len(board.table) > 1:
        displays["comparisons"] = ComparisonDisplay
    if not board.held_out()[0].has_several_labels:
        displays["confusion"] = ConfusionDisplay
    displays["categories"] = CategoryScoresDisplay
    if board.calibrated_methods:
        displays["reliability"] = ReliabilityDisplay
    # The first figure starts the backend; that of a notebook then turns on interactive mode. Not inside the context,
    # which would turn it off again, and the notebook would no longer show figures.
    plt.close(plt.figure())
    with matplotlib.rc_context({"text.parse_math": False}):  # a dollar sign in a name does not begin a formula
        drawn = {name: display.from_leaderboard(board).figure_ for name, display in displays.items()}
    for figure in drawn.values():
        plt.close(figure)
    return drawn


def draw_roc(board: Leaderboard, category: str, ax: Axes | None) -> Axes:
    """Draw the ROC curve of one category against all others for each method that scores categories."""
    from sklearn.metrics import RocCurveDisplay

    if category not in board.facts.categories:
        raise ValueError(f"There is no category {category!r}.{did_you_mean(category, board.facts.categories)}")
    number = board.facts.categories.index(category)
    for name in board.table["method"]:
        held = HeldOut.concatenate(board.held_out(name))
        if held.offers("scores"):
            true, scores = held.true_matrix[:, number], held.scores[:, number]
            last = RocCurveDisplay.from_predictions(true, scores, name=name, ax=ax, plot_chance_level=ax is None)
            ax = last.ax_
    if ax is None:
        raise ValueError("No method here gives scores of the categories, which a ROC curve needs.")
    ax.set_title(f"{category} against all others on held-out folds of {board.facts.name}")
    return ax


def picture(figure: Figure, name: str, kind: str) -> bytes:
    """Return a figure as "png" or "svg"."""
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else {})
    return buffer.getvalue()
