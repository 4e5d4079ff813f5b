"""Finding out which process is writing to a store."""

import contextlib
import json
import os
from pathlib import Path

from .._platform import is_locked

LOCK_FILE = ".lock"


def writer_of(store: Path) -> str:
    """Return the holder of the lock of a store, such as "process 12 on host since ..."; "" if there is none."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with contextlib.suppress(OSError):
        descriptor = os.open(store / LOCK_FILE, flags)
        try:
            return holder_in(os.read(descriptor, 4096)) if is_locked(descriptor) else ""
        finally:
            os.close(descriptor)
    return ""


def holder_in(text: bytes) -> str:
    """Return the process named in a lock file, or "another process"."""
    try:
        holder = json.loads(text)
        name = f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
    return name if name.isprintable() else "another process"
