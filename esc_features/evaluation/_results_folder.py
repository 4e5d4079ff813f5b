"""The folder of an evaluation: results that can be found again, and reports; written whole, never through a link."""

from __future__ import annotations

import logging
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from .._files import write_whole
from .._terminal import printable
from ._result import Result, ResultError, pack_result, unpack_result

_logger = logging.getLogger("esc_features")


class ResultsFolder:
    """The folder with the results and reports of an evaluation.

    Parameters
    ----------
    path : Path
        The folder.
    trusts_all : bool
        Whether results that were made elsewhere are trusted. A downloaded store may contain any results, so inside a
        store only those signed with this user's key count.
    """

    def __init__(self, path: Path, trusts_all: bool):
        self.path, self.trusts_all = path.absolute(), trusts_all
        self._key = _users_key()
        self._foreign = 0

    def check_writable(self) -> None:
        """Make the folder; raise ResultError, before anything is computed, if it cannot be written."""
        for folder in (self.path, self.path / "results"):
            if folder.is_symlink():
                raise ResultError(
                    f"{folder} is a link, and results are not written through links. Remove it, or name the folder "
                    "that you mean: --out FOLDER (out= in Python)."
                )
            try:
                folder.mkdir(parents=True, exist_ok=True)
                probe = folder / f".{secrets.token_hex(8)}.part"
                probe.touch(exist_ok=False)
                probe.unlink()
            except OSError as error:
                raise ResultError(
                    f"The results cannot be written to {folder} ({error.strerror}). Name another folder with --out "
                    "FOLDER (out= in Python)."
                ) from error

    def write(self, name: str, content: bytes) -> Path:
        """Write a report whole; a link of that name is replaced, not followed."""
        path = self.path / name
        if path.is_dir() and not path.is_symlink():
            raise ResultError(f"{path} is a folder, but a report of that name is to be written: move it away.")
        write_whole(path, content)
        return path

    def read(self, name: str) -> bytes | None:
        """Return the content of a report; None if there is none."""
        return _read_regular(self.path / name)

    def write_result(self, name: str, result: Result) -> None:
        """Store a result."""
        self.write(f"results/{name}", pack_result(result, self._key))

    def read_result(self, name: str) -> Result | None:
        """Return a stored result; None if there is none, or none that can be used, which is logged."""
        path = self.path / "results" / name
        try:
            content = _read_regular(path)
            if content is None:
                return None
            result, signed = unpack_result(content, str(path), self._key)
        except ResultError as error:
            _logger.warning("%s It is ignored, and computed again when it is needed.", printable(error))
            return None
        if not signed and not self.trusts_all:
            self._foreign += 1
            return None
        return result

    def read_all(self) -> Iterator[Result]:
        """Yield all results that can be used."""
        self._foreign = 0
        folder = self.path / "results"
        for path in sorted(folder.glob("*.npz")) if not folder.is_symlink() else ():
            result = self.read_result(path.name)
            if result is not None:
                yield result
        if self._foreign:
            _logger.warning(
                "%d results in %s were not made by this user on this machine, and are not used. To use them, give "
                "--trust-results (trust_results=True in Python).",
                self._foreign,
                folder,
            )


def _read_regular(path: Path) -> bytes | None:
    """Return the content of a regular file; None for a link, pipe or folder, or if there is no file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ResultError(f"{path} cannot be read ({error.strerror}).") from error
    with os.fdopen(descriptor, "rb") as file:
        try:
            return file.read() if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None
        except OSError as error:
            raise ResultError(f"{path} cannot be read ({error.strerror}).") from error


def _users_key() -> bytes:
    """Return the key that marks results of this user on this machine; if it cannot be stored, one for this process."""
    global _process_key
    try:
        import pooch

        path = Path(pooch.os_cache("esc_features")) / "results.key"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            part = path.with_name(f".{secrets.token_hex(8)}.part")
            with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                file.write(secrets.token_bytes(32))
            try:
                os.link(part, path)  # fails if another process was first
            except FileExistsError:
                pass
            finally:
                part.unlink()
        key = path.read_bytes()
        if len(key) == 32:
            return key
    except (OSError, RuntimeError):
        pass
    _process_key = _process_key or secrets.token_bytes(32)
    return _process_key


_process_key: bytes = b""
