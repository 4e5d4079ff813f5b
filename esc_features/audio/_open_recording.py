"""A recording that is opened once, and of which many segments are read."""

from __future__ import annotations

import math
import os

import numpy as np

from ..exceptions import AudioError
from ._decoding import LibsndfileSamples, Pcm16Samples, UnusableError, samples_in
from ._recording import Recording, segment_of
from ._source import open_source, open_stream, path_name

# Louder than any recording, 32-bit integers stored as floats included, yet its power spectrum fits into float32.
LOUDEST = 1e12
# Samples per second; above that of any sound, and resampling would take minutes.
_FASTEST = 10_000_000
# Seconds by which a segment may end after its recording: the times in clip tables are rounded.
END_TOLERANCE = 0.01


class OpenRecording:
    """A recording that is opened, checked and digested once, and of which any number of segments can be read.

    Use it for windows of long recordings. Memory does not grow with the length of the file: a file of up to 64 MB is
    held in memory, and of any file the segment read last. Segments may overlap and may be read in any order; in
    chronological order, each sample is decoded once. The samples are the same, whatever was read before:

    - WAV, FLAC, AIFF and other lossless formats: those of ``librosa.load(path, sr=None, offset=start,
      duration=end - start)``, bit for bit.
    - MP3 and OGG: those of ``librosa.load(path, sr=None)`` at that position, bit for bit. (With an ``offset``, librosa
      seeks, and the first samples that these decoders return after a seek differ.) Reading backwards decodes from the
      start again.

    Parameters
    ----------
    path : str or path-like
        A file that libsndfile can read, recognised by content and not by name, or a URL that fsspec supports.

    Attributes
    ----------
    path : str
        The file or URL.
    sample_rate, channels, samples, digest, notes : int
        As in `Recording`.
    duration : float
        Length of the recording, in seconds.

    Raises
    ------
    AudioError
        If the file is missing, not a regular file, not audio, cut short or empty; the message says which and why.

    Examples
    --------
    >>> import soundfile, tempfile, pathlib
    >>> from esc_features.audio import OpenRecording
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "long.wav"
    >>> soundfile.write(path, [0.5] * 80000, 8000)
    >>> with OpenRecording(path) as recording:
    ...     [len(recording.read(start, start + 3).mono) for start in (0, 1.5, 3)]
    [24000, 24000, 24000]
    """

    def __init__(self, path: str | os.PathLike):
        source = open_source(path)
        self.path, self.digest, self._stream = source.path, source.digest, source.stream
        try:
            self._file = _usable_samples(source.stream, source.length, source.path)
        except BaseException:
            self.close()
            raise
        self.sample_rate, self.channels = self._file.sample_rate, self._file.channels
        self.samples, self.notes = self._file.samples, int(self._file.notes)

    @property
    def duration(self) -> float:
        """Length of the recording, in seconds."""
        return self.samples / self.sample_rate

    def read(self, start: float = 0.0, end: float = math.inf, duration: float | None = None) -> Recording:
        """Decode a segment and average its channels.

        Parameters
        ----------
        start, end : float, default=0.0, inf
            The segment, in seconds; ``inf`` is the end of the recording.
        duration : float, default=None
            Seconds to decode from the start of the segment; None decodes all of it.

        Returns
        -------
        Recording
            The samples, with the facts about the file.

        Raises
        ------
        AudioError
            If the segment is empty, reversed or reaches beyond the recording, or if the file is damaged there or holds
            NaN or infinity. The message names the file, the segment and the cause.
        """
        self._check_segment(start, end)
        first, count = segment_of(start, end, self.sample_rate, self.samples)
        if duration is not None:
            count = min(count, int(duration * self.sample_rate))
        if count < 1:
            length = end - start if duration is None else min(end - start, duration)
            raise AudioError(f"{self.path!r} has no sample in {length} s: its sample rate is {self.sample_rate} Hz.")
        try:
            frames = self._file.read(first, count)
        except UnusableError as reason:
            raise AudioError(f"{self.path!r} {reason}") from reason.__cause__
        mono = _mono(frames)
        _check_finite(mono, first, self.path)
        return Recording(
            mono, self.sample_rate, self.channels, self.samples, self.digest, self.path, self.notes, start, end
        )

    def _check_segment(self, start: float, end: float) -> None:
        if not (0 <= start < math.inf and end > start):
            raise AudioError(
                f"{self.path!r} from {start} to {end} s is not a segment of a recording: start must be at least 0 s, "
                "and end must be after it. Correct the clip table."
            )
        if start >= self.duration or self.duration + END_TOLERANCE < end < math.inf:
            raise AudioError(
                f"{self.path!r} is {self.duration:.6g} s long and has no segment from {start:.6g} to {end:.6g} s. "
                "Correct the clip table."
            )

    def close(self) -> None:
        """Close the file; segments that were read stay valid."""
        self._stream.close()

    def __enter__(self) -> OpenRecording:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def read_recording(
    path: str | os.PathLike, start: float = 0.0, end: float = math.inf, duration: float | None = None
) -> Recording:
    """Decode an audio file, or a segment of it, and average its channels.

    Use it for a single segment; `OpenRecording` reads many segments of a file without opening and digesting it each
    time. All formats of libsndfile are read (WAV, FLAC, OGG, MP3 and more) and recognised by content, not by name.
    The samples are those of ``librosa.load(path, sr=None, offset=start, duration=min(end - start, duration))``, bit
    for bit; see `OpenRecording` for MP3 and OGG.

    Parameters
    ----------
    path : str or path-like
        A file, or a URL that fsspec supports (``http://``, ``s3://``, ``memory://``, ...), which is downloaded.
    start, end : float, default=0.0, inf
        The segment, in seconds; ``inf`` is the end of the file.
    duration : float, default=None
        Seconds to decode from the start of the segment; None decodes all of it.

    Returns
    -------
    Recording
        The samples, with the facts about the file.

    Raises
    ------
    AudioError
        If the file is missing, not a regular file, not audio, cut short or empty, does not have the segment, or holds
        NaN or infinity, or if a download failed. The message names the file and the cause.

    Examples
    --------
    >>> import soundfile, tempfile, pathlib
    >>> from esc_features.audio import read_recording
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "tone.wav"
    >>> soundfile.write(path, [[0.5, 0.25]] * 100, 8000)
    >>> recording = read_recording(path)
    >>> recording.mono[:2], recording.channels, recording.sample_rate
    (array([0.375, 0.375], dtype=float32), 2, 8000)
    >>> len(read_recording(path, start=0.005, end=0.01).mono)
    40
    """
    with OpenRecording(path) as recording:
        return recording.read(start, end, duration)


def recording_duration(path: str | os.PathLike) -> float:
    """Return the length of a recording, from its header.

    Parameters
    ----------
    path : str or path-like
        A file, or a URL that fsspec supports, which is downloaded.

    Returns
    -------
    float
        Length in seconds.

    Raises
    ------
    AudioError
        If the file is missing, not a regular file, not audio, cut short or empty.

    Examples
    --------
    >>> import soundfile, tempfile, pathlib
    >>> from esc_features.audio import recording_duration
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "tone.wav"
    >>> soundfile.write(path, [0.5] * 100, 8000)
    >>> recording_duration(path)
    0.0125
    """
    name = path_name(path)
    with open_stream(name) as stream:
        length = stream.seek(0, os.SEEK_END)
        file = _usable_samples(stream, length, name)
        return file.samples / file.sample_rate


def _usable_samples(stream, length: int, path: str) -> Pcm16Samples | LibsndfileSamples:
    try:
        file = samples_in(stream, length)
    except UnusableError as reason:
        raise AudioError(f"{path!r} {reason}") from reason.__cause__
    if file.samples == 0:
        raise AudioError(f"{path!r} holds no samples: no audio follows its header. Get the file again.")
    if not 1 <= file.sample_rate <= _FASTEST:
        raise AudioError(
            f"{path!r} has a sample rate of {file.sample_rate} Hz: its header is damaged. Get the file again."
        )
    return file


def _mono(frames: np.ndarray) -> np.ndarray:
    """Average the channels of an array of shape (samples, channels)."""
    if frames.shape[1] == 1:
        return frames[:, 0]
    if frames.shape[1] == 2:  # the same bits as below in a thirtieth of the time
        return np.add(frames[:, 0], frames[:, 1]) * np.float32(0.5)
    return frames.mean(axis=1)


def _check_finite(mono: np.ndarray, first: int, path: str) -> None:
    peak = max(mono.max(), -mono.min())
    if peak <= LOUDEST:  # false for NaN
        return
    bad = first + np.flatnonzero(~np.isfinite(mono))
    if len(bad):
        raise AudioError(
            f"{path!r} has {len(bad)} samples that are NaN or infinite, the first is number {bad[0]}. "
            "Replace or remove the recording."
        )
    raise AudioError(
        f"{path!r} has samples as large as {peak:.3g}: full scale is 1, so this is not sound. "
        "Replace or remove the recording."
    )
