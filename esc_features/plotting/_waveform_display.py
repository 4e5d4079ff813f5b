"""A figure of a waveform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._clips import clip_title, find_clip, parameter_of
from ._style import BLUE, check_dimensions, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..store import Store, StoreArray


class WaveformDisplay:
    """The samples of one clip over time.

    Look at a waveform to see silence, clipping and padding. It is made by `from_store`, or directly from any samples.
    The amplitude axis is symmetric and fits the loudest sample; axes that share it (``plt.subplots(sharey=True)``) show
    all of their waveforms at one scale.

    Parameters
    ----------
    waveform : array-like of shape (samples,)
        Floats with full scale 1, or 16-bit integers.
    sample_rate : float
        Sample rate, in Hz.
    title : str, optional
        Title of the axes.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes drawn into; set by `plot`.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`.
    line_ : matplotlib.lines.Line2D
        The line drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features.plotting import WaveformDisplay
    >>> tone = np.sin(2 * np.pi * 440 / 16000 * np.arange(16000))
    >>> display = WaveformDisplay(tone, sample_rate=16000, title="440 Hz").plot()
    >>> display.ax_.get_xlabel()
    'Time (s)'
    """

    ax_: Axes
    figure_: Figure

    def __init__(self, waveform, *, sample_rate: float, title: str | None = None):
        waveform = np.asarray(waveform)
        check_dimensions(waveform, 1, "a waveform, (samples,)")
        self.waveform = waveform / np.float32(32768) if waveform.dtype == np.int16 else waveform
        self.sample_rate = sample_rate
        self.title = title

    @classmethod
    def from_store(
        cls,
        store: Store | StoreArray,
        clip: int | str = 0,
        *,
        feature: str = "waveform",
        ax: Axes | None = None,
        **line_kwargs: Any,
    ) -> WaveformDisplay:
        """Draw one clip of a store.

        Parameters
        ----------
        store : Store or StoreArray
            A store, or its array of waveforms.
        clip : int or str, default=0
            Row or file name of the clip.
        feature : str, default="waveform"
            Name of the feature in the store.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        **line_kwargs
            Passed to matplotlib's ``plot``.

        Returns
        -------
        WaveformDisplay

        Raises
        ------
        ValueError
            If there is no such clip, or the feature has no waveforms.

        Examples
        --------
        >>> from esc_features import open_store
        >>> from esc_features.plotting import WaveformDisplay
        >>> display = WaveformDisplay.from_store(open_store("stores/demo"), 7)
        >>> display.ax_.get_ylabel()
        'Amplitude'
        """
        array, row = find_clip(store, feature, clip)
        display = cls(array[row], sample_rate=parameter_of(array, "sample_rate"), title=clip_title(array, row))
        return display.plot(ax, **line_kwargs)

    def plot(self, ax: Axes | None = None, **line_kwargs: Any) -> WaveformDisplay:
        """Draw the waveform.

        Parameters
        ----------
        ax, **line_kwargs
            As in `from_store`.

        Returns
        -------
        self
        """
        self.ax_ = new_axes(ax, figsize=(7, 2.4))
        self.figure_ = self.ax_.figure
        times = np.arange(len(self.waveform)) / self.sample_rate
        style = {"color": BLUE, "linewidth": 0.5, **line_kwargs}
        (self.line_,) = self.ax_.plot(times, self.waveform, **style)
        peak = max(1e-3, 1.05 * self._loudest())
        self.ax_.set(
            xlabel="Time (s)",
            ylabel="Amplitude",
            xlim=(0, len(self.waveform) / self.sample_rate),
            ylim=(-peak, peak),
            title=self.title or "",
        )
        return self

    def _loudest(self) -> float:
        together = self.ax_.get_shared_y_axes().get_siblings(self.ax_)
        return max(float(np.abs(line.get_ydata()).max(initial=0)) for axis in together for line in axis.lines)
