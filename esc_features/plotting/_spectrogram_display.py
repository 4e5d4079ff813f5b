"""A figure of a mel spectrogram."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._mel_scale import hz_to_mel, mel_to_hz
from ._clips import clip_title, find_clip, parameter_of
from ._style import COLORMAP, check_dimensions, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..store import Store, StoreArray


class SpectrogramDisplay:
    """The mel spectrogram of one clip, with frequency in Hz, time in seconds and a colour bar in dB.

    The frequency axis has Slaney's mel scale, on which the bands are equally high: tick labels are true frequencies,
    and anything drawn over it is given in Hz. It is made by `from_store`, or directly from any mel spectrogram.

    Parameters
    ----------
    spectrogram : array-like of shape (n_mels, frames)
        In dB; the lowest band first.
    sample_rate : float
        Sample rate of the waveform, in Hz.
    hop_length : int
        Samples from one frame to the next.
    fmin : float, default=0.0
        Lowest frequency of the mel filters, in Hz.
    fmax : float, optional
        Highest frequency of the mel filters, in Hz; half the sample rate by default.
    reference : str or float, default="max"
        What 0 dB is, as in `MelSpectrogram`; for the colour bar's label.
    title : str, optional
        Title of the axes.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes drawn into; set by `plot`.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`.
    mesh_ : matplotlib.collections.QuadMesh
        The image: one quadrilateral per band and frame.
    colorbar_ : matplotlib.colorbar.Colorbar or None
        None if `plot` was called with ``colorbar=False``.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features import MelSpectrogram
    >>> from esc_features.plotting import SpectrogramDisplay
    >>> tone = np.sin(2 * np.pi * 1000 / 16000 * np.arange(80000))
    >>> mel = MelSpectrogram().transform([tone])[0]
    >>> display = SpectrogramDisplay(mel, sample_rate=16000, hop_length=512, fmax=8000).plot()
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['0', '500', '1000', '2000', '4000', '8000']
    """

    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        spectrogram,
        *,
        sample_rate: float,
        hop_length: int,
        fmin: float = 0.0,
        fmax: float | None = None,
        reference: str | float = "max",
        title: str | None = None,
    ):
        self.spectrogram = np.asarray(spectrogram)
        check_dimensions(self.spectrogram, 2, "a mel spectrogram, (bands, frames)")
        self.sample_rate = sample_rate
        self.hop_length = hop_length
        self.fmin = fmin
        self.fmax = sample_rate / 2 if fmax is None else fmax
        self.reference = reference
        self.title = title

    @classmethod
    def from_store(
        cls,
        store: Store | StoreArray,
        clip: int | str = 0,
        *,
        feature: str = "mel",
        ax: Axes | None = None,
        colorbar: bool = True,
        **mesh_kwargs: Any,
    ) -> SpectrogramDisplay:
        """Draw one clip of a store.

        Parameters
        ----------
        store : Store or StoreArray
            A store, or its array of mel spectrograms.
        clip : int or str, default=0
            Row or file name of the clip.
        feature : str, default="mel"
            Name of the feature in the store.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        colorbar : bool, default=True
            Draw the colour bar.
        **mesh_kwargs
            Passed to matplotlib's ``pcolormesh``.

        Returns
        -------
        SpectrogramDisplay

        Raises
        ------
        ValueError
            If there is no such clip, or the feature has no mel spectrograms.

        Examples
        --------
        >>> from esc_features import open_store
        >>> from esc_features.plotting import SpectrogramDisplay
        >>> display = SpectrogramDisplay.from_store(open_store("stores/demo"), 7, cmap="viridis")
        >>> display.figure_.savefig("clip7.png")
        """
        array, row = find_clip(store, feature, clip)
        display = cls(array[row], **spectrogram_settings(array), title=clip_title(array, row))
        return display.plot(ax, colorbar=colorbar, **mesh_kwargs)

    def plot(self, ax: Axes | None = None, *, colorbar: bool = True, **mesh_kwargs: Any) -> SpectrogramDisplay:
        """Draw the spectrogram.

        Parameters
        ----------
        ax, colorbar, **mesh_kwargs
            As in `from_store`.

        Returns
        -------
        self
        """
        self.ax_ = new_axes(ax, figsize=(7, 3.4))
        self.figure_ = self.ax_.figure
        bands, frames = self.spectrogram.shape
        style = {"cmap": COLORMAP, "rasterized": True, **mesh_kwargs}
        self.ax_.set_yscale("function", functions=(hz_to_mel, mel_to_hz))
        self.mesh_ = self.ax_.pcolormesh(
            _frame_edges(frames, self.hop_length, self.sample_rate),
            _band_edges(bands, self.fmin, self.fmax),
            self.spectrogram,
            **style,
        )
        ticks = _frequency_ticks(self.fmin, self.fmax)
        self.ax_.set_yticks(ticks, labels=[f"{tick:g}" for tick in ticks])
        self.ax_.set_yticks([], minor=True)
        self.ax_.set(xlabel="Time (s)", ylabel="Frequency (Hz)", ylim=(self.fmin, self.fmax), title=self.title or "")
        self.colorbar_ = None
        if colorbar:
            self.colorbar_ = self.figure_.colorbar(self.mesh_, ax=self.ax_, pad=0.02)
            self.colorbar_.set_label(decibel_label(self.reference))
        return self


def spectrogram_settings(array: StoreArray) -> dict[str, Any]:
    check_dimensions(np.empty((1, *array.shape[1:])), 3, "mel spectrograms, (clips, bands, frames)")
    settings = {name: parameter_of(array, name) for name in ("sample_rate", "hop_length")}
    return settings | {key: array.parameters[key] for key in ("fmin", "fmax", "reference") if key in array.parameters}


def decibel_label(reference: str | float) -> str:
    return "dB relative to the clip's maximum" if reference == "max" else f"dB relative to a power of {reference:g}"


def _frame_edges(frames: int, hop_length: int, sample_rate: float) -> np.ndarray:
    """Return the edges of frames that are centred on multiples of the hop; the first begins with the clip."""
    edges = (np.arange(frames + 1) - 0.5) * hop_length / sample_rate
    edges[0] = 0
    return edges


def _band_edges(bands: int, fmin: float, fmax: float) -> np.ndarray:
    """Return fmin, the frequencies halfway between the centres of neighbouring filters, and fmax."""
    lowest, highest = hz_to_mel([fmin, fmax])
    centres = np.linspace(lowest, highest, bands + 2)[1:-1]
    between = (centres[:-1] + centres[1:]) / 2
    return np.concatenate([[fmin], mel_to_hz(between), [fmax]])


def _frequency_ticks(fmin: float, fmax: float) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    doubled = [0.0, *(500.0 * 2**power for power in range(10))]
    ticks = [tick for tick in doubled if fmin <= tick <= fmax]
    if len(ticks) < 4:
        ticks = [tick for tick in MaxNLocator(5).tick_values(fmin, fmax).tolist() if fmin <= tick <= fmax]
    return ticks
