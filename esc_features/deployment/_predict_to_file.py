"""Hear recordings and write what was heard to a file, killed and run again as often as it takes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..exceptions import ModelError
from ._detections import kind_of, merge_detections, write_detections
from ._features_of import categories_of, clip_of
from ._hearing_bar import HearingBar
from ._journal import Journal
from ._model_file import load_model
from ._predict_windows import _BATCH, checked_hop, predict_chunks, windows_frame
from ._stretches import Stretch, stretches_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Heard:
    """What came of a prediction.

    Parameters
    ----------
    files : list of Path
        What was written.
    recordings, windows : int
        How many were heard.
    events : int, optional
        How many there are; None where windows were written.
    failures : dict of str to str
        Recordings that could not be read, and why.
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
) -> Heard:
    """Predict windows of recordings into a file, as the command `esc_features predict` does.

    What has been heard is kept beside the file, in ``OUT.partial``. The same call goes on after a kill and writes the
    bytes that an undisturbed one would have written; another model, hop or recording begins anew.

    Parameters
    ----------
    model : path-like
        File of the model.
    recordings : as for `predict_windows`
        What to hear.
    out : path-like
        As for `write_detections`.
    hop : float, optional
        Seconds from one window to the next; by default the length of a window.
    threshold : float or dict of str to float, optional
        Write events, as `merge_detections` makes them with this threshold. By default, windows are written to .csv and
        .parquet, and events of at least 0.5 to labels of Audacity and tables of Raven.
    gap : float, default=0.0
        Seconds between two windows that are still one event.
    n_jobs : int, default=-1
        As for `predict_windows`.
    trusted : sequence of str
        As for `load_model`.
    verbose : bool, default=False
        Whether to show a bar.

    Returns
    -------
    Heard
        The files, how many recordings, windows and events, and which recordings could not be read.
    """
    out = Path(out)
    kind = kind_of(out)
    if out.is_symlink() or not out.parent.is_dir():
        raise ModelError(f"{out} is a link, or its folder does not exist: give another name for the results.")
    if threshold is None and kind in ("audacity", "raven"):
        threshold = 0.5
    stretches = stretches_of(recordings)
    fitted = load_model(model, trusted=trusted)
    hop = checked_hop(hop, clip_of(fitted)[1])
    columns = categories_of(fitted)
    journal = Journal(out.with_name(f"{out.name}.partial"), _run_id(model, stretches, hop), len(columns))
    try:
        with HearingBar(stretches, verbose) as bar:
            for chunk in journal.chunks() if verbose else ():
                bar.heard_before(chunk)
            for chunk in predict_chunks(fitted, stretches, hop, n_jobs=n_jobs, done=journal.done):
                journal.write(chunk)
                bar.heard(chunk)
        heard = _write(journal, stretches, columns, out, threshold, gap)
    finally:
        journal.close()
    journal.remove()
    return heard


def _write(journal, stretches, columns, out, threshold, gap):
    import pandas as pd

    failures: dict[str, str] = {}
    windows = 0
    for chunk in journal.chunks():
        failures |= chunk.failures
        windows += len(chunk.stretch)
    frames = _recordings_in(journal, stretches, columns, failures)
    events = None
    if threshold is None:
        files = _write_windows(frames, columns, out)
    else:
        none = windows_frame([], stretches, columns)
        table = pd.concat([merge_detections(frame, threshold, gap) for frame in (none, *frames)], ignore_index=True)
        files, events = write_detections(table, out), len(table)
    named = {str(stretches[number]): reason for number, reason in failures.items()}
    return Heard(files, len(stretches) - len(failures), windows, events, named)


def _recordings_in(journal, stretches, columns, failures) -> Iterator[pd.DataFrame]:
    """The windows of one recording after the other."""
    import pandas as pd

    pieces = (
        (stretches[rows["stretch"].iloc[0]].name, rows.drop(columns="stretch"))
        for chunk in journal.chunks()
        if chunk.probabilities is not None
        for _, rows in _with_stretch(chunk, stretches, columns, failures).groupby("stretch", sort=False)
    )
    for _, same in groupby(pieces, key=lambda piece: piece[0]):
        yield pd.concat([rows for _, rows in same], ignore_index=True)


def _with_stretch(chunk, stretches, columns, failures):
    frame = windows_frame([chunk], stretches, columns, failures)
    return frame.assign(stretch=[number for number in chunk.stretch if number not in failures])


def _write_windows(frames, columns, out):
    """Write recording after recording, so that a thousand hours need no more memory than one."""
    none = windows_frame([], [], columns)
    part = out.with_name(f".{out.name}.part")
    try:
        if kind_of(out) == "parquet":
            _write_parquet(frames, none, part)
        else:
            with part.open("w", encoding="utf-8", newline="") as file:
                none.to_csv(file, index=False)
                for frame in frames:
                    frame.to_csv(file, index=False, header=False, float_format="%.6g")
                file.flush()
                os.fsync(file.fileno())
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return [out]


def _write_parquet(frames, none, part):
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError("A .parquet file needs pyarrow: pip install it, or write .csv.", name="pyarrow") from error
    schema = pyarrow.Table.from_pandas(none.astype({"filename": "str"}), preserve_index=False).schema
    with parquet.ParquetWriter(part, schema) as writer:
        for frame in frames:
            writer.write_table(pyarrow.Table.from_pandas(frame, schema=schema, preserve_index=False))


def _run_id(model, stretches: Sequence[Stretch], hop: float) -> str:
    """What a journal is of: the bytes of the model, the recordings as they are now, and the windows."""
    content = [hop, _BATCH, hashlib.sha256(Path(model).read_bytes()).hexdigest()]
    for stretch in stretches:
        try:
            status = os.stat(stretch.path)  # noqa: PTH116 - it may be a URL
            looks = [status.st_size, status.st_mtime_ns]
        except OSError:
            looks = []
        content.append([stretch.filename, stretch.path, stretch.start, str(stretch.end), *looks])
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()
