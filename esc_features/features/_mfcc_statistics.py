"""The features of the ESC paper: statistics of MFCCs and zero-crossing rate."""

from typing import Any

import numpy as np
import scipy.fft

from ._base import Feature, check_number, check_waveforms
from ._mel_spectrogram import check_frames
from ._spectra import MelTransform, decibels


class MFCCStatistics(Feature):
    """Mean and standard deviation of MFCCs and zero-crossing rate over a clip.

    These are the features of the paper that introduced ESC-50. Use them for its three baselines, or for a first look at
    new data. By default there are 26: 12 means and 12 standard deviations of the mel-frequency cepstral coefficients
    (without the zeroth, which is loudness), then mean and standard deviation of the zero-crossing rate. The paper does
    not scale them.

    Parameters
    ----------
    sample_rate : int, default=44100
        Sample rate of the waveform, in Hz.
    duration : float, default=5.0
        Length of the waveform, in seconds.
    n_mfcc : int, default=13
        Number of coefficients, including the zeroth, which is left out of the statistics.
    n_fft : int, default=2048
        Length of a frame of the spectrum, in samples.
    hop_length : int, default=512
        Number of samples from one frame to the next; also the length of the frames of the zero-crossing rate, which do
        not overlap.
    n_mels : int, default=128
        Number of mel bands, from 0 Hz to half the sample rate.
    dtype : {"float32", "float16"}, default="float32"
        Data type of the output.

    References
    ----------
    K. J. Piczak, "ESC: Dataset for Environmental Sound Classification", ACM Multimedia 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features import MFCCStatistics
    >>> noise = np.random.default_rng(0).normal(0, 0.1, (2, 220500))
    >>> feature = MFCCStatistics()
    >>> feature.transform(noise).shape
    (2, 26)
    >>> feature.get_feature_names_out()[[0, 12, 24]]
    array(['mfcc_1_mean', 'mfcc_1_std', 'zcr_mean'], dtype=object)
    """

    name = "mfcc"
    version = 2

    def __init__(
        self,
        sample_rate: int = 44100,
        duration: float = 5.0,
        n_mfcc: int = 13,
        n_fft: int = 2048,
        hop_length: int = 512,
        n_mels: int = 128,
        dtype: str = "float32",
    ):
        self.sample_rate = sample_rate
        self.duration = duration
        self.n_mfcc = n_mfcc
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.n_mels = n_mels
        self.dtype = dtype

    def output_shape(self) -> tuple[int, ...]:
        """Return the shape of the statistics of one clip.

        Returns
        -------
        tuple of int
            ``(2 * n_mfcc,)``
        """
        return (2 * int(self.n_mfcc),)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the numbers.

        Parameters
        ----------
        input_features : ignored
            Not used; present for scikit-learn.

        Returns
        -------
        ndarray of str objects
            ``mfcc_1_mean``, …, ``mfcc_1_std``, …, ``zcr_mean``, ``zcr_std``.
        """
        coefficients = range(1, int(self.n_mfcc))
        names = [f"mfcc_{i}_{statistic}" for statistic in ("mean", "std") for i in coefficients]
        return np.array([*names, "zcr_mean", "zcr_std"], dtype=object)

    def compute(self, waveforms: np.ndarray) -> np.ndarray:
        """Compute the statistics of waveforms of the right sample rate and length.

        Parameters
        ----------
        waveforms : ndarray of shape (n, samples), float32
            Waveforms at ``sample_rate``, each ``duration`` long.

        Returns
        -------
        ndarray of shape (n, 2 * n_mfcc)
            The statistics, of ``dtype``.
        """
        self.check_parameters()
        waveforms = check_waveforms(self, waveforms)
        statistics = np.empty((len(waveforms), *self.output_shape()), self.dtype)
        for waveform, row in zip(waveforms, statistics, strict=True):
            # As in the paper, floats are (integer + 0.5) / 32767.5: no sample is zero, and a zero counts as positive.
            shifted = (waveform * np.float32(32768) + np.float32(0.5)) / np.float32(32767.5)
            mfcc = self._mfcc(shifted)
            crossings = _zero_crossing_rate(shifted, int(self.hop_length))
            row[:] = np.concatenate([mfcc.mean(axis=1), mfcc.std(axis=1), [crossings.mean()], [crossings.std()]])
        return statistics

    def check_parameters(self) -> None:
        super().check_parameters()
        check_frames(self)
        check_number(self, "n_mfcc", at_least=2, whole=True)
        if self.n_mfcc > self.n_mels:
            raise ValueError(f"n_mfcc={self.n_mfcc} must not be more than n_mels={self.n_mels}.")
        if self.hop_length < 2:
            raise ValueError("hop_length must be at least 2: a zero crossing is a change between two samples.")

    def _mfcc(self, waveform: np.ndarray) -> np.ndarray:
        highest = self.sample_rate / 2
        mel = MelTransform(self.sample_rate, int(self.n_fft), int(self.hop_length), int(self.n_mels), 0.0, highest)
        spectrum = decibels(mel.power(waveform, floor=1e-8), 1.0, 80.0).astype(np.float64)
        return scipy.fft.dct(spectrum, axis=0, norm="ortho")[1 : int(self.n_mfcc)]


def _zero_crossing_rate(waveform: np.ndarray, frame_length: int) -> np.ndarray:
    """Return the share of sign changes per frame; frames do not overlap, and the last may be shorter."""
    positive = waveform > 0
    crossings = positive[1:] != positive[:-1]
    starts = np.arange(0, len(waveform) - 1, frame_length)
    # A crossing from one frame into the next belongs to neither.
    crossings[frame_length - 1 :: frame_length] = False
    counts = np.add.reduceat(crossings, starts, dtype=np.int64)
    pairs = np.minimum(frame_length, len(waveform) - starts) - 1
    return counts / pairs
