"""A figure of the scores of folds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._style import BLUE, GREY, VERMILION, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class FoldScoresDisplay:
    """The scores on each fold, of one or several estimators, with their mean and standard deviation.

    Five folds are few, and they differ: a mean without its folds hides more than it shows. It is made by `from_scores`
    or `from_cross_validate`. The standard deviation is that of the folds shown, as ``numpy.std`` computes it.

    Parameters
    ----------
    scores : mapping of str to array-like of shape (folds,)
        Name of each estimator -> its scores. NaN stands for a fold that was not run, and is left out.
    folds : sequence, optional
        Name of each fold; 1, 2, ... by default.
    metric : str, default="Accuracy"
        Name of the scores, for the axis label.
    title : str, optional
        Title of the axes: name the data set.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes drawn into; set by `plot`.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`.

    Raises
    ------
    ValueError
        If there are no scores, or an estimator does not have one score per fold.

    Examples
    --------
    >>> from esc_features.plotting import FoldScoresDisplay
    >>> scores = {"k-NN": [0.575, 0.725, 0.663, 0.725, 0.638], "SVM": [0.6, 0.75, 0.65, 0.75, 0.638]}
    >>> display = FoldScoresDisplay.from_scores(scores, chance=0.1)
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['k-NN', 'SVM']
    """

    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        scores: Mapping[str, Any],
        folds: Iterable | None = None,
        *,
        metric: str = "Accuracy",
        title: str | None = None,
    ):
        self.scores = {name: np.asarray(values, float) for name, values in scores.items()}
        if not self.scores:
            raise ValueError("There are no scores to show: give the scores of at least one estimator.")
        lengths = {values.shape for values in self.scores.values()}
        count = max(len(values) if values.ndim else 0 for values in self.scores.values())
        self.folds = list(range(1, count + 1)) if folds is None else list(folds)
        if lengths != {(len(self.folds),)} or not self.folds:
            shapes = {name: values.shape for name, values in self.scores.items()}
            raise ValueError(
                f"Each estimator needs one score per fold ({len(self.folds)} folds); their shapes are {shapes}."
            )
        self.metric = metric
        self.title = title

    @classmethod
    def from_scores(
        cls,
        scores: Mapping[str, Any] | Sequence[float] | np.ndarray,
        folds: Iterable | None = None,
        *,
        metric: str = "Accuracy",
        title: str | None = None,
        ax: Axes | None = None,
        chance: float | None = None,
    ) -> FoldScoresDisplay:
        """Draw what ``cross_val_score`` returned.

        Parameters
        ----------
        scores : mapping of str to array-like, or array-like of shape (folds,)
            Name of each estimator -> its scores; or the scores of a single one.
        folds : sequence, optional
            Name of each fold; 1, 2, ... by default.
        metric : str, default="Accuracy"
            Name of the scores, for the axis label.
        title : str, optional
            Title of the axes: name the data set.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        chance : float, optional
            Score of guessing, drawn as a dotted line.

        Returns
        -------
        FoldScoresDisplay
        """
        if not isinstance(scores, Mapping):
            scores = {"": scores}
        return cls(scores, folds, metric=metric, title=title).plot(ax, chance=chance)

    @classmethod
    def from_cross_validate(
        cls,
        results: Mapping[str, Any],
        folds: Iterable | None = None,
        *,
        key: str = "test_score",
        metric: str = "Accuracy",
        title: str | None = None,
        ax: Axes | None = None,
        chance: float | None = None,
    ) -> FoldScoresDisplay:
        """Draw what ``cross_validate`` returned.

        Parameters
        ----------
        results : mapping
            Name of each estimator -> what ``cross_validate`` returned for it; or what it returned for a single one.
        folds : sequence, optional
            As in `from_scores`.
        key : str, default="test_score"
            Which of its scores to draw, such as "train_score" or "test_balanced_accuracy".
        metric, title, ax, chance : optional
            As in `from_scores`.

        Returns
        -------
        FoldScoresDisplay

        Raises
        ------
        ValueError
            If a result has no such scores.

        Examples
        --------
        >>> from esc_features.plotting import FoldScoresDisplay
        >>> result = {"fit_time": [1.0, 1.1], "score_time": [0.1, 0.1], "test_score": [0.8, 0.9]}
        >>> FoldScoresDisplay.from_cross_validate({"forest": result}).scores
        {'forest': array([0.8, 0.9])}
        """
        if "fit_time" in results:
            results = {"": results}
        for name, result in results.items():
            if key not in result:
                raise ValueError(f"The result of {name or 'the estimator'} has no {key!r}; it has {', '.join(result)}.")
        scores = {name: result[key] for name, result in results.items()}
        return cls(scores, folds, metric=metric, title=title).plot(ax, chance=chance)

    def plot(self, ax: Axes | None = None, *, chance: float | None = None) -> FoldScoresDisplay:
        """Draw one row per estimator: folds as numbered dots, the mean as a line, ± one standard deviation as a bar.

        Parameters
        ----------
        ax, chance : optional
            As in `from_scores`.

        Returns
        -------
        self
        """
        longest = max(len(name) for name in self.scores)
        self.ax_ = new_axes(ax, figsize=(6.5 + 0.06 * longest, 1.3 + 0.85 * len(self.scores)))
        self.figure_ = self.ax_.figure
        offsets = np.linspace(-0.3, 0.3, len(self.folds)) if len(self.folds) > 1 else [0.0]
        for row, scores in enumerate(self.scores.values()):
            mean, deviation = np.nanmean(scores), np.nanstd(scores)
            self.ax_.barh(row, 2 * deviation, 0.86, mean - deviation, color=BLUE, alpha=0.15, linewidth=0)
            self.ax_.plot([mean, mean], [row - 0.43, row + 0.43], color=BLUE, linewidth=2.5)
            self.ax_.scatter(scores, row + np.asarray(offsets), s=95, color="white", edgecolors=GREY, zorder=3)
            for fold, score, offset in zip(self.folds, scores, offsets, strict=True):
                if np.isfinite(score):
                    place = (score, row + offset)
                    self.ax_.annotate(
                        str(fold), place, ha="center", va="center_baseline", fontsize=7, color="black", zorder=4
                    )
            self.ax_.annotate(
                f"{mean:.3f} ± {deviation:.3f}",
                (1.02, row),
                xycoords=("axes fraction", "data"),
                va="center",
                annotation_clip=False,
            )
        if chance is not None:
            self.ax_.axvline(chance, color=VERMILION, linestyle=":", linewidth=1.5)
            self.ax_.annotate(
                "chance",
                (chance, 1),
                (3, -4),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                color=VERMILION,
                rotation=90,
                va="top",
                fontsize=8,
            )
        self.ax_.set_yticks(range(len(self.scores)), labels=list(self.scores))
        self.ax_.set(xlabel=self.metric, ylim=(len(self.scores) - 0.45, -0.55))
        self.ax_.tick_params("y", length=0)
        self.ax_.grid(axis="x", alpha=0.3)
        self.ax_.set_axisbelow(True)
        key = "Dots: folds. Line and bar: mean ± standard deviation."
        self.ax_.set_title("\n".join(filter(None, [self.title, key])), fontsize="small", loc="left")
        return self
