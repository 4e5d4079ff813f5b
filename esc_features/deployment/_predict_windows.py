"""Probabilities over recordings of any length, window by window."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..audio import OpenRecording, Recording, WaveformSpec
from ..exceptions import AudioError
from ._features_of import categories_of, clip_of, probabilities_of
from ._progress_bar import ProgressBar
from ._segments import Segment, segments_of

if TYPE_CHECKING:
    import pandas as pd

# Number of windows that are read and computed together.
BATCH = 32


@dataclass
class Chunk:
    """Windows that are computed together, and their probabilities."""

    number: int
    #: Windows that were planned for it; those of broken recordings are missing below.
    planned: int = 0
    segment: list[int] = field(default_factory=list)
    start: list[float] = field(default_factory=list)
    end: list[float] = field(default_factory=list)
    recordings: list[Recording] = field(default_factory=list)
    probabilities: np.ndarray | None = None
    #: Segment -> why it could not be read to its end.
    failures: dict[int, str] = field(default_factory=dict)

    def leave_out(self, segment: int, reason: str) -> None:
        """Note why a segment cannot be read, and drop its windows that could be."""
        self.failures[segment] = reason
        kept = [i for i, number in enumerate(self.segment) if number != segment]
        for name in ("segment", "start", "end", "recordings"):
            setattr(self, name, [getattr(self, name)[i] for i in kept])


def predict_windows(
    model: Any,
    recordings: Any,
    hop: float | None = None,
    *,
    n_jobs: int | None = 1,
    categories: Sequence[str] | None = None,
    verbose: bool = False,
) -> pd.DataFrame:
    """Predict the probability of each category in each window of recordings of any length.

    A window is as long as the clips that the model was trained on, and is treated like one of them: decoded, resampled
    and padded separately, so that the probabilities are those of ``model.predict_proba`` for a file that holds only the
    window. The last window of a recording may end after the recording, and is then padded with silence. Each recording
    is opened once and decoded from start to end, and memory does not grow with its length.

    Parameters
    ----------
    model : estimator
        A fitted pipeline that starts with a feature, for instance from `load_model`.
    recordings : str or path, sequence of them, or DataFrame
        Files, folders, patterns (``"field/*.flac"``) and URLs; or a clip table, whose clips are each predicted from its
        ``start`` to its ``end``.
    hop : float, optional
        Seconds from one window to the next; by default the length of a window.
    n_jobs : int, default=1
        Number of threads that compute windows, -1 for one per core; ``joblib.parallel_config`` selects another backend,
        such as Dask. The numbers are the same in any case.
    categories : sequence of str, optional
        Names of the columns; by default those of the model's card, or its labels.
    verbose : bool, default=False
        Show a progress bar, with the speed relative to real time.

    Returns
    -------
    DataFrame
        One row per window: ``filename``, ``start`` and ``end`` (s, cut to the recording), and one float32 column per
        category. A model without `predict_proba` gets 1 for what it predicts and 0 for the others.
        ``attrs["failures"]`` names the recordings that could not be read, and why; they have no rows.

    Raises
    ------
    ModelError
        If the model does not start with a feature.
    AudioError
        If none of the recordings can be read.
    ValueError
        If there are no recordings, or `hop` is not above 0.

    See Also
    --------
    merge_detections : Merge windows into events.

    Examples
    --------
    >>> import numpy as np, soundfile
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from esc_features import MFCCStatistics, predict_windows
    >>> feature = MFCCStatistics(sample_rate=16000, duration=1.0)
    >>> noise = np.random.default_rng(0).normal(0, 0.1, (4, 16000))
    >>> model = make_pipeline(feature, LogisticRegression()).fit(noise, ["cat", "dog", "cat", "dog"])
    >>> soundfile.write("long.wav", noise.ravel(), 16000)
    >>> predict_windows(model, ["long.wav"], hop=1.5)[["filename", "start", "end"]]
       filename  start  end
    0  long.wav    0.0  1.0
    1  long.wav    1.5  2.5
    2  long.wav    3.0  4.0
    """
    segments = segments_of(recordings)
    clip_of(model)
    columns = list(categories) if categories is not None else categories_of(model)
    with ProgressBar(segments, verbose) as bar:
        chunks = [bar.add(chunk) for chunk in predict_chunks(model, segments, hop, n_jobs=n_jobs)]
    failures = {number: reason for chunk in chunks for number, reason in chunk.failures.items()}
    reasons = "\n".join(f"  {reason}" for reason in failures.values())
    if len(failures) == len(segments):
        raise AudioError(f"None of the recordings can be read:\n{reasons}")
    if failures:
        count = f"{len(failures)} of {len(segments)} recordings"
        warnings.warn(f"{count} cannot be read and have no windows:\n{reasons}", stacklevel=2)
    frame = windows_frame(chunks, segments, columns, failures)
    frame.attrs["failures"] = {segments[number].filename: reason for number, reason in failures.items()}
    return frame


def predict_chunks(
    model: Any,
    segments: Sequence[Segment],
    hop: float | None = None,
    *,
    n_jobs: int | None = 1,
    done: Collection[int] = (),
) -> Iterator[Chunk]:
    """Yield chunks with their probabilities, in order; those with a number in `done` are not read."""
    from joblib import Parallel, delayed

    rate, duration = clip_of(model)
    chunks = read_chunks(segments, duration, checked_hop(hop, duration), done)
    compute = delayed(_compute)
    parallel = Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator", pre_dispatch="n_jobs + 1", batch_size=1)
    yield from parallel(compute(model, WaveformSpec(rate, duration), chunk) for chunk in chunks)


def read_chunks(
    segments: Sequence[Segment], duration: float, hop: float, done: Collection[int] = ()
) -> Iterator[Chunk]:
    """Yield chunks of decoded windows; each recording is opened once and read in order of time.

    Which windows a chunk has depends only on the lengths of the recordings, not on what is done already or cannot be
    decoded: a run that continues after a kill numbers its chunks as the first one did.
    """
    chunk, broken = Chunk(0), set()
    for number, segment in enumerate(segments):
        try:
            recording = OpenRecording(segment.path)
        except AudioError as error:
            chunk.failures[number] = str(error)
            continue
        with recording:
            for start, end in _windows_of(recording, segment, duration, hop):
                if chunk.planned == BATCH:
                    if chunk.number not in done:
                        yield chunk
                    chunk = Chunk(chunk.number + 1)
                chunk.planned += 1
                if chunk.number in done or number in broken:
                    continue
                try:
                    # The duration decides where a window ends: the sum of two times can be off in the last digit.
                    read_to = segment.end if end == segment.end else math.inf
                    chunk.recordings.append(recording.read(start, read_to, duration))
                except AudioError as error:
                    broken.add(number)
                    chunk.leave_out(number, str(error))
                else:
                    chunk.segment.append(number)
                    chunk.start.append(start)
                    chunk.end.append(end)
    if chunk.number not in done:
        yield chunk


def windows_frame(
    chunks: Sequence[Chunk], segments: Sequence[Segment], columns: Sequence[str], left_out: Collection[int] = ()
) -> pd.DataFrame:
    """Make the table of chunks, without the windows of segments that are left out."""
    import pandas as pd

    chunks = [chunk for chunk in chunks if chunk.probabilities is not None]
    number, start, end = (
        np.concatenate([np.zeros(0), *(getattr(chunk, name) for chunk in chunks)])
        for name in ("segment", "start", "end")
    )
    probabilities = [chunk.probabilities for chunk in chunks if chunk.probabilities is not None]
    values = np.concatenate([np.zeros((0, len(columns)), np.float32), *probabilities])
    kept = ~np.isin(number, list(left_out))
    names = np.array([segment.filename for segment in segments], dtype=object)[number[kept].astype(int)]
    times = pd.DataFrame({"filename": names, "start": start[kept], "end": end[kept]})
    return pd.concat([times, pd.DataFrame(values[kept], columns=list(columns))], axis=1)


def checked_hop(hop: float | None, duration: float) -> float:
    """Return the seconds from one window to the next: those given, or the length of a window."""
    hop = duration if hop is None else hop
    if not 0 < hop < math.inf:
        raise ValueError(f"hop must be a number of seconds above 0, not {hop!r}.")
    return float(hop)


def _windows_of(recording, segment, duration, hop):
    """Yield start and end of each window; the last one is cut to the end of the segment."""
    stop = min(segment.end, recording.duration)
    length = stop - segment.start
    one_sample = 1 / recording.sample_rate
    count = 1 + max(0, math.ceil((length - duration - one_sample / 2) / hop))
    count = min(count, max(1, math.ceil((length - one_sample / 2) / hop)))  # a hop longer than a window
    for number in range(count):
        start = segment.start + number * hop
        yield start, min(start + duration, stop)


def _compute(model, spec, chunk):
    from ._one_thread import one_thread

    waveforms = []
    for number, recording in zip(list(chunk.segment), list(chunk.recordings), strict=True):
        try:
            waveforms.append((number, spec.waveform_of(recording)[0]))
        except AudioError as error:
            chunk.leave_out(number, str(error))
    chunk.recordings = []
    whole = [waveform for number, waveform in waveforms if number not in chunk.failures]
    if whole:
        with one_thread():
            chunk.probabilities = probabilities_of(model, np.stack(whole))
    return chunk
