"""One extractor a store at a time."""

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from .._platform import try_lock
from ..exceptions import StoreError, StoreLockedError


@contextlib.contextmanager
def store_lock(store: Path) -> Iterator[None]:
    """Hold the store for writing, or raise StoreLockedError that names the process which does."""
    path = store / ".lock"
    try:
        store.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise StoreError(
            f"{store} cannot be written ({error.strerror}). Get permission, or choose another folder with --out."
        ) from error
    try:
        if not try_lock(descriptor):
            raise StoreLockedError(f"{store} is being written by {_read_holder(path)}. Wait for it or stop it.")
        holder = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
        }
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, json.dumps(holder).encode())
        yield
    finally:
        os.close(descriptor)


def _read_holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (OSError, ValueError, KeyError):
        return "another process"
