"""From a recording at its own rate and length to a waveform of a given rate and length."""

import math
from dataclasses import dataclass

import numpy as np
import soxr

from ..exceptions import AudioError
from ._notes import Note
from ._recording import Recording


@dataclass(frozen=True)
class WaveformSpec:
    """The rate and the length of a waveform: all that a feature specifies about how a recording is read.

    Equal specifications give equal waveforms, so features with the same one share the work.

    Parameters
    ----------
    sample_rate : int
        Samples per second, Hz.
    duration : float
        Seconds.

    Attributes
    ----------
    version : int
        Increment it whenever the same rate and duration give other samples.

    Examples
    --------
    >>> from esc_features.audio import WaveformSpec
    >>> WaveformSpec(sample_rate=16000, duration=5.0).n_samples
    80000
    """

    sample_rate: int
    duration: float

    version = 1

    @property
    def n_samples(self) -> int:
        """Samples per waveform."""
        return round(self.duration * self.sample_rate)

    def waveform_of(self, recording: Recording) -> tuple[np.ndarray, int]:
        """Bring a recording to this rate and length.

        It is cut to its first `duration` seconds, resampled by soxr's HQ resampler as ``librosa.resample`` does, and
        padded with zeros. Each stretch of a long recording is resampled by itself: the waveform of a window is that of
        a file that holds only the window, whatever surrounds it.

        Parameters
        ----------
        recording : Recording
            Decoded, for at least `duration`.

        Returns
        -------
        waveform : ndarray of shape (n_samples,), float32
        notes : int
            What was done and found, combined `Note` values.

        Raises
        ------
        AudioError
            The recording's sample rate is beyond what can be resampled.
        ValueError
            The recording was decoded for less than `duration`.
        """
        wanted = int(self.duration * recording.sample_rate)
        if len(recording.mono) < min(wanted, recording.clip_samples):
            raise ValueError(f"{recording.path!r} was decoded for less than duration={self.duration} s.")
        mono = recording.mono[:wanted]
        notes = recording.notes | _notes_on(mono) | self._note_on_length(recording, wanted)
        if recording.channels > 1:
            notes |= Note.MIXED_DOWN
        if recording.sample_rate != self.sample_rate:
            notes |= Note.RESAMPLED
            mono = self._resample(mono, recording)
        return self.cut_or_pad(mono), int(notes)

    def cut_or_pad(self, samples: np.ndarray) -> np.ndarray:
        """Cut a waveform that is at this rate already, or pad it with zeros.

        Parameters
        ----------
        samples : ndarray of shape (n,), float32

        Returns
        -------
        ndarray of shape (n_samples,), float32
            The array itself if it has the length already.
        """
        return _fit_length(samples, self.n_samples)

    def _note_on_length(self, recording: Recording, wanted: int) -> int:
        if recording.clip_samples > wanted:
            return Note.CUT
        # A window from 0.1 to 3.1 s is 3 s long but for the last digit of a float: no padding worth a note.
        as_long = recording.clip_samples == wanted - 1 and math.isclose(recording.end - recording.start, self.duration)
        return Note.PADDED if recording.clip_samples < wanted and not as_long else Note(0)

    def _resample(self, mono: np.ndarray, recording: Recording) -> np.ndarray:
        try:
            resampled = soxr.resample(mono, recording.sample_rate, self.sample_rate, quality="HQ")
        except (RuntimeError, ValueError, MemoryError) as error:
            raise AudioError(
                f"{recording.path!r} cannot be resampled from {recording.sample_rate} to {self.sample_rate} Hz: "
                f"{error}."
            ) from error
        # librosa's length: rounded up, whatever the resampler returns.
        return _fit_length(resampled, math.ceil(len(mono) * (self.sample_rate / recording.sample_rate)))


def _fit_length(samples: np.ndarray, length: int) -> np.ndarray:
    """Cut a float32 waveform or pad it with zeros; the array itself if it has the length already."""
    if len(samples) == length:
        return samples
    fitted = np.zeros(length, np.float32)
    kept = min(length, len(samples))
    fitted[:kept] = samples[:kept]
    return fitted


def _notes_on(mono: np.ndarray) -> int:
    if len(mono) == 0:
        return Note(0)
    low, high = mono.min(), mono.max()
    if low == high:
        return Note.SILENT if low == 0 else Note.CONSTANT
    if max(high, -low) < 0.99:
        return Note(0)
    at_top = (mono == high) if high >= -low else (mono == low)
    return Note.CLIPPED if (at_top[2:] & at_top[1:-1] & at_top[:-2]).any() else Note(0)
