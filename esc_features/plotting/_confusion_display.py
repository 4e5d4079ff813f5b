"""A figure of confusion matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._style import FEW_CATEGORIES, given_axes, method_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class ConfusionDisplay:
    """Confusion matrices side by side, such as those of the training clips and of the held-out ones.

    The pair shows at a glance what a model memorised and what it learnt. A cell counts the clips of a category (row)
    that were predicted as a category (column); its colour is their share of the row, so that rare categories are as
    visible as frequent ones. With up to twelve categories, the counts are written into the cells. For a single matrix,
    scikit-learn's ``ConfusionMatrixDisplay`` serves as well.

    Parameters
    ----------
    matrices : mapping of str to array-like of shape (categories, categories)
        Name of each matrix -> its counts, true categories in rows.
    categories : sequence of str
        Names of the rows and columns.
    title : str, optional
        Title of the figure: name the data set and the model.

    Attributes
    ----------
    ax_ : ndarray of matplotlib.axes.Axes
        One per matrix; set by `plot`.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`.

    Raises
    ------
    ValueError
        If a matrix does not have one row and one column per category.

    Examples
    --------
    >>> from esc_features.plotting import ConfusionDisplay
    >>> matrices = {"training": [[8, 0], [0, 8]], "held out": [[3, 1], [2, 2]]}
    >>> display = ConfusionDisplay(matrices, ["cow", "dog"], title="ConvNet on demo").plot()
    >>> [ax.get_title() for ax in display.ax_]
    ['training: 100 % accuracy (16 clips)', 'held out: 62 % accuracy (8 clips)']
    """

    ax_: np.ndarray
    figure_: Figure

    def __init__(self, matrices: Mapping[str, Any], categories: Sequence[str], *, title: str | None = None):
        self.categories = [str(category) for category in categories]
        self.matrices = {name: np.asarray(matrix) for name, matrix in matrices.items()}
        side = len(self.categories)
        if not self.matrices or any(matrix.shape != (side, side) for matrix in self.matrices.values()):
            shapes = {name: matrix.shape for name, matrix in self.matrices.items()}
            raise ValueError(
                f"Each matrix needs one row and one column per category ({side}); there are {shapes or 'none'}."
            )
        self.title = title

    @classmethod
    def from_predictions(
        cls,
        predictions: Mapping[str, tuple[Any, Any]],
        *,
        categories: Sequence[str] | None = None,
        title: str | None = None,
        ax: Axes | Sequence[Axes] | None = None,
    ) -> ConfusionDisplay:
        """Count and draw predictions.

        Parameters
        ----------
        predictions : mapping of str to (true categories, predicted categories)
            Name of each matrix -> two sequences of the same length.
        categories : sequence of str, optional
            Order of the rows and columns, such as ``store.categories``; those that do not occur are left out. Sorted
            by default.
        title : str, optional
            Title of the figure: name the data set and the model.
        ax : sequence of matplotlib Axes, optional
            Where to draw, one per matrix; a new figure by default.

        Returns
        -------
        ConfusionDisplay

        Raises
        ------
        ValueError
            If clips have several labels, or a category is not among `categories`.

        Examples
        --------
        >>> from esc_features.plotting import ConfusionDisplay
        >>> pair = (["dog", "dog", "cow"], ["dog", "cow", "cow"])
        >>> ConfusionDisplay.from_predictions({"held out": pair}).matrices["held out"]
        array([[1, 0],
               [1, 1]])
        """
        from sklearn.metrics import confusion_matrix

        pairs = {name: (np.asarray(true), np.asarray(predicted)) for name, (true, predicted) in predictions.items()}
        if any(values.ndim != 1 for pair in pairs.values() for values in pair):
            raise ValueError("A confusion matrix needs one category per clip, not an array of several columns.")
        there = np.unique(np.concatenate([values for pair in pairs.values() for values in pair])).tolist()
        if categories is None:
            categories = there
        elif unknown := sorted(set(there) - set(categories)):
            raise ValueError(
                f"categories lacks {', '.join(map(str, unknown))}, which occurs among the true or predicted ones. "
                "Give all of them, or leave out categories."
            )
        order = [category for category in categories if category in set(there)]
        matrices = {name: confusion_matrix(*pair, labels=order) for name, pair in pairs.items()}
        return cls(matrices, order, title=title).plot(ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        held_out: Any,
        categories: Sequence[str] | None = None,
        title: str | None = None,
        ax: Axes | Sequence[Axes] | None = None,
    ) -> ConfusionDisplay:
        """Predict with a fitted estimator, and draw two matrices: of its training clips and of the held-out ones.

        Parameters
        ----------
        estimator : classifier
            Fitted on the clips that are not held out.
        X : StoreArray, StoreAudio or ndarray
            All clips.
        y : array-like of shape (clips,)
            Their categories.
        held_out : int or array-like of bool, shape (clips,)
            The fold that was held out (`X` must have `folds`), or a mask of the clips that were.
        categories : sequence of str, optional
            Order of the rows and columns; sorted by default.
        title : str, optional
            Title of the figure; the estimator's class by default, with the name of the data set if `X` has it.
        ax : sequence of two matplotlib Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        ConfusionDisplay

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.neighbors import KNeighborsClassifier
        >>> from esc_features import open_store
        >>> from esc_features.plotting import ConfusionDisplay
        >>> store = open_store("stores/demo")
        >>> X, y = store["mfcc"], store.y
        >>> model = KNeighborsClassifier().fit(X[X.folds != 1], y[X.folds != 1])
        >>> display = ConfusionDisplay.from_estimator(model, X, y, held_out=1)
        >>> list(display.matrices), display.title
        (['training', 'held out'], 'KNeighborsClassifier, demo')
        """
        out = np.asarray(held_out)
        if out.ndim == 0:
            out = np.asarray(X.folds) == out
        y = np.asarray(y)
        if title is None:
            last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
            title = ", ".join(filter(None, [type(last).__name__, getattr(X, "dataset", None)]))
        pairs = {name: (y[rows], estimator.predict(X[rows])) for name, rows in [("training", ~out), ("held out", out)]}
        return cls.from_predictions(pairs, categories=categories, title=title, ax=ax)

    @classmethod
    def from_leaderboard(
        cls, leaderboard: Any, method: str | None = None, *, ax: Axes | None = None
    ) -> ConfusionDisplay:
        """Draw which categories a method of a leaderboard confuses; seeds are averaged.

        More than twelve categories are ordered so that confused ones are neighbours. The largest cells off the diagonal
        are named below.

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
        ConfusionDisplay

        Raises
        ------
        ValueError
            If clips have several labels.
        """
        counts, categories = leaderboard.confusions(method), np.array(leaderboard.facts.categories)
        order = _by_confusion(counts) if len(categories) > FEW_CATEGORIES else np.arange(len(categories))
        matrices = {"": counts[np.ix_(order, order)]}
        return cls(matrices, categories[order].tolist(), title=method_title(leaderboard, method)).plot(ax, named=5)

    def plot(self, ax: Axes | Sequence[Axes] | None = None, *, cmap: str = "Blues", named: int = 0) -> ConfusionDisplay:
        """Draw the matrices.

        Parameters
        ----------
        ax : sequence of matplotlib Axes, optional
            Where to draw, one per matrix; a new figure by default.
        cmap : str, default="Blues"
            Colour map of the shares.
        named : int, default=0
            How many of the largest cells off the diagonal to name below the matrices of a new figure.

        Returns
        -------
        self
        """
        import matplotlib.pyplot as plt

        few = len(self.categories) <= FEW_CATEGORIES
        own_figure = ax is None
        if ax is None:
            side = 2.4 + (0.45 if few else 0.17) * len(self.categories)
            figsize = (side * len(self.matrices) + (0.4 if few else 1.2), side + 0.2)
            _, ax = plt.subplots(1, len(self.matrices), figsize=figsize, sharey=True, layout="constrained")
        self.ax_ = given_axes(ax, len(self.matrices))
        self.figure_ = self.ax_[0].figure
        for axis, (name, matrix) in zip(self.ax_, self.matrices.items(), strict=True):
            image = self._draw(axis, matrix, few, cmap)
            axis.set_title(f"{name}: {self._summary(matrix)}" if name else self._summary(matrix), fontsize="medium")
            axis.set(xlabel="Predicted", ylabel="True" if axis is self.ax_[0] else "")
        if not few:
            bar = self.figure_.colorbar(image, ax=list(self.ax_), fraction=0.05, pad=0.01)
            bar.set_label("Share of the category's clips")
        if self.title and own_figure:
            self.figure_.suptitle(self.title)
        if named and own_figure:
            self.figure_.supxlabel("\n".join(self._named_cells(named)), fontsize=8)
        return self

    def _named_cells(self, most: int) -> list[str]:
        """Return which categories were mistaken for which, as text, the most frequent first."""
        cells = []
        for name, matrix in self.matrices.items():
            off = np.where(np.eye(len(matrix), dtype=bool), 0, matrix)
            for cell in np.argsort(-off, axis=None, kind="stable")[:most]:
                row, column = divmod(int(cell), len(matrix))
                if off[row, column] > 0:
                    true, predicted = self.categories[row], self.categories[column]
                    where = f"{name}: " if len(self.matrices) > 1 else ""
                    cells.append(f"{where}{true} mistaken for {predicted}, {_clips(off[row, column])} clips")
        return cells

    def _draw(self, ax: Axes, matrix: np.ndarray, few: bool, cmap: str) -> Any:
        from matplotlib.colors import PowerNorm

        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        # With the square root, one clip of forty is still visible.
        image = ax.imshow(shares, cmap=cmap, norm=PowerNorm(0.5, 0, 1))
        size = "medium" if few else 7
        ticks = range(len(self.categories))
        ax.set_xticks(ticks, labels=self.categories, rotation=40 if few else 90, fontsize=size)
        ax.set_yticks(ticks, labels=self.categories, fontsize=size)
        if few:
            plain = {"ha": "right", "rotation_mode": "anchor"}
            for label in ax.get_xticklabels():
                label.set(**plain)
            for (row, column), count in np.ndenumerate(matrix):
                color = "white" if shares[row, column] > 0.4 else "black"
                ax.text(column, row, _clips(count), ha="center", va="center", color=color)
        return image

    def _summary(self, matrix: np.ndarray) -> str:
        clips = matrix.sum()
        return f"{100 * np.trace(matrix) / max(clips, 1):.0f} % accuracy ({clips:.6g} clips)"


def _clips(count: float) -> str:
    """Return a count as text; means over seeds have one decimal."""
    return f"{round(float(count), 1):.6g}"


def _by_confusion(counts: np.ndarray) -> np.ndarray:
    """Return the order of a hierarchical clustering, in which confused categories are close to each other."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    distances = 1 - (shares + shares.T) / 2
    np.fill_diagonal(distances, 0)
    return leaves_list(linkage(squareform(distances, checks=False), "average", optimal_ordering=True))
