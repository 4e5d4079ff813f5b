"""The layout of a WAV file: where its samples are, and whether the file is as long as its header says."""

import struct
from dataclasses import dataclass
from typing import BinaryIO

# PCM as a format, and as the identifier of an extensible format.
_PCM, _EXTENSIBLE, _PCM_GUID = b"\x01\x00", b"\xfe\xff", bytes.fromhex("0100000000001000800000aa00389b71")
# Lengths that programs write when they stream audio and cannot correct the header afterwards: ffmpeg writes -1,
# sox 0x7FFFF000, others the largest value, with or without the bytes of the header.
_STREAMED = {0x7FFFFFFF, 0x7FFFF000, 0x80000000}


@dataclass(frozen=True)
class WavLayout:
    """Where the samples of a WAV file are, and whether its header and its length agree."""

    pcm16: bool
    channels: int
    sample_rate: int
    block: int  # bytes per sample of all channels (per block, in compressed formats)
    start: int  # position of the first sample, in bytes
    promised: int | None  # bytes of samples according to the header; None if it does not state them
    held: int  # bytes from `start` to the end of the file
    extra: bool  # whether bytes that are not a chunk follow the samples

    @property
    def size(self) -> int:
        return self.held if self.promised is None else min(self.promised, self.held)


def wav_layout(stream: BinaryIO, length: int) -> WavLayout | None:
    """Return the layout of a WAV file of ``length`` bytes; None if it is not a WAV file or its header is damaged."""
    stream.seek(0)
    head = stream.read(12)
    if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        return None
    fmt = long_size = None
    position = 12
    while position + 8 <= length:
        stream.seek(position)
        name, size = struct.unpack("<4sI", stream.read(8))
        position += 8
        if name == b"data":
            break
        if name == b"fmt ":
            fmt = stream.read(min(size, 40))
        elif name == b"ds64":
            long_size = struct.unpack("<8xQ", stream.read(16).ljust(16, b"\0"))[0]
        position += size + size % 2
    else:
        return None
    if fmt is None or len(fmt) < 16:
        return None
    channels, sample_rate, block, bits = struct.unpack_from("<HI4xHH", fmt, 2)
    held = length - position
    promised = _promised(size, long_size if head[:4] == b"RF64" else None, held)
    return WavLayout(
        pcm16=_is_pcm(fmt) and bits == 16 and channels > 0 and sample_rate > 0 and block == 2 * channels,
        channels=channels,
        sample_rate=sample_rate,
        block=block,
        start=position,
        promised=promised,
        held=held,
        extra=promised is not None and not _ends_in_chunk(stream, position + promised, length),
    )


def _is_pcm(fmt):
    return fmt[:2] == _PCM or (fmt[:2] == _EXTENSIBLE and fmt[24:40] == _PCM_GUID)


def _promised(size, long_size, held):
    if long_size is not None and size == 0xFFFFFFFF:
        return long_size
    if size > held and (size in _STREAMED or size >= 0xFFFFFF00):
        return None
    return size


def _ends_in_chunk(stream, position, length):
    """Return whether nothing follows the samples, or something that looks like another chunk."""
    position += position % 2
    if position >= length:
        return True
    stream.seek(position)
    chunk = stream.read(8)
    if len(chunk) < 8:
        return not any(chunk)
    name, size = struct.unpack("<4sI", chunk)
    return all(32 <= byte < 127 for byte in name) and position + 8 + size <= length
