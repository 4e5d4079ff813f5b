"""Reading the clips of a table, with the recording of the last clip kept open."""

from __future__ import annotations

import math
import os

from ._open_recording import OpenRecording
from ._recording import Recording


class RecordingReader:
    """Read clips one after the other, keeping the recording of the last clip open.

    Use it to read a clip table: a recording is opened and digested once if its clips are adjacent, however many there
    are, and samples that they share are decoded once.

    Examples
    --------
    >>> import soundfile, tempfile, pathlib
    >>> from esc_features.audio import RecordingReader
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "long.flac"
    >>> soundfile.write(path, [0.5] * 80000, 8000)
    >>> with RecordingReader() as recordings:
    ...     [len(recordings.read(path, start, start + 2).mono) for start in (0, 1, 2)]
    [16000, 16000, 16000]
    """

    def __init__(self) -> None:
        self._path: str | os.PathLike | None = None
        self._open: OpenRecording | None = None

    def read(
        self, path: str | os.PathLike, start: float = 0.0, end: float = math.inf, duration: float | None = None
    ) -> Recording:
        """Decode a segment of a recording, as `read_recording` does.

        Parameters
        ----------
        path : str or path-like
            A file, or a URL that fsspec supports.
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
            In the same cases as `read_recording`.
        """
        if self._open is None or path != self._path:
            self.close()
            self._open = OpenRecording(path)
            self._path = path
        return self._open.read(start, end, duration)

    def close(self) -> None:
        """Close the recording that is still open."""
        if self._open is not None:
            self._open.close()
        self._open = None

    def __enter__(self) -> RecordingReader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
