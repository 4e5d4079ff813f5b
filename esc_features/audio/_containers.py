"""Is a file as long as it says? For the formats of which libsndfile does not tell."""

import struct

# The longest page that Ogg allows.
_OGG_PAGE = 27 + 255 + 255 * 255


def promised_length(head: bytes) -> int | None:
    """Bytes that an AIFF, AU or Wave64 file of this beginning (40 bytes) must have; None where it does not say."""
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


def ogg_is_cut(stream, length: int) -> bool:
    """Does an Ogg file lack its last page, or a part of it? False for other files."""
    stream.seek(0)
    if stream.read(4) != b"OggS":
        return False
    stream.seek(max(0, length - 2 * _OGG_PAGE))
    tail = stream.read(2 * _OGG_PAGE)
    start = tail.rfind(b"OggS")
    page = tail[start:] if start >= 0 else b""
    if len(page) < 27 or len(page) < 27 + page[26]:
        return True
    body = sum(page[27 : 27 + page[26]])
    last = page[5] & 4
    return not last or len(page) < 27 + page[26] + body
