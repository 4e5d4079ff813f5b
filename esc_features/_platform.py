"""Calls that differ between operating systems: positioned writes, reserved space, page hints and locks.

Each function uses the best call that the platform offers, or a portable one.
"""

import contextlib
import mmap
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

_seek_and_write = threading.Lock()


def write_at(descriptor: int, data, offset: int) -> None:
    """Write all of `data` (bytes-like, contiguous) at `offset`, whatever the file position, which others move."""
    view = memoryview(data).cast("B")
    while len(view):
        if hasattr(os, "pwrite"):
            written = os.pwrite(descriptor, view, offset)
        else:
            with _seek_and_write:
                os.lseek(descriptor, offset, os.SEEK_SET)
                written = os.write(descriptor, view)
        view, offset = view[written:], offset + written


def reserve_space(descriptor: int, size: int) -> None:
    """Allocate `size` bytes on disk for a file now, so that a full disk raises an error here and not later."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    # A resumed file has content that zeros would overwrite, so only the part beyond its end is written.
    zeros = bytes(1 << 20)
    end = os.lseek(descriptor, 0, os.SEEK_END)
    while end < size:
        part = zeros[: size - end]
        write_at(descriptor, part, end)
        end += len(part)


def will_need(mapping: mmap.mmap, ranges: Iterable[Sequence[int]]) -> None:
    """Tell the kernel which byte ranges (start, length) of a memory map will be read next, if the platform can."""
    if not hasattr(mmap, "MADV_WILLNEED"):
        return
    page = mmap.PAGESIZE
    for start, length in ranges:
        first = start - start % page
        mapping.madvise(mmap.MADV_WILLNEED, first, length + start - first)


def read_ahead(paths: Iterable[str], most: int = 4 << 20) -> None:
    """Ask the kernel to fetch the first `most` bytes of files that will be read soon; skip those that do not open."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in paths:
        # O_NONBLOCK: opening a pipe would wait for a writer.
        with contextlib.suppress(OSError, ValueError):
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                os.posix_fadvise(descriptor, 0, most, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(descriptor)


def waits_for_disk() -> int:
    """Return how often this thread waited for mapped bytes to be read (the process, if threads are not counted).

    The count grows when a page of a memory map is not in the page cache: when it is read for the first time, or after
    the kernel has evicted it. It is always 0 if the platform does not count this.
    """
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)).ru_majflt


def try_lock(descriptor: int) -> bool:
    """Take the operating system's lock on an open file; return False if another process holds it.

    The system releases the lock when the process ends, however it ends.
    """
    try:
        import fcntl
    except ImportError:
        return _try_lock_on_windows(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(descriptor: int) -> bool:
    """Return whether a process holds the lock on an open file; False if the platform cannot tell."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def _try_lock_on_windows(descriptor: int) -> bool:
    import msvcrt

    # A byte far beyond the text: locks of Windows are mandatory, and other processes must be able to read the text.
    os.lseek(descriptor, 1 << 30, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        return False
    return True


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` survive a power failure, if the platform can synchronise folders."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
