"""A decoded segment of a recording."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Recording:
    """A decoded segment of an audio file: one channel at the sample rate of the file.

    Parameters
    ----------
    mono : ndarray of shape (n,), float32
        The average of the channels, cut to the requested duration.
    sample_rate : float
        Sample rate in Hz; files have whole numbers.
    channels : int
        Number of channels in the file.
    samples : int
        Number of samples per channel in the whole file.
    digest : int
        Digest of the file's bytes, as returned by `file_digest`.
    path : str, default=""
        The file, for messages.
    notes : int, default=0
        `Note` values about the file itself.
    start, end : float, default=0.0, inf
        The requested segment, in seconds; ``inf`` is the end of the file.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features.audio import Recording, WaveformSpec
    >>> silence = Recording(np.zeros(8000, np.float32), sample_rate=8000, channels=1, samples=8000, digest=0)
    >>> WaveformSpec(sample_rate=16000, duration=5.0).waveform_of(silence)[0].shape
    (80000,)
    """

    mono: np.ndarray
    sample_rate: float
    channels: int
    samples: int
    digest: int
    path: str = ""
    notes: int = 0
    start: float = 0.0
    end: float = math.inf

    @property
    def clip_samples(self) -> int:
        """Number of samples of the segment, of which `mono` may hold only the first."""
        return segment_of(self.start, self.end, self.sample_rate, self.samples)[1]


def segment_of(start: float, end: float, sample_rate: float, samples: int) -> tuple[int, int]:
    """Return the first sample of a segment and the number of its samples, rounded as `librosa.load` rounds them."""
    first = min(int(start * sample_rate), samples)
    rest = samples - first
    return first, rest if end == math.inf else min(int((end - start) * sample_rate), rest)
