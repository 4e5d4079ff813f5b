"""The columns of a feature file: reading them at their offsets, checking and digesting them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..datasets import IDENTITY
from ..exceptions import StoreError
from ._hdf5 import REBUILD, has_control, refusal
from ._layout import FEATURE_1, Header


def read_column(header: Header, name: str, file: BinaryIO | None = None) -> np.ndarray:
    """Read one column of `/clips` at its offset in the file, with text as str.

    Callers that must be sure that the file is still that of the header pass the opened `file`.
    """
    return decode_texts(read_stored(header, name, file), name, header.path)


def read_stored(header: Header, name: str, file: BinaryIO | None = None) -> np.ndarray:
    """Read one column as it is stored, text as bytes.

    Clips of format 1 are whole recordings: their `start` is 0 and their `end` infinite.
    """
    if header.layout is FEATURE_1 and name in ("start", "end"):
        return np.full(len(header), 0.0 if name == "start" else np.inf)
    return np.frombuffer(read_bytes(header, name, file), header.columns[name].dtype)


def keys_of(column: Callable[[str], np.ndarray]) -> list[tuple[str, float, float]]:
    """Return the identity (file name, start, end) of each clip, given a function that returns columns."""
    return list(zip(*(column(name).tolist() for name in IDENTITY), strict=True))


def stored_keys(header: Header) -> list[tuple[str, float, float]]:
    """Return (file name, start, end) of each row of a file."""
    with header.path.open("rb") as file:
        return keys_of(lambda name: read_column(header, name, file))


def decode_texts(values: np.ndarray, name: str, path: Path) -> np.ndarray:
    """Return a column of a file with text as str, and numbers unchanged."""
    if values.dtype.kind != "S":
        return values
    if has_control(values.tobytes()):
        raise refusal(path, f"{name!r} holds control characters")
    try:
        return np.char.decode(values, "utf-8")
    except UnicodeDecodeError as error:
        raise refusal(path, f"{name!r} is not UTF-8 text") from error


def read_bytes(header: Header, name: str, file: BinaryIO | None = None) -> bytes:
    if file is None:
        with header.path.open("rb") as file:
            return read_bytes(header, name, file)
    column = header.columns[name]
    size = column.count * column.row_bytes
    file.seek(column.offset)
    raw = file.read(size)
    if len(raw) != size:
        raise refusal(header.path, f"{name!r} reaches past the end of the file")
    return raw


def check_published(header: Header, file: BinaryIO | None = None) -> None:
    """Refuse a file with rows that were never computed, or with clips of a fold other than its own."""
    if read_bytes(header, "done", file) != b"\1" * len(header):
        raise StoreError(f"{header.path} is refused: it is not finished, some of its rows are empty. {REBUILD}")
    if header.layout is FEATURE_1 and (read_column(header, "fold", file) != header.facts.fold).any():
        raise refusal(header.path, f"it holds clips of another fold than {header.facts.fold}")


def check_labels(header: Header) -> None:
    """Refuse a file if a column known before extraction, such as the names of clips, does not match its checksum."""
    columns = [read_bytes(header, name) for name in header.layout.given]
    if header.layout is FEATURE_1:
        found = {"": zlib.crc32(b"".join(columns))} if header.checksums else {}
    else:
        found = {name: zlib.crc32(raw) for name, raw in zip(header.layout.given, columns, strict=True)}
    if found != header.checksums:
        raise StoreError(
            f"{header.path} is damaged: the names or labels of its clips do not match their checksum. {REBUILD}"
        )


def row_crc32(row: np.ndarray) -> int:
    """Return the checksum of one row of `/data`, as in the column `crc32`."""
    return zlib.crc32(np.ascontiguousarray(row).view(np.uint8).reshape(-1).data)


def whole_rows(header: Header) -> np.ndarray:
    """Return which rows are done and match their checksum: a power failure can leave a `done` byte without its row."""
    done = read_column(header, "done") == 1
    checksums = read_column(header, "crc32")
    rows = np.flatnonzero(done).tolist()
    for row, values in zip(rows, read_rows(header, rows), strict=True):
        done[row] = row_crc32(values) == checksums[row]
    return done


def read_rows(header: Header, rows: Iterable[int]) -> Iterator[np.ndarray]:
    """Read rows of `/data`, one after the other."""
    data = header.data
    with header.path.open("rb") as file:
        for row in rows:
            file.seek(data.offset_of(row))
            raw = file.read(data.row_bytes)
            if len(raw) != data.row_bytes:
                raise StoreError(f"{header.path} was cut short while it was read. {REBUILD}")
            yield np.frombuffer(raw, data.dtype).reshape(data.shape)


def content_id(header: Header, file: BinaryIO | None = None) -> bytes:
    """Return 12 bytes that change only with the numbers, clips or parameters of a file."""
    digest = blake2b(digest_size=12)
    digest.update(header.facts.fingerprint.encode())
    digest.update(repr((header.data.shape, header.data.dtype.str)).encode())
    digest.update(repr(sorted(header.checksums.items())).encode())
    for name in (*(header.layout.given if header.layout is FEATURE_1 else ()), "crc32"):
        digest.update(read_bytes(header, name, file))
    return digest.digest()
