"""Predict recordings into a file; after a kill, the same call continues."""

from __future__ import annotations

import glob
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._archive import check_replaceable
from ._detections import kind_of, merge_detections, write_detections, write_tables
from ._features_of import categories_of, clip_of
from ._journal import Journal
from ._model_file import load_model
from ._predict_windows import BATCH, checked_hop, predict_chunks, windows_frame
from ._progress_bar import ProgressBar
from ._segments import Segment, segments_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class PredictionSummary:
    """What `predict_to_file` did.

    Parameters
    ----------
    files : list of Path
        The files that were written.
    recordings, windows : int
        How many were predicted.
    events : int, optional
        How many were written; None if windows were written.
    failures : dict of str to str
        Recording -> why it could not be read.

    Examples
    --------
    >>> from pathlib import Path
    >>> from esc_features.deployment import PredictionSummary
    >>> PredictionSummary([Path("d.csv")], recordings=2, windows=1440, events=None, failures={}).windows
    1440
    """

    files: list[Path]
    recordings: int
    windows: int
    events: int | None
    failures: dict[str, str]


def predict_to_file(
    model: str | os.PathLike,
    recordings: Any,
    out: str | os.PathLike,
    *,
    hop: float | None = None,
    threshold: float | Mapping[str, float] | None = None,
    gap: float = 0.0,
    n_jobs: int | None = -1,
    trusted: Sequence[str] = (),
    verbose: bool = False,
) -> PredictionSummary:
    """Predict windows of recordings into a file, as the command `esc_features predict` does.

    Results so far are kept beside the file, in ``OUT.partial``. After a kill, the same call continues and writes the
    same bytes as an uninterrupted one; with another model, hop or recording, it starts again.

    Parameters
    ----------
    model : path-like
        File of the model.
    recordings : as for `predict_windows`
        What to predict.
    out : path-like
        As for `write_detections`.
    hop : float, optional
        Seconds from one window to the next; by default the length of a window.
    threshold : float or dict of str to float, optional
        Write events, as `merge_detections` returns them for this threshold. By default, windows are written to .csv and
        .parquet files, and events with a threshold of 0.5 to files of Audacity and Raven.
    gap : float, default=0.0
        Seconds between two windows that are still one event.
    n_jobs : int, default=-1
        As for `predict_windows`.
    trusted : sequence of str, default=()
        As for `load_model`.
    verbose : bool, default=False
        Show a progress bar.

    Returns
    -------
    PredictionSummary
        The files, how many recordings, windows and events, and which recordings could not be read.

    Raises
    ------
    ModelError
        If the model cannot be loaded or does not start with a feature, or the file cannot be written.
    ValueError
        If there are no recordings, `hop` is not above 0, or the suffix of `out` is unknown.

    Examples
    --------
    >>> from esc_features.deployment import predict_to_file
    >>> predict_to_file("dogs.esc", "nights/", "detections.csv", threshold=0.7).events  # doctest: +SKIP
    31
    """
    out = Path(out)
    kind = kind_of(out)
    check_replaceable(out)
    if threshold is None and kind in ("audacity", "raven"):
        threshold = 0.5
    segments = segments_of(recordings)
    fitted = load_model(model, trusted=trusted)
    hop = checked_hop(hop, clip_of(fitted)[1])
    columns = categories_of(fitted)
    journal = Journal(out.with_name(f"{out.name}.partial"), _run_id(model, segments, hop), len(columns))
    try:
        with ProgressBar(segments, verbose) as bar:
            for chunk in journal.chunks() if verbose else ():
                bar.skip(chunk)
            for chunk in predict_chunks(fitted, segments, hop, n_jobs=n_jobs, done=journal.done):
                journal.write(chunk)
                bar.add(chunk)
        for part in out.parent.glob(f".{glob.escape(out.name)}.*.part"):  # of a run that was killed while it wrote
            part.unlink()
        summary = _write(journal, segments, columns, out, threshold, gap)
    finally:
        journal.close()
    journal.remove()
    return summary


def _write(journal, segments, columns, out, threshold, gap):
    import pandas as pd

    failures: dict[int, str] = {}
    counts: Counter[int] = Counter()
    for chunk in journal.chunks():
        failures |= chunk.failures
        counts.update(chunk.segment)
    # One table at a time, so that a thousand hours need no more memory than one; the empty one has the columns.
    tables = chain([windows_frame([], [], columns)], _recordings_in(journal, segments, columns, failures))
    files, events = [out], None
    if threshold is None:
        write_tables(tables, out)
    else:
        table = pd.concat([merge_detections(windows, threshold, gap) for windows in tables], ignore_index=True)
        files, events = write_detections(table, out), len(table)
    named = {str(segments[number]): reason for number, reason in failures.items()}
    windows = sum(count for number, count in counts.items() if number not in failures)
    return PredictionSummary(files, len(segments) - len(failures), windows, events, named)


def _recordings_in(journal, segments, columns, failures) -> Iterator[pd.DataFrame]:
    """Yield one table of windows per recording."""
    import pandas as pd

    pieces = (
        rows
        for chunk in journal.chunks()
        for table in [windows_frame([chunk], segments, columns, failures)]
        for _, rows in table.groupby((table["filename"] != table["filename"].shift()).cumsum())
    )
    for _, same in groupby(pieces, key=lambda rows: rows["filename"].iloc[0]):
        yield pd.concat(list(same), ignore_index=True)


def _run_id(model, segments: Sequence[Segment], hop: float) -> str:
    """Return a digest of what the results depend on: the model's bytes, the current recordings, and the windows."""
    content = [hop, BATCH, hashlib.sha256(Path(model).read_bytes()).hexdigest()]
    for segment in segments:
        try:
            status = os.stat(segment.path)  # noqa: PTH116 - it may be a URL
            looks = [status.st_size, status.st_mtime_ns]
        except OSError:
            looks = []
        content.append([segment.filename, segment.path, segment.start, str(segment.end), *looks])
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()
