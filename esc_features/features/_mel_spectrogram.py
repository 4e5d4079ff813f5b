"""Mel spectrograms in decibels."""

from typing import Any

import numpy as np

from ._base import Feature, check_number, check_waveforms
from ._spectra import MelTransform, decibels, mel_frames


class MelSpectrogram(Feature):
    """Mel spectrogram in decibels.

    It is the usual input of convolutional networks. The values equal those of librosa within 0.001 dB::

        power = librosa.feature.melspectrogram(y=y, sr=16000, n_mels=128, fmax=8000)
        librosa.power_to_db(power, ref=np.max)

    Parameters
    ----------
    sample_rate : int, default=16000
        Sample rate of the waveform, in Hz.
    duration : float, default=5.0
        Length of the waveform, in seconds.
    n_fft : int, default=2048
        Length of a frame, in samples. Frames are weighted by a Hann window.
    hop_length : int, default=512
        Number of samples from one frame to the next. Frames are centred; beyond both ends, the waveform is zero.
    n_mels : int, default=128
        Number of mel bands (Slaney's scale and area normalisation).
    fmin, fmax : float, default=0.0, 8000.0
        Lowest and highest frequency of the mel bands, in Hz. ``fmax=None`` is half the sample rate.
    reference : "max" or float, default="max"
        The power that corresponds to 0 dB: the maximum of the clip, or a number for all clips, such as 1.0, which
        preserves the differences in level between clips.
    top_db : float or None, default=80.0
        Dynamic range: values more than ``top_db`` below the maximum of the clip are raised to that level. None leaves
        them.
    dtype : {"float32", "float16"}, default="float32"
        Data type of the output. The computation is in float32 either way.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features import MelSpectrogram
    >>> tone = np.sin(2 * np.pi * 440 / 16000 * np.arange(80000, dtype="float32"))
    >>> mel = MelSpectrogram().transform(tone.reshape(1, -1))
    >>> mel.shape, mel.max()
    ((1, 128, 157), np.float32(0.0))
    """

    name = "mel"
    version = 2

    def __init__(
        self,
        sample_rate: int = 16000,
        duration: float = 5.0,
        n_fft: int = 2048,
        hop_length: int = 512,
        n_mels: int = 128,
        fmin: float = 0.0,
        fmax: float | None = 8000.0,
        reference: str | float = "max",
        top_db: float | None = 80.0,
        dtype: str = "float32",
    ):
        self.sample_rate = sample_rate
        self.duration = duration
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.n_mels = n_mels
        self.fmin = fmin
        self.fmax = fmax
        self.reference = reference
        self.top_db = top_db
        self.dtype = dtype

    def output_shape(self) -> tuple[int, ...]:
        """Return the shape of one spectrogram.

        Returns
        -------
        tuple of int
            ``(n_mels, frames)``
        """
        return int(self.n_mels), int(mel_frames(self.waveform().n_samples, self.n_fft, self.hop_length))

    def compute(self, waveforms: np.ndarray) -> np.ndarray:
        """Compute spectrograms of waveforms of the right sample rate and length.

        Parameters
        ----------
        waveforms : ndarray of shape (n, samples), float32
            Waveforms at ``sample_rate``, each ``duration`` long.

        Returns
        -------
        ndarray of shape (n, n_mels, frames)
            The spectrograms in dB, of ``dtype``.
        """
        self.check_parameters()
        waveforms = check_waveforms(self, waveforms)
        floor = None if self.top_db is None else 10 ** (-self.top_db / 10)
        fmax = self.sample_rate / 2 if self.fmax is None else self.fmax
        mel = MelTransform(self.sample_rate, int(self.n_fft), int(self.hop_length), int(self.n_mels), self.fmin, fmax)
        spectrograms = np.empty((len(waveforms), *self.output_shape()), self.dtype)
        for waveform, spectrogram in zip(waveforms, spectrograms, strict=True):
            spectrogram[:] = decibels(mel.power(waveform, floor), self.reference, self.top_db)
        return spectrograms

    def check_parameters(self) -> None:
        super().check_parameters()
        check_frames(self)
        check_number(self, "fmin", at_least=0)
        if self.fmax is not None:
            check_number(self, "fmax", above=0)
            if self.fmax > self.sample_rate / 2:
                raise ValueError(
                    f"fmax={self.fmax} Hz is above half of sample_rate={self.sample_rate} Hz, the highest frequency "
                    "of the waveform: lower it, or use None."
                )
        if self.fmin >= (self.sample_rate / 2 if self.fmax is None else self.fmax):
            raise ValueError(f"fmin={self.fmin} Hz must be below fmax={self.fmax} Hz.")
        if self.reference != "max":
            if isinstance(self.reference, str):
                raise ValueError(f"reference must be 'max' or a number above 0, not {self.reference!r}.")
            check_number(self, "reference", above=0)
        if self.top_db is not None:
            check_number(self, "top_db", at_least=0)


def check_frames(feature: Any) -> None:
    """Check the parameters of a short-time Fourier transform and its mel bands."""
    check_number(feature, "n_fft", at_least=2, whole=True)
    check_number(feature, "hop_length", at_least=1, whole=True)
    check_number(feature, "n_mels", at_least=1, whole=True)
    samples = feature.waveform().n_samples
    if feature.n_fft > samples:
        raise ValueError(
            f"n_fft={feature.n_fft} is longer than the waveform: duration={feature.duration} s at "
            f"sample_rate={feature.sample_rate} Hz are {samples} samples. Use a smaller n_fft."
        )
