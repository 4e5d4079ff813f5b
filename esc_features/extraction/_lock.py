"""One extraction at a time per store."""

import contextlib
import json
import os
import socket
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .._platform import try_lock
from ..exceptions import StoreError, StoreLockedError
from ..storage import LOCK_FILE, holder_in


@dataclass(frozen=True)
class Claim:
    """What the holder wrote into the lock file, by which workers know whether their run still holds the store."""

    path: Path
    text: bytes

    def revoke(self) -> None:
        """Make all workers stop before their next clip; only for the holder."""
        with contextlib.suppress(OSError):
            os.truncate(self.path, 0)

    @contextlib.contextmanager
    def watch(self) -> Iterator[Callable[[], None]]:
        """Yield a function that raises StoreError once the run is over or another one has taken over the store.

        Workers of a killed or interrupted run live on for a while. They must neither write into files that another run
        has begun since, nor compete with it for the processor.
        """
        descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))

        def check():
            os.lseek(descriptor, 0, os.SEEK_SET)
            if os.read(descriptor, len(self.text) + 1) != self.text:
                raise StoreError(f"This run no longer holds {self.path.parent}: its worker stops.")

        try:
            yield check
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def store_lock(store: Path) -> Iterator[Claim]:
    """Hold the lock of a store, or raise StoreLockedError, which names the process that holds it."""
    path = store / LOCK_FILE
    try:
        store.mkdir(parents=True, exist_ok=True)
        descriptor = _open(path)
    except OSError as error:
        raise StoreError(
            f"{store} cannot be written ({error.strerror}{_owner(path)}). Get write permission, or choose another "
            "folder with --out."
        ) from error
    try:
        if not _is_locked(descriptor, path):
            holder = holder_in(os.read(descriptor, 4096))
            raise StoreLockedError(f"{store} is being written by {holder}. Wait until it ends, or stop it.")
        yield _sign(descriptor, path)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    # Only a regular file, and not through a link: an untrusted store must not make us empty a file elsewhere.
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o666)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
        return descriptor
    os.close(descriptor)
    raise OSError(0, f"{path} is a link or not a regular file: remove it")


def _owner(path: Path) -> str:
    """Name the owner of the lock file, if that is another user."""
    try:
        if path.lstat().st_uid != os.getuid():
            return f"; {path} belongs to the user {path.owner()}"
    except (OSError, KeyError, AttributeError, NotImplementedError):  # not there, no name, no users
        pass
    return ""


def _is_locked(descriptor: int, path: Path) -> bool:
    try:
        return try_lock(descriptor)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be locked ({error.strerror}): the file system has no locks, or they are disabled. "
            "Extract to a local disk with --out, and then move the store."
        ) from error


def _sign(descriptor: int, path: Path) -> Claim:
    holder = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
        "run": uuid.uuid4().hex,
    }
    text = json.dumps(holder).encode()
    try:
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, text)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written ({error.strerror}). Free some space, or choose another folder with --out."
        ) from error
    return Claim(path, text)
