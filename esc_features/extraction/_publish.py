"""Begin files, with space for every row, and publish them once every row is complete."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._files import now
from .._platform import sync_folder
from .._suggest import list_some
from ..datasets import clip_keys, clip_name
from ..exceptions import StoreError
from ..storage import (
    PARTIAL,
    FeatureFacts,
    Header,
    create_file,
    find_features,
    read_column,
    read_header,
    read_rows,
    row_crc32,
    stored_keys,
    whole_rows,
)
from ._compute import Facts
from ._judge import Kept, WantedFile
from ._sinks import RowWriter

if TYPE_CHECKING:
    from ..lazy import ClipKey
    from ._plan import FilePlan, Plan

_NEW = ".new"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class BegunFile:
    """An unfinished file with all its space reserved, and which of its rows are done."""

    wanted: WantedFile
    header: Header
    done: np.ndarray

    @property
    def pending(self) -> np.ndarray:
        """Rows to compute, in order."""
        return np.flatnonzero(~self.done)


def begin(plans: Sequence[FilePlan]) -> list[BegunFile]:
    """Return the unfinished files of plans: those begun earlier, or new ones with the rows that can be kept.

    A file that was begun for other clips may hold rows that another file keeps, so it is replaced after all are copied.
    """
    with ThreadPoolExecutor(2) as pool:  # most of the time is spent on reserving space
        begun = list(pool.map(_begin, plans))
    for file in begun:
        if file.header.path != file.wanted.partial_path:
            _rename(file, file.wanted.partial_path)
    return [replace(file, header=replace(file.header, path=file.wanted.partial_path)) for file in begun]


def check_space(plans: Sequence[FilePlan], store: Path) -> None:
    """Raise StoreError if the disk has too little space for what is to be written."""
    folder = next(folder for folder in (store, *store.parents) if folder.exists())
    needed, free = sum(plan.size for plan in plans), shutil.disk_usage(folder).free
    if needed > free:
        raise StoreError(
            f"There is no space for {needed / 1e6:,.1f} MB of files: {free / 1e6:,.1f} MB are free in {folder}. "
            "Nothing was changed: free some space, or choose another folder with --out, and run the same command again."
        )


def _begin(plan: FilePlan) -> BegunFile:
    """Reserve the space of a file, under a temporary name if it is new, and find which of its rows are done."""
    wanted, kept = plan.wanted, plan.kept
    try:
        wanted.path.parent.mkdir(exist_ok=True)
        if kept is not None and kept.in_place:
            (header,) = kept.headers
            return BegunFile(wanted, header, (kept.rows >= 0) & whole_rows(header))
        begun = _create(wanted, kept)
        if kept is not None and kept.versions != wanted.versions and not begun.done.all():
            begun = _create(wanted, None)  # rows of two versions of a library must not meet in one file
        return begun
    except OSError as error:
        raise writing_failed(error, wanted) from error


def _create(wanted: WantedFile, kept: Kept | None) -> BegunFile:
    """Create a file with space for all rows, and copy the kept rows into it."""
    path = wanted.partial_path.with_name(wanted.partial_path.name + _NEW)
    feature = wanted.feature
    facts = FeatureFacts(
        feature=wanted.name,
        fold=wanted.fold,
        description=feature.description(),
        fingerprint=feature.fingerprint(),
        versions=wanted.versions if kept is None else kept.versions,
        created=now(),
    )
    dtype = np.dtype(feature.dtype).newbyteorder("<").str
    create_file(path, tuple(feature.output_shape()), dtype, wanted.clips, facts)
    begun = BegunFile(wanted, read_header(path), np.zeros(len(wanted.clips), bool))
    if kept is not None:
        with closing(RowWriter(begun.header)) as writer:
            for row, values, measured, checksum in _whole_rows_of(kept):
                writer.write(row, values, measured, checksum)
                begun.done[row] = True
            writer.flush()
    return begun


def _whole_rows_of(kept: Kept) -> Iterator[tuple[int, np.ndarray, Facts, int]]:
    """Yield the kept rows that match their checksums: new row number, values, facts, checksum."""
    for number in np.unique(kept.files[kept.files >= 0]).tolist():  # one open file at a time: there may be thousands
        header, new = kept.headers[number], np.flatnonzero(kept.files == number)
        old = kept.rows[new].tolist()
        checksums = read_column(header, "crc32").tolist()
        facts = list(zip(*(read_column(header, name).tolist() for name in Facts._fields), strict=True))
        for row, place, values in zip(new.tolist(), old, read_rows(header, old), strict=True):
            if row_crc32(values) == checksums[place]:
                yield row, values, Facts(*facts[place]), checksums[place]


def seal(begun: BegunFile) -> None:
    """Check every row of an unfinished file against its checksum, and sync the file to disk."""
    wanted, header = begun.wanted, begun.header
    wrong = np.flatnonzero(~whole_rows(header))
    if len(wrong):
        keys = clip_keys(wanted.clips)
        names = list_some(clip_name(*keys[row]) for row in wrong)
        raise StoreError(
            f"{header.path} has rows that do not match their checksums ({names}). Check the disk, then run the same "
            "command again: only these rows are computed again."
        )
    try:
        descriptor = os.open(header.path, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise writing_failed(error, wanted) from error


def moving_clips(sealed: Sequence[BegunFile]) -> set[ClipKey]:
    """Return the clips of sealed files that the published files of the same name do not have."""
    moving: set[ClipKey] = set()
    for begun in sealed:
        there: set[ClipKey] = set()
        with suppress(StoreError, FileNotFoundError):
            there.update(stored_keys(read_header(begun.wanted.path)))
        moving |= set(clip_keys(begun.wanted.clips)) - there
    return moving


def publish(sealed: Sequence[BegunFile]) -> None:
    """Rename sealed files to their published names, directly one after the other."""
    for begun in sealed:
        _rename(begun, begun.wanted.path)
    for folder in {begun.wanted.path.parent for begun in sealed}:
        sync_folder(folder)


def _rename(begun: BegunFile, name: Path) -> None:
    try:
        begun.header.path.replace(name)
    except OSError as error:
        raise writing_failed(error, begun.wanted) from error


def remove_left_over(plan: Plan, store: Path) -> None:
    """Remove files of the requested features that no clip needs any more: those of folds that are gone.

    A killed run can also leave its temporary files, of other features too, which only the holder of the lock writes;
    in a linked folder they may be those of another store.
    """
    needed = {file.wanted.path for file in plan.files}
    needed |= {file.wanted.partial_path for file in plan.files if file.state == "drifted"}
    names = {file.wanted.name for file in plan.files}
    left_over = {path for path in store.glob(f"*/*fold*.h5{PARTIAL}{_NEW}*") if not path.parent.is_symlink()}
    for folder in find_features(store):
        if folder.name in names:
            left_over |= {*folder.published.values(), *folder.partial.values()} - needed
    for path in left_over:
        path.unlink(missing_ok=True)


def writing_failed(error: OSError, wanted: WantedFile) -> StoreError:
    """Return the error to show when a file of a feature cannot be written."""
    return cannot_write(error, wanted.path, wanted.label)


def cannot_write(error: OSError, path: Path, label: str) -> StoreError:
    """Return the error to show when a file of the store cannot be written."""
    folder = path.parent
    if error.errno in _NO_SPACE:
        free = shutil.disk_usage(folder if folder.exists() else folder.parent).free
        return StoreError(
            f"There is no space for {label} ({os.strerror(error.errno)}; {free / 1e6:,.0f} MB free "
            f"in {folder}). What was computed is kept: free some space, or raise the limit on file sizes, and run the "
            "same command again."
        )
    return StoreError(
        f"{path} cannot be written ({error}). What was computed is kept: correct this and run the same command again."
    )
