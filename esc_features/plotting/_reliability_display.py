"""A figure of the calibration of probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._style import BLUE, GREY, AxesDisplay, method_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ReliabilityDisplay(AxesDisplay):
    """How often a method was right at each level of confidence, and how often it had that confidence.

    A calibrated method lies on the diagonal: of the clips that it predicts with 80 % confidence, 80 % are right. Below
    the diagonal, it is overconfident. The number in the title is the expected calibration error: the gap to the
    diagonal, averaged over the clips (Guo et al., "On calibration of modern neural networks", 2017, equation 3).

    Parameters
    ----------
    confidence : array-like of shape (statements,)
        The probability of each statement, 0 to 1.
    right : array-like of shape (statements,)
        Whether it was right.
    bins : int, default=15
        Number of bins of equal width.
    title : str, default=""
        Title of the axes: name the data set and the method.

    Attributes
    ----------
    error_ : float
        The expected calibration error.

    Examples
    --------
    >>> from esc_features.plotting import ReliabilityDisplay
    >>> display = ReliabilityDisplay([0.9, 0.9, 0.6, 0.6], [1, 1, 1, 0], title="convnet on demo").plot()
    >>> round(display.error_, 3)
    0.1
    """

    def __init__(self, confidence: Any, right: Any, *, bins: int = 15, title: str = ""):
        self.confidence, self.right = np.asarray(confidence, float), np.asarray(right, float)
        self.bins, self.title = bins, title
        place = np.clip(np.ceil(self.confidence * bins).astype(int) - 1, 0, bins - 1)
        self.counts = np.bincount(place, minlength=bins)
        with np.errstate(invalid="ignore"):
            self.mean_confidence = np.bincount(place, self.confidence, bins) / self.counts
            self.share_right = np.bincount(place, self.right, bins) / self.counts
        gaps = np.abs(self.share_right - self.mean_confidence)[self.counts > 0]
        self.error_ = float((gaps * self.counts[self.counts > 0]).sum() / max(1, self.counts.sum()))

    @classmethod
    def from_leaderboard(
        cls, leaderboard: Any, method: str | None = None, *, ax: Axes | None = None
    ) -> ReliabilityDisplay:
        """Draw a method of a leaderboard, all its held-out clips and seeds together.

        Parameters
        ----------
        leaderboard : Leaderboard
            What `evaluate` returned.
        method : str, optional
            Name of the method; the best that gives probabilities by default.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        ReliabilityDisplay

        Raises
        ------
        ValueError
            If the method gives no probabilities.
        """
        method, confidence, right = leaderboard.confidences(method)
        return cls(confidence, right, title=method_title(leaderboard, method)).plot(ax)

    def _size(self) -> tuple[float, float]:
        return 5, 4.6

    def _draw(self, ax: Axes) -> None:
        edges = np.linspace(0, 1, self.bins + 1)
        share = self.counts / max(1, self.counts.sum())
        ax.bar(
            edges[:-1], share, 1 / self.bins, align="edge", color=GREY, alpha=0.25, edgecolor="white",
            label="share of the clips",
        )  # fmt: skip
        ax.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="calibrated")
        there = self.counts > 0
        x, y = self.mean_confidence[there], self.share_right[there]
        ax.plot(x, y, "o-", color=BLUE, markersize=4.5, label="right, by confidence")
        ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="Confidence", ylabel="Share that is right")
        ax.set_title(f"{self.title}\nexpected calibration error {100 * self.error_:.1f} %", fontsize="medium")
        ax.legend(loc="upper left", fontsize=8, frameon=False)
