"""Conversion of a recording to a waveform of a given sample rate and length."""

import math
from dataclasses import dataclass

import numpy as np
import soxr

from ..exceptions import AudioError
from ._notes import Note
from ._recording import Recording


@dataclass(frozen=True)
class WaveformSpec:
    """The sample rate and length of a waveform: all that a feature specifies about how a recording is read.

    Equal specifications give equal waveforms, so features with the same specification share the work.

    Parameters
    ----------
    sample_rate : int
        Sample rate in Hz.
    duration : float
        Length in seconds.

    Attributes
    ----------
    version : int
        Version of the algorithm. Increment it whenever the same rate and duration give other samples.

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
        """Number of samples per waveform."""
        return round(self.duration * self.sample_rate)

    def waveform_of(self, recording: Recording) -> tuple[np.ndarray, int]:
        """Convert a recording to this sample rate and length.

        The recording is cut to its first `duration` seconds, resampled by soxr's HQ resampler as in
        ``librosa.resample``, and padded with zeros. Each segment of a long recording is resampled separately: the
        waveform of a window does not depend on the audio around it.

        Parameters
        ----------
        recording : Recording
            A segment of which at least `duration` seconds were decoded, or all of it.

        Returns
        -------
        waveform : ndarray of shape (n_samples,), float32
            The waveform.
        notes : int
            What was done and found, as combined `Note` values.

        Raises
        ------
        AudioError
            If the recording cannot be resampled from its sample rate.
        ValueError
            If less than `duration` of the recording was decoded.
        """
        wanted = int(self.duration * recording.sample_rate)
        if len(recording.mono) < min(wanted, recording.clip_samples):
            raise ValueError(
                f"{recording.path!r} was decoded for less than duration={self.duration} s. Read a longer segment."
            )
        mono = recording.mono[:wanted]
        notes = recording.notes | _notes_on(mono) | self._note_on_length(recording, wanted)
        if recording.channels > 1:
            notes |= Note.MIXED_DOWN
        if recording.sample_rate != self.sample_rate:
            notes |= Note.RESAMPLED
            mono = self._resample(mono, recording)
        return self.cut_or_pad(mono), int(notes)

    def cut_or_pad(self, samples: np.ndarray) -> np.ndarray:
        """Cut a waveform of this sample rate to this length, or pad it with zeros.

        Parameters
        ----------
        samples : ndarray of shape (n,), float32
            A waveform at `sample_rate`.

        Returns
        -------
        ndarray of shape (n_samples,), float32
            The waveform; the array itself if it already has this length.
        """
        return _fit_length(samples, self.n_samples)

    def _note_on_length(self, recording: Recording, wanted: int) -> int:
        if recording.clip_samples > wanted:
            return Note.CUT
        # A window from 0.1 to 3.1 s is 3 s long except for a rounding error: such padding is not worth a note.
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
        # As in librosa, the length is rounded up, whatever the resampler returns.
        return _fit_length(resampled, math.ceil(len(mono) * (self.sample_rate / recording.sample_rate)))


def _fit_length(samples: np.ndarray, length: int) -> np.ndarray:
    """Cut a float32 waveform or pad it with zeros; return the array itself if it already has this length."""
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
