"""The two ends of a file's making: created with room for every row, and published when every row is whole."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._platform import reserve_space, sync_folder
from ..exceptions import StoreError
from ..storage import FeatureFacts, Header, create_file, read_column, read_header, row_crc32, whole_rows
from ._compute import Facts
from ._judge import Kept, WantedFile
from ._sinks import RowWriter, open_partial

if TYPE_CHECKING:
    from ._plan import FilePlan

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class BegunFile:
    """An unfinished file with all its space reserved, and which of its rows are there already."""

    wanted: WantedFile
    header: Header
    done: np.ndarray

    @property
    def pending(self) -> np.ndarray:
        """Rows to compute, in order."""
        return np.flatnonzero(~self.done)


def begin(plan: FilePlan) -> BegunFile:
    """Return the unfinished file of a plan: the one that was begun, or a new one with the rows that can be kept."""
    wanted, kept = plan.wanted, plan.verdict.kept
    path = wanted.partial_path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if kept is None or not kept.in_place:
            done = _create(wanted, kept)
            header = read_header(path)
        else:
            header = kept.header
            done = (kept.rows >= 0) & whole_rows(header)
            _reserve(path)
    except OSError as error:
        raise writing_failed(error, wanted) from error
    return BegunFile(wanted, header, done)


def _create(wanted: WantedFile, kept: Kept | None) -> np.ndarray:
    """Create the unfinished file, with the rows that are kept; under its name it is complete but for other rows."""
    path = wanted.partial_path.with_name(wanted.partial_path.name + ".new")
    feature = wanted.feature
    facts = FeatureFacts(
        feature=wanted.name,
        fold=wanted.fold,
        description=feature.description(),
        fingerprint=feature.fingerprint(),
        versions=wanted.versions,
        created=now(),
    )
    dtype = np.dtype(feature.dtype).newbyteorder("<").str
    create_file(path, tuple(feature.output_shape()), dtype, wanted.clips, facts)
    done = np.zeros(len(wanted.clips), bool)
    if kept is not None:
        with closing(RowWriter(read_header(path))) as writer:
            for row, values, facts in _whole_rows_of(kept):
                writer.write(row, values, facts)
                done[row] = True
            writer.flush()
    path.replace(wanted.partial_path)
    return done


def _reserve(path: Path) -> None:
    descriptor = open_partial(path, os.O_RDWR)
    try:
        reserve_space(descriptor, path.stat().st_size)
    finally:
        os.close(descriptor)


def _whole_rows_of(kept: Kept) -> Iterator[tuple[int, np.ndarray, Facts]]:
    """Give the rows to keep that are what was written, with their new places and what is known about them."""
    header, data = kept.header, kept.header.data
    checksums = read_column(header, "crc32")
    facts = np.stack([read_column(header, name).astype(object) for name in Facts._fields], axis=1)
    with header.path.open("rb") as file:
        for row in np.flatnonzero(kept.rows >= 0).tolist():
            old = kept.rows[row]
            file.seek(data.offset_of(int(old)))
            values = np.frombuffer(file.read(data.row_bytes), data.dtype).reshape(data.shape)
            if row_crc32(values) == checksums[old]:
                yield row, values, Facts(*facts[old])


def publish(begun: BegunFile) -> None:
    """Check every row of an unfinished file against its checksum and give the file its name."""
    wanted, header = begun.wanted, begun.header
    wrong = np.flatnonzero(~whole_rows(header))
    if len(wrong):
        names = ", ".join(wanted.clips["filename"][wrong[:5]])
        raise StoreError(
            f"{header.path}: {len(wrong)} rows are not what was written ({names}). Check the disk, then run the same "
            "command again: only these rows are computed anew."
        )
    try:
        descriptor = os.open(header.path, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        header.path.replace(wanted.path)
        sync_folder(wanted.path.parent)
    except OSError as error:
        raise writing_failed(error, wanted) from error


def writing_failed(error: OSError, wanted: WantedFile) -> StoreError:
    """Return the error to show when a file of a feature cannot be written."""
    return cannot_write(error, wanted.path, wanted.label)


def cannot_write(error: OSError, path: Path, label: str) -> StoreError:
    """Return the error to show when a file of the store cannot be written."""
    folder = path.parent
    if error.errno in _NO_SPACE:
        free = shutil.disk_usage(folder if folder.exists() else folder.parent).free
        return StoreError(
            f"No space for {label} ({os.strerror(error.errno)}; {free / 1e6:,.0f} MB free "
            f"in {folder}). What was computed is kept: free some space, or raise the limit on file sizes, and run the "
            "same command again."
        )
    return StoreError(
        f"{path} cannot be written ({error}). What was computed is kept: correct this and run the same command again."
    )


def now() -> str:
    """Return the time that files say they were made at; of SOURCE_DATE_EPOCH, so that two runs give the same bytes."""
    seconds = float(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
