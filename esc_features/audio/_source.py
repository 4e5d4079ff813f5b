"""The bytes of a recording, from a file or a URL, and their digest."""

from __future__ import annotations

import io
import os
import stat
import time
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from ..exceptions import AudioError
from ._remote import download, is_url

# Extensions of recordings that libsndfile reads.
SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".caf", ".w64", ".rf64")
# Files up to this size are read at once; of larger ones, only the part that is needed is kept in memory.
_WHOLE = 1 << 26
_PIECE = 1 << 20
# Digests of larger files, so that a recording of hours is not digested again for each block of its windows.
_digests: dict[tuple[int, ...], int] = {}
_MOST_DIGESTS = 1000
# Nanoseconds after which another change of a file gives it another time stamp, on any file system.
_SETTLED = 2_000_000_000


@dataclass(frozen=True)
class Source:
    """The bytes of a recording, ready to be decoded."""

    path: str
    stream: BinaryIO
    length: int
    digest: int


def open_source(path: str | os.PathLike) -> Source:
    """Open a recording and read all its bytes once to digest them; the caller closes the stream."""
    name = path_name(path)
    file = open_stream(name)
    try:
        return _read_through(file, name)
    except BaseException:
        file.close()
        raise


def open_stream(name: str) -> BinaryIO:
    """Open a file; a URL is opened as a temporary file that vanishes when it is closed."""
    if not is_url(name):
        return _open(name)
    local = download(name)
    try:
        return _open(local.path)
    finally:
        local.remove()


def file_digest(path: str | os.PathLike) -> int:
    """Return a digest of the bytes of a file, which changes when the file does.

    It consists of the length of the file and the CRC-32 of its bytes, and takes little time compared to decoding
    (0.1 ms per clip of ESC-50). It detects replaced and damaged files, but not deliberate forgery.

    Parameters
    ----------
    path : str or path-like
        A file, or a URL that fsspec supports, which is downloaded.

    Returns
    -------
    int
        An unsigned 64-bit number: the length modulo 2**32, then the CRC-32.

    Raises
    ------
    AudioError
        If the file is missing or cannot be read.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from esc_features.audio import file_digest
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.wav"
    >>> _ = path.write_bytes(b"123456789")
    >>> hex(file_digest(path))
    '0x9cbf43926'
    """
    source = open_source(path)
    source.stream.close()
    return source.digest


def path_name(path: str | os.PathLike) -> str:
    """Return a path as a str; raise TypeError if it is not a path."""
    try:
        return str(os.fsdecode(path))
    except TypeError:
        raise TypeError(f"A path must be a str or a pathlib.Path, not {type(path).__name__}.") from None


def _open(path: str) -> io.FileIO:
    # Without O_NONBLOCK, opening a named pipe waits for a writer, perhaps forever.
    flags = getattr(os, "O_NONBLOCK", 0)
    try:
        file = open(path, "rb", buffering=0, opener=lambda name, mode: os.open(name, mode | flags))  # noqa: SIM115
    except FileNotFoundError as error:
        link = os.path.islink(path)  # noqa: PTH114
        cause = "is a link to a file that does not exist" if link else "does not exist"
        raise AudioError(f"{path!r} {cause}.") from error
    except PermissionError as error:
        raise AudioError(f"{path!r} cannot be read: permission denied.") from error
    except IsADirectoryError as error:
        raise AudioError(f"{path!r} is a folder, not an audio file.") from error
    except (OSError, ValueError) as error:
        raise AudioError(f"{path!r} cannot be opened: {error}.") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise AudioError(f"{path!r} is not a regular file but a pipe, socket or device.")
    return file


def _read_through(file: BinaryIO, path: str) -> Source:
    try:
        state = _state(file)
        if state[0] <= _WHOLE:
            content = file.read()
            file.close()
            return Source(path, io.BytesIO(content), len(content), _digest(len(content), zlib.crc32(content)))
        if state in _digests:
            return Source(path, file, state[0], _digests[state])
        length = crc = 0
        while piece := file.read(_PIECE):
            crc = zlib.crc32(piece, crc)
            length += len(piece)
        digest = _digest(length, crc)
        if _state(file) == state and max(state[1:3]) < time.time_ns() - _SETTLED:
            if len(_digests) == _MOST_DIGESTS:
                _digests.clear()
            _digests[state] = digest
        return Source(path, file, length, digest)
    except OSError as error:
        raise AudioError(f"{path!r} cannot be read: {error}.") from error


def _state(file: BinaryIO) -> tuple[int, ...]:
    """Return values that change when a file does: its size, its times and its identity."""
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_dev, status.st_ino


def _digest(length: int, crc: int) -> int:
    return (length & 0xFFFFFFFF) << 32 | crc
