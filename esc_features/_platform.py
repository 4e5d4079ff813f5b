"""What operating systems do differently: positioned writes, reserved space, page hints and locks.

Each function uses the best call that the platform has, found by asking for it, and a plain one where it is missing.
"""

import contextlib
import mmap
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

_seek_and_write = threading.Lock()


def write_at(descriptor: int, data, offset: int) -> None:
    """Write all of `data` (bytes-like, contiguous) at `offset`, without moving a file position that others use."""
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
    """Give the file `size` bytes on the disk now, so that a full disk is an error here and not in the middle."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    # Writing zeros would destroy what a resumed file holds, so only what lies past its end is written.
    zeros = bytes(1 << 20)
    end = os.lseek(descriptor, 0, os.SEEK_END)
    while end < size:
        part = zeros[: size - end]
        write_at(descriptor, part, end)
        end += len(part)


def will_need(mapping: mmap.mmap, ranges: Iterable[Sequence[int]]) -> None:
    """Tell the kernel which byte ranges (start, length) of a memory map are read next, where it can be told."""
    if not hasattr(mmap, "MADV_WILLNEED"):
        return
    page = mmap.PAGESIZE
    for start, length in ranges:
        first = start - start % page
        mapping.madvise(mmap.MADV_WILLNEED, first, length + start - first)


def read_ahead(paths: Iterable[str], most: int = 4 << 20) -> None:
    """Let the kernel fetch the first `most` bytes of files that are read soon, where it can be told and they open."""
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
    """Return how often this thread (this process, where threads are not told apart) waited for mapped bytes to be read.

    It grows when a page of a memory map is not in the page cache: at the first reading, and after the kernel took it
    back. Always 0 where this is not counted.
    """
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)).ru_majflt


def try_lock(descriptor: int) -> bool:
    """Take the operating system's lock on an open file; False where another process holds it.

    The lock ends with the process, however it ends: nothing stale can be left behind.
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
    """Return whether a process holds the lock on an open file; where one cannot ask without taking it, False."""
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

    # A byte far behind the text: Windows locks are mandatory, and others must be able to read who holds it.
    os.lseek(descriptor, 1 << 30, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        return False
    return True


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` survive a power cut, where folders can be synchronised."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
