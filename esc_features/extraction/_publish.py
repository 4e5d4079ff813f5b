"""The two ends of a file's making: created with room for every row, and published when every row is whole."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._platform import fill_with_large_pages, reserve_space, sync_folder
from ..exceptions import StoreError
from ..storage import FORMAT, FORMAT_VERSION, Header, create_file, read_header, whole_rows
from ._compute import open_partial

if TYPE_CHECKING:
    from ._plan import FoldPlan

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def begin(plan: FoldPlan, dataset: str, folds: list[int], versions: dict[str, str]) -> Header:
    """Return the header of the partial file of a plan, created where it is missing, with all its space reserved."""
    path = plan.partial_path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if plan.done is None:
            path.unlink(missing_ok=True)
            attributes = {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "dataset": dataset,
                "feature": plan.name,
                "fold": plan.fold,
                "folds": np.array(folds, "<i8"),
                "description": json.dumps(plan.feature.description(), sort_keys=True),
                "fingerprint": plan.feature.fingerprint(),
                "versions": json.dumps(versions, sort_keys=True),
                "audio_folder": _audio_folder(plan),
                "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(_now())),
            }
            shape = tuple(plan.feature.output_shape())
            create_file(path, shape, np.dtype(plan.feature.dtype).newbyteorder("<").str, plan.clips, attributes)
        header = read_header(path)
        descriptor = open_partial(path, os.O_RDWR)
        try:
            reserve_space(descriptor, path.stat().st_size)
            data = header.data
            if plan.done is None and data.count * data.row_bytes <= _most_to_fill():
                fill_with_large_pages(descriptor, data.offset, data.offset_of(data.count))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise writing_failed(error, plan) from error
    except RuntimeError as error:  # what libhdf5 raises where a file cannot be completed
        raise writing_failed(_as_os_error(error, path), plan) from error
    return header


def _most_to_fill() -> int:
    # Of larger files, or with little memory, the zeros would be on the disk before the rows: everything written twice.
    if sys.platform != "linux":
        return 0
    return min(256 << 20, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 64)


def publish(plan: FoldPlan, header: Header) -> None:
    """Check every row of a partial file against its checksum and give the file its name."""
    wrong = np.flatnonzero(~whole_rows(header))
    if len(wrong):
        names = ", ".join(plan.clips["filename"][wrong[:5]])
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
        header.path.replace(plan.path)
        sync_folder(plan.path.parent)
    except OSError as error:
        raise writing_failed(error, plan) from error


def writing_failed(error: OSError, plan: FoldPlan) -> StoreError:
    """Return the error to show when a file of the store cannot be written."""
    folder = plan.path.parent
    if error.errno in _NO_SPACE:
        free = shutil.disk_usage(folder if folder.exists() else folder.parent).free
        return StoreError(
            f"No space for {plan.name}/fold{plan.fold} ({os.strerror(error.errno)}; {free / 1e6:,.0f} MB free "
            f"in {folder}). What was computed is kept: free some space, or raise the limit on file sizes, and run the "
            "same command again."
        )
    return StoreError(
        f"{plan.path} cannot be written ({error}). What was computed is kept: correct this and run the same "
        "command again."
    )


def _as_os_error(error: RuntimeError, path: Path) -> OSError:
    found = re.search(r"errno = (\d+)", str(error))
    number = int(found[1]) if found else errno.EIO
    return OSError(number, os.strerror(number), str(path))


def _audio_folder(plan: FoldPlan) -> str:
    """Return the folder that the file names of the table start from: where the recordings can be found again."""
    path, filename = Path(plan.clips["path"][0]), Path(plan.clips["filename"][0])
    return str(path.parents[len(filename.parts) - 1])


def _now() -> float:
    # The convention of reproducible builds: with it set, two runs give the same bytes.
    return float(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
