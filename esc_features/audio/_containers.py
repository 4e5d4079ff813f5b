"""Checks that libsndfile does not make: whether a file is as long as its header says, and what a non-audio file is."""

import io
import struct
from typing import BinaryIO

# The largest page that Ogg allows, in bytes.
_OGG_PAGE = 27 + 255 + 255 * 255


def promised_length(head: bytes) -> int | None:
    """Return the length (bytes) that the header of an AIFF, AU or Wave64 file states in its first 40 bytes, or None."""
    if len(head) < 40:
        return None
    if head[:4] == b"FORM":
        return 8 + struct.unpack_from(">I", head, 4)[0]
    if head[:4] == b".snd":
        start, size = struct.unpack_from(">II", head, 4)
        return None if size == 0xFFFFFFFF else start + size
    if head[:4] == b"riff" and head[24:28] == b"wave":
        return struct.unpack_from("<Q", head, 16)[0]
    return None


def ogg_is_cut(stream: BinaryIO, length: int) -> bool:
    """Return whether an Ogg file lacks its last page, or a part of it; False for other files."""
    stream.seek(0)
    if stream.read(4) != b"OggS":
        return False
    stream.seek(max(0, length - 2 * _OGG_PAGE))
    tail = stream.read(2 * _OGG_PAGE)
    page = tail[tail.rfind(b"OggS") :]  # a single byte if there is none
    if len(page) < 27 or len(page) < 27 + page[26]:
        return True
    body = sum(page[27 : 27 + page[26]])
    last = page[5] & 4
    return not last or len(page) < 27 + page[26] + body


def without_tag(stream: BinaryIO, length: int) -> tuple[BinaryIO, int]:
    """Return a stream and its length without the ID3 tags at its start.

    libsndfile skips one such tag, but then does not read that many bytes at the end of a WAV or FLAC file.
    """
    start = 0
    while tag := _tag_length(stream, start):
        start += tag
    if start == 0 or start >= length:
        return stream, length
    return io.BufferedReader(_Rest(stream, start)), length - start


def _tag_length(stream: BinaryIO, start: int) -> int:
    stream.seek(start)
    head = stream.read(10)
    if len(head) < 10 or head[:3] != b"ID3" or max(head[6:]) >= 0x80:
        return 0
    size = 0
    for byte in head[6:]:
        size = size << 7 | byte
    footer = 10 if head[5] & 0x10 else 0
    return 10 + size + footer


class _Rest(io.RawIOBase):
    """A stream that starts at a position of another one."""

    def __init__(self, stream: BinaryIO, start: int):
        self._stream, self._start = stream, start
        stream.seek(start)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(self._start + offset if whence == io.SEEK_SET else offset, whence) - self._start

    def readinto(self, buffer) -> int:
        content = self._stream.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


def what_it_is(head: bytes) -> str:
    """Return what is wrong with a file that starts with these bytes, if it is clearly not audio; else ""."""
    if head.startswith(b"version https://git-lfs"):
        return "is a git-lfs pointer, not the recording itself: run `git lfs pull` in its repository."
    if head.lstrip()[:9].lower() == b"<!doctype" or head.lstrip()[:5].lower() == b"<html":
        return "is a web page, not audio: perhaps a login or error page. Download the file again."
    return ""
