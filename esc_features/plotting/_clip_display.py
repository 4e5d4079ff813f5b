"""A figure of one clip: its waveform above its spectrogram, and a player."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._clips import clip_title, find_clip
from ._spectrogram_display import SpectrogramDisplay, spectrogram_settings
from ._style import given_axes
from ._waveform_display import WaveformDisplay

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..store import Sound, Store


class ClipDisplay:
    """The waveform of one clip above its spectrogram, on one time axis; in a notebook, with a player.

    Look at and listen to a clip that a model gets wrong. It is made by `from_store`, or directly from a sound; as the
    value of a notebook's cell, it shows a player below the figure.

    Parameters
    ----------
    sound : Sound
        What `Store.sound` returns.
    spectrogram : SpectrogramDisplay, optional
        The lower half; by default the mel spectrogram of the sound, with the default parameters of `MelSpectrogram`.
    title : str, optional
        Title of the figure; the name of the sound by default.

    Attributes
    ----------
    axes_ : ndarray of Axes, shape (2,)
        The axes of the waveform and of the spectrogram; set by `plot`.
    figure_ : matplotlib.figure.Figure
        The figure of `axes_`.

    Examples
    --------
    >>> from esc_features import open_store
    >>> from esc_features.plotting import ClipDisplay
    >>> display = ClipDisplay.from_store(open_store("stores/demo"), 7)
    >>> [axes.get_ylabel() for axes in display.axes_]
    ['Amplitude', 'Frequency (Hz)']
    """

    axes_: np.ndarray
    figure_: Figure

    def __init__(self, sound: Sound, spectrogram: SpectrogramDisplay | None = None, *, title: str | None = None):
        self.sound, self.spectrogram = sound, spectrogram or _mel_of(sound)
        self.title = sound.name if title is None else title

    @classmethod
    def from_store(cls, store: Store, clip: int | str = 0, *, feature: str = "mel", axes: Any = None) -> ClipDisplay:
        """Draw one clip of a store.

        Parameters
        ----------
        store : Store
            A store with waveforms, or whose recordings are on this machine.
        clip : int or str, default=0
            Row or file name of the clip.
        feature : str, default="mel"
            Name of the mel spectrograms in the store; without them, the spectrogram is computed from the sound.
        axes : sequence of two matplotlib Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        ClipDisplay

        Raises
        ------
        AudioError
            If there is no sound of the clip.
        ValueError
            If there is no such clip.
        """
        array, row = find_clip(store, feature if feature in store else next(iter(store)), clip)
        spectrogram = SpectrogramDisplay(array[row], **spectrogram_settings(array)) if feature in store else None
        return cls(store.sound(row), spectrogram, title=clip_title(array, row)).plot(axes)

    def plot(self, axes: Any = None) -> ClipDisplay:
        """Draw the clip.

        Parameters
        ----------
        axes : optional
            As in `from_store`.

        Returns
        -------
        self
        """
        self.axes_ = _new_axes() if axes is None else given_axes(axes, 2)
        waveform, spectrogram = self.axes_
        self.figure_ = waveform.figure
        WaveformDisplay(self.sound.samples, sample_rate=self.sound.sample_rate, title=self.title).plot(waveform)
        self.spectrogram.plot(spectrogram)
        waveform.set_xlabel("")
        for each in self.axes_:
            each.set_xlim(0, self.sound.duration)
        return self

    def _repr_html_(self) -> str:
        return self.sound._repr_html_()


def _new_axes() -> np.ndarray[Any, Any]:
    import matplotlib.pyplot as plt

    shape = {"height_ratios": (1, 2)}
    axes: np.ndarray[Any, Any] | Axes = plt.subplots(2, 1, figsize=(7, 4.6), gridspec_kw=shape, layout="constrained")[1]
    return np.asarray(axes)


def _mel_of(sound: Sound) -> SpectrogramDisplay:
    from ..features import MelSpectrogram

    feature = MelSpectrogram(sample_rate=sound.sample_rate, duration=sound.duration, fmax=sound.sample_rate / 2)
    mel = feature.transform([sound.samples])[0]
    return SpectrogramDisplay(mel, sample_rate=sound.sample_rate, hop_length=feature.hop_length, fmax=feature.fmax)
