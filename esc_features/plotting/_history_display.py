"""A figure of a network's training."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._style import BLACK, BLUE, GREEN, ORANGE, PURPLE, VERMILION, given_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STYLES = {"training": (BLUE, "o"), "held out": (VERMILION, "s")}


class HistoryDisplay:
    """Loss and accuracy of a network after each epoch of its training.

    It shows whether training was long enough and where the network began to memorise. There are held-out curves if the
    estimator had a ``train_split``, such as `HoldOutFold`.

    Parameters
    ----------
    losses, accuracies : mapping of str to array-like of shape (epochs,)
        Name of each curve -> its values; either may be empty.
    title : str, optional
        Title of the figure: name the data set and the model.

    Attributes
    ----------
    ax_ : ndarray of matplotlib.axes.Axes
        The axes of the losses and of the accuracies, as far as there are any; set by `plot`.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`.

    Examples
    --------
    >>> from esc_features.plotting import HistoryDisplay
    >>> display = HistoryDisplay({"training": [1.2, 0.7, 0.5], "held out": [1.3, 1.0, 0.9]}, {}).plot()
    >>> display.ax_[0].get_ylabel()
    'Loss'
    """

    ax_: np.ndarray
    figure_: Figure

    def __init__(self, losses: Mapping[str, Any], accuracies: Mapping[str, Any], *, title: str | None = None):
        self.losses = {name: np.asarray(values, float) for name, values in losses.items()}
        self.accuracies = {name: np.asarray(values, float) for name, values in accuracies.items()}
        if not (self.losses or self.accuracies):
            raise ValueError("There is neither a loss nor an accuracy to show.")
        self.title = title

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, title: str | None = None, ax: Sequence[Axes] | None = None
    ) -> HistoryDisplay:
        """Draw the training of a fitted estimator.

        Parameters
        ----------
        estimator : skorch.NeuralNet
            A fitted network; or a fitted pipeline that ends with one, or a fitted search whose best estimator is one.
        title : str, optional
            Title of the figure; the class of the network by default.
        ax : sequence of matplotlib Axes, optional
            Where to draw the losses and the accuracies, as far as there are any; a new figure by default.

        Returns
        -------
        HistoryDisplay

        Raises
        ------
        ValueError
            If the estimator has no training history.

        Examples
        --------
        >>> from esc_features import open_store
        >>> from esc_features.models import ConvNetClassifier
        >>> from esc_features.plotting import HistoryDisplay
        >>> store = open_store("stores/demo")
        >>> net = ConvNetClassifier(max_epochs=2, random_state=0).fit(store["mel"], store.y)
        >>> HistoryDisplay.from_estimator(net).accuracies.keys()
        dict_keys(['training'])
        """
        net = getattr(estimator, "best_estimator_", estimator)
        net = net.steps[-1][1] if hasattr(net, "steps") else net
        history = getattr(net, "history_", None)
        if not history:
            raise ValueError(
                f"{type(net).__name__} has no training history: give a fitted network of esc_features.models or "
                "skorch, or a fitted pipeline that ends with one."
            )
        title = type(net).__name__ if title is None else title
        return cls(_curves(history, ("_loss",)), _curves(history, ("_acc", "_accuracy")), title=title).plot(ax)

    def plot(self, ax: Sequence[Axes] | None = None) -> HistoryDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : optional
            As in `from_estimator`.

        Returns
        -------
        self
        """
        import matplotlib.pyplot as plt
        from matplotlib.ticker import MaxNLocator

        own_figure = ax is None
        panels = [(label, curves) for label, curves in self._panels() if curves]
        if ax is None:
            _, ax = plt.subplots(1, len(panels), figsize=(0.5 + 4 * len(panels), 3.2), layout="constrained")
        self.ax_ = given_axes(ax, len(panels))
        self.figure_ = self.ax_[0].figure
        for axis, (label, curves) in zip(self.ax_, panels, strict=True):
            for (name, values), (color, marker) in zip(curves.items(), _curve_styles(curves), strict=True):
                epochs = np.arange(1, len(values) + 1)
                spaced = max(1, len(values) // 20)
                axis.plot(epochs, values, label=name, color=color, marker=marker, markersize=4, markevery=spaced)
            top = 1.03 if label == "Accuracy" else 1.08 * max(np.nanmax(values) for values in curves.values())
            axis.set(xlabel="Epoch", ylabel=label, ylim=(0, top))
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axis.grid(alpha=0.3)
            axis.legend()
        if self.title and own_figure:
            self.figure_.suptitle(self.title)
        return self

    def _panels(self):
        return ("Loss", self.losses), ("Accuracy", self.accuracies)


def _curve_styles(curves: Mapping[str, Any]) -> list[tuple[str, str]]:
    spare = itertools.cycle([(GREEN, "^"), (PURPLE, "v"), (BLACK, "D"), (ORANGE, "P")])
    return [_STYLES[name] if name in _STYLES else next(spare) for name in curves]


def _curves(history, endings: tuple[str, ...]) -> dict[str, list[float]]:
    names = {"train": "training", "valid": "held out"}
    curves = {}
    for key in history[0]:
        for ending in endings:
            if key.endswith(ending) and all(key in epoch for epoch in history):
                kind = key.removesuffix(ending)
                curves[names.get(kind, kind)] = [epoch[key] for epoch in history]
    return curves
