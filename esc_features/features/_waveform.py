"""The waveform itself, at a given sample rate and length."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..audio import WaveformSpec
from ._base import Feature


class Waveform(Feature):
    """The samples of a recording, with one channel and a fixed sample rate and length.

    It is the input of networks that take raw audio, and all other features are computed from it. Channels are averaged,
    the recording is resampled by soxr's HQ resampler, and it is cut to its first ``duration`` seconds or padded with
    zeros. Up to the zeros, the samples are those of ``librosa.load(path, sr=sample_rate, duration=duration)``, bit for
    bit.

    Parameters
    ----------
    sample_rate : int, default=16000
        Sample rate in Hz.
    duration : float, default=5.0
        Length in seconds.
    dtype : {"float32", "float16", "int16"}, default="float32"
        Data type of the output. ``"int16"`` is ``sample * 32768``, rounded and clipped: half the size of float32, with
        the precision of a CD.

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
        """Number of samples per waveform."""
        return self.waveform().n_samples

    def output_shape(self) -> tuple[int, ...]:
        """Return the shape of one waveform.

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
            Waveforms at ``sample_rate``, each ``duration`` long.

        Returns
        -------
        ndarray of shape (n, samples)
            The waveforms, of ``dtype``.
        """
        if np.dtype(self.dtype) != np.int16:
            return waveforms.astype(self.dtype, copy=False)
        scaled = np.rint(waveforms * np.float32(32768))
        return np.clip(scaled, -32768, 32767, out=scaled).astype(np.int16)

    def _computed_from(self) -> dict[str, Any] | None:
        return None

    @classmethod
    def of(cls, spec: WaveformSpec) -> Waveform:
        """Return the waveform feature, in float32, from which features with this specification are computed.

        Parameters
        ----------
        spec : WaveformSpec
            Sample rate and length.

        Returns
        -------
        Waveform
            The feature.

        Examples
        --------
        >>> from esc_features import MFCCStatistics, Waveform
        >>> Waveform.of(MFCCStatistics().waveform())
        Waveform(sample_rate=44100)
        """
        return cls(spec.sample_rate, spec.duration)
