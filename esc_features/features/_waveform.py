"""The waveform itself, at a given rate and of a given length."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..audio import WaveformSpec
from ._base import Feature


class Waveform(Feature):
    """The samples of a recording: one channel, one sample rate, one length.

    What every other feature is computed from, and the input of networks that take raw audio. Channels are averaged, the
    rate is changed by soxr's HQ resampler, long recordings are cut to their first ``duration`` seconds and short ones
    padded with zeros: ``librosa.load(path, sr=sample_rate, duration=duration)``, bit for bit, with zeros at the end.

    Parameters
    ----------
    sample_rate : int, default=16000
        Samples per second, Hz.
    duration : float, default=5.0
        Seconds.
    dtype : {"float32", "float16", "int16"}, default="float32"
        Of the output. ``"int16"`` holds ``sample * 32768``, rounded and clipped: half the size, and as precise as a CD.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features import Waveform
    >>> Waveform(sample_rate=4, duration=1.5).transform(np.array([[0.5, 0.25, 0.125]]))
    array([[0.5  , 0.25 , 0.125, 0.   , 0.   , 0.   ]], dtype=float32)
    """

    name = "waveform"
    version = WaveformSpec.version
    _dtypes = ("float32", "float16", "int16")

    def __init__(self, sample_rate: int = 16000, duration: float = 5.0, dtype: str = "float32"):
        self.sample_rate = sample_rate
        self.duration = duration
        self.dtype = dtype

    @property
    def n_samples(self) -> int:
        """Samples per waveform."""
        return self.waveform().n_samples

    def output_shape(self) -> tuple[int, ...]:
        """Shape of one waveform.

        Returns
        -------
        tuple of int
            ``(samples,)``
        """
        return (self.n_samples,)

    def compute(self, waveforms: np.ndarray) -> np.ndarray:
        """Convert waveforms to ``dtype``.

        Parameters
        ----------
        waveforms : ndarray of shape (n, samples), float32

        Returns
        -------
        ndarray of shape (n, samples)
        """
        if np.dtype(self.dtype) != np.int16:
            return waveforms.astype(self.dtype, copy=False)
        scaled = np.rint(waveforms * np.float32(32768))
        return np.clip(scaled, -32768, 32767, out=scaled).astype(np.int16)

    def _computed_from(self) -> dict[str, Any] | None:
        return None

    @classmethod
    def of(cls, spec: WaveformSpec) -> Waveform:
        """The waveform, as float32, that features of this specification are computed from.

        Parameters
        ----------
        spec : WaveformSpec

        Returns
        -------
        Waveform

        Examples
        --------
        >>> from esc_features import MFCCStatistics, Waveform
        >>> Waveform.of(MFCCStatistics().waveform())
        Waveform(sample_rate=44100)
        """
        return cls(spec.sample_rate, spec.duration)
