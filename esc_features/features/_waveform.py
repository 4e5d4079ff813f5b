"""The waveform itself, at one rate and of one length."""

import math

import numpy as np
import soxr

from ..audio import Note, Recording
from ..exceptions import AudioError
from ._base import Feature


class Waveform(Feature):
    """The samples of a recording: one channel, one sample rate, one length.

    What every other feature is computed from, and the input of networks that read raw audio. Channels are averaged, the
    rate is changed by soxr's HQ resampler, long recordings are cut to their first ``duration`` seconds and short ones
    padded with zeros: ``librosa.load(path, sr=sample_rate, duration=duration)``, bit for bit, with zeros at the end.

    Parameters
    ----------
    sample_rate : int, default=16000
        Samples a second, Hz.
    duration : float, default=5.0
        Seconds.
    dtype : {"float32", "float16", "int16"}, default="float32"
        Of the output. ``"int16"`` holds ``sample * 32768``, rounded and clipped: half the size, as good as a CD.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features import Waveform
    >>> Waveform(sample_rate=4, duration=1.5).transform(np.array([[0.5, 0.25, 0.125]]))
    array([[0.5  , 0.25 , 0.125, 0.   , 0.   , 0.   ]], dtype=float32)
    """

    name = "waveform"
    _dtypes = ("float32", "float16", "int16")

    def __init__(self, sample_rate: int = 16000, duration: float = 5.0, dtype: str = "float32"):
        self.sample_rate = sample_rate
        self.duration = duration
        self.dtype = dtype

    @property
    def n_samples(self) -> int:
        """Samples of one waveform."""
        return round(self.duration * self.sample_rate)

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

    def from_recording(self, recording: Recording) -> tuple[np.ndarray, int]:
        """Bring a recording to this rate and length.

        Parameters
        ----------
        recording : Recording
            Decoded, for at least ``duration``.

        Returns
        -------
        waveform : ndarray of shape (samples,), float32
        notes : int
            What was done and seen, combined `Note` values.

        Raises
        ------
        AudioError
            The recording's sample rate is beyond what can be resampled.
        ValueError
            The recording was decoded for less than ``duration``.
        """
        wanted = int(self.duration * recording.sample_rate)
        if len(recording.mono) < min(wanted, recording.samples):
            raise ValueError(f"{recording.path!r} was decoded for less than duration={self.duration} s")
        mono = recording.mono[:wanted]
        notes = recording.notes | _notes_on(mono)
        if recording.channels > 1:
            notes |= Note.MIXED_DOWN
        if recording.samples > wanted:
            notes |= Note.CUT
        if recording.samples < wanted:
            notes |= Note.PADDED
        if recording.sample_rate != self.sample_rate:
            notes |= Note.RESAMPLED
            mono = _resample(mono, recording, self.sample_rate)
        return _fit(mono, self.n_samples), int(notes)

    def waveform(self) -> "Waveform":
        """The waveform that this feature is computed from: itself, as float32.

        Returns
        -------
        Waveform
        """
        return Waveform(self.sample_rate, self.duration)

    def _computed_from(self):
        return None


def _resample(mono, recording, sample_rate):
    # librosa's length: rounded up, whatever the resampler returns.
    length = math.ceil(len(mono) * (sample_rate / recording.sample_rate))
    try:
        resampled = soxr.resample(mono, recording.sample_rate, sample_rate, quality="HQ")
    except (RuntimeError, ValueError, MemoryError) as error:
        raise AudioError(
            f"{recording.path!r} cannot be resampled from {recording.sample_rate} to {sample_rate} Hz: {error}."
        ) from error
    return _fit(resampled, length)


def _fit(samples, length):
    if len(samples) == length:
        return samples
    fitted = np.zeros(length, np.float32)
    kept = min(length, len(samples))
    fitted[:kept] = samples[:kept]
    return fitted


def _notes_on(mono):
    if len(mono) == 0:
        return Note(0)
    low, high = mono.min(), mono.max()
    if low == high:
        return Note.SILENT if low == 0 else Note.CONSTANT
    if max(high, -low) < 0.99:
        return Note(0)
    at_top = (mono == high) if high >= -low else (mono == low)
    return Note.CLIPPED if (at_top[2:] & at_top[1:-1] & at_top[:-2]).any() else Note(0)
