"""A figure of a batch of mel spectrograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._clips import clip_labels, feature_array, find_clips
from ._spectrogram_display import SpectrogramDisplay, decibel_label, spectrogram_settings
from ._style import check_dimensions, given_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..store import Store, StoreArray


class BatchDisplay:
    """A grid of labelled spectrograms, all on the same colour scale.

    Look at a batch before training on it, to see what differs, what looks alike, and what an augmentation does.

    Parameters
    ----------
    spectrograms : array-like of shape (clips, n_mels, frames)
        In dB; the lowest band first.
    labels : sequence of str, optional
        Titles of the clips; their numbers by default.
    sample_rate, hop_length, fmin, fmax, reference
        As in `SpectrogramDisplay`.
    title : str, optional
        Title of the figure.

    Attributes
    ----------
    ax_ : ndarray of matplotlib.axes.Axes, shape (clips,)
        The axes of the clips; set by `plot`.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`.
    displays_ : list of SpectrogramDisplay
        One per clip.

    Raises
    ------
    ValueError
        If the array is not a batch, or there is not one label per clip.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features.plotting import BatchDisplay
    >>> batch = np.random.default_rng(0).uniform(-80, 0, (3, 64, 40))
    >>> display = BatchDisplay(batch, ["dog", "cow", "rain"], sample_rate=16000, hop_length=512).plot()
    >>> [ax.get_title() for ax in display.ax_]
    ['dog', 'cow', 'rain']
    """

    ax_: np.ndarray
    figure_: Figure

    def __init__(
        self,
        spectrograms,
        labels: Sequence[str] | None = None,
        *,
        sample_rate: float,
        hop_length: int,
        fmin: float = 0.0,
        fmax: float | None = None,
        reference: str | float = "max",
        title: str | None = None,
    ):
        self.spectrograms = np.asarray(spectrograms)
        check_dimensions(self.spectrograms, 3, "a batch of mel spectrograms, (clips, bands, frames)")
        self.labels = [str(i) for i in range(len(self.spectrograms))] if labels is None else [str(i) for i in labels]
        if len(self.labels) != len(self.spectrograms):
            raise ValueError(
                f"There are {len(self.labels)} labels for {len(self.spectrograms)} spectrograms: give one for each."
            )
        self.title = title
        self.settings: dict[str, Any] = {
            "sample_rate": sample_rate,
            "hop_length": hop_length,
            "fmin": fmin,
            "fmax": fmax,
            "reference": reference,
        }

    @classmethod
    def from_store(
        cls,
        store: Store | StoreArray,
        clips: int | str | Sequence[int] = 12,
        *,
        feature: str = "mel",
        random_state: int | np.random.RandomState | None = None,
        ax: Sequence[Axes] | None = None,
        columns: int = 4,
        **mesh_kwargs: Any,
    ) -> BatchDisplay:
        """Draw some clips of a store.

        Parameters
        ----------
        store : Store or StoreArray
            A store, or its array of mel spectrograms.
        clips : int, str or sequence of int, default=12
            Number of clips to choose at random; a category, of which up to twelve clips are chosen at random; or rows.
        feature : str, default="mel"
            Name of the feature in the store.
        random_state : int or RandomState, optional
            Seed of the random choice.
        ax : sequence of matplotlib Axes, optional
            Where to draw, one per clip; a new figure by default.
        columns : int, default=4
            Number of columns of the grid in a new figure.
        **mesh_kwargs
            Passed to matplotlib's ``pcolormesh``.

        Returns
        -------
        BatchDisplay

        Raises
        ------
        ValueError
            If no clip is of the category, or the feature has no mel spectrograms.

        Examples
        --------
        >>> from esc_features import open_store
        >>> from esc_features.plotting import BatchDisplay
        >>> display = BatchDisplay.from_store(open_store("stores/demo"), 8, random_state=0)
        >>> len(display.ax_)
        8
        >>> dogs = BatchDisplay.from_store(open_store("stores/demo"), "dog")
        >>> {ax.get_title() for ax in dogs.ax_}
        {'dog'}
        """
        chosen = find_clips(feature_array(store, feature), clips, random_state)
        title = f"{chosen.dataset}, {chosen.feature_name}"
        display = cls(chosen.to_numpy(), clip_labels(chosen), **spectrogram_settings(chosen), title=title)
        return display.plot(ax, columns=columns, **mesh_kwargs)

    def plot(self, ax: Sequence[Axes] | None = None, *, columns: int = 4, **mesh_kwargs: Any) -> BatchDisplay:
        """Draw the grid.

        Parameters
        ----------
        ax, columns, **mesh_kwargs
            As in `from_store`.

        Returns
        -------
        self
        """
        import matplotlib.pyplot as plt

        clips = len(self.spectrograms)
        columns = min(columns, clips)
        own_figure = ax is None
        if ax is None:
            rows = -(-clips // columns)
            figsize = (0.9 + 2.3 * columns, 0.6 + 1.7 * rows)
            _, grid = plt.subplots(rows, columns, figsize=figsize, layout="constrained", squeeze=False)
            for unused in grid.flat[clips:]:
                unused.set_visible(False)
            ax = grid.flat[:clips]
        self.ax_ = given_axes(ax, clips)
        self.figure_ = self.ax_[0].figure
        limits = {"vmin": self.spectrograms.min(), "vmax": self.spectrograms.max(), **mesh_kwargs}
        self.displays_ = [
            SpectrogramDisplay(spectrogram, **self.settings, title=label).plot(axis, colorbar=False, **limits)
            for spectrogram, label, axis in zip(self.spectrograms, self.labels, self.ax_, strict=True)
        ]
        for number, axis in enumerate(self.ax_):
            axis.title.set_fontsize("medium")
            if number % columns:
                axis.set(ylabel="", yticklabels=[])
            if number + columns < clips:
                axis.set(xlabel="", xticklabels=[])
        bar = self.figure_.colorbar(self.displays_[0].mesh_, ax=list(self.ax_), pad=0.02, aspect=30)
        bar.set_label(decibel_label(self.settings["reference"]))
        if self.title and own_figure:
            self.figure_.suptitle(self.title)
        return self
