"""Reading untrusted HDF5 files: each part is checked before it is followed, read or mapped."""

from __future__ import annotations

import contextlib
import io
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5o, h5t

from ..exceptions import StoreError
from ._layout import CLIPS_FILE, FORMAT, Column

T = TypeVar("T")

LARGEST_ATTRIBUTE = 60_000
LONGEST_TEXT = 4096
_LARGEST_COLUMN = 1 << 28
_SUPERBLOCK = 48
_DEEPEST_JSON = 32
# Control characters except tab and line ends: text of a store is shown on terminals.
_CONTROL = bytes(byte for byte in range(1, 32) if byte not in b"\t\n\r")
# Out of memory or too many open files: nothing is wrong with the file itself.
_PASSING_ERRORS = (12, 23, 24)
# Exceptions of h5py, besides OSError, for malformed files.
_MALFORMED = (RuntimeError, KeyError, ValueError, TypeError, OverflowError)
REBUILD = "If it is yours, remove it and run the same extract_features command again."
_REWRITE = "Run the same extract_features command again: it writes the clip table again and computes nothing."


def advice(path: Path) -> str:
    """Return a sentence that says what to do about a file that cannot be used."""
    return _REWRITE if path.name == CLIPS_FILE else REBUILD


def refusal(path: Path, cause: str) -> StoreError:
    return StoreError(f"{path} is refused: it is not a file of an esc_features store: {cause}. {advice(path)}")


class ClosedFileError(StoreError):
    """This user has no permission to read a file of a store."""

    def __init__(self, path: Path):
        super().__init__(f"{path} cannot be read: permission denied. Ask its owner for the right to read it.")


def first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def has_control(raw: bytes) -> bool:
    return len(raw.translate(None, _CONTROL)) != len(raw)


def file_identity(status: os.stat_result) -> tuple[int, ...]:
    """Return values that change when a file is changed, or replaced by another of the same name."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def steady_look(path: Path, look: Callable[[os.stat_result], T]) -> T:
    """Return the result of `look` for a file; look again if the file was replaced meanwhile."""
    for _ in range(20):
        status = regular_file(path)
        try:
            seen = look(status)
        except StoreError:
            if _same_file(regular_file(path), status):
                raise
        else:
            if _same_file(regular_file(path), status):
                return seen
    raise StoreError(f"{path} is replaced faster than it can be read: wait for the extraction to finish.")


def _same_file(one: os.stat_result, other: os.stat_result) -> bool:
    return file_identity(one)[:3] == file_identity(other)[:3]


def regular_file(path: Path) -> os.stat_result:
    # libhdf5 would wait forever for a writer of a pipe.
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise StoreError(f"{path} does not exist, or is a link to a missing file. {advice(path)}") from error
    except OSError as error:
        if isinstance(error, PermissionError):
            raise ClosedFileError(path) from error
        raise refusal(path, first_line(error)) from error
    if not stat.S_ISREG(status.st_mode):
        raise refusal(path, "it is a folder, pipe, socket or device")
    return status


@contextlib.contextmanager
def opened(path: Path, content: bytes | None = None) -> Iterator[h5py.File]:
    """Open a file, or its content; raise StoreError for anything that libhdf5 cannot read, and for user blocks."""
    try:
        file = _open(path) if content is None else h5py.File(io.BytesIO(content), "r")
    except OSError as error:
        if isinstance(error, PermissionError):
            raise ClosedFileError(path) from error
        if error.errno in _PASSING_ERRORS:
            raise
        raise StoreError(
            f"{path} is not an HDF5 file that can be opened ({first_line(error)}). {advice(path)}"
        ) from error
    except _MALFORMED as error:
        raise refusal(path, first_line(error)) from error
    try:
        with file:
            if file.id.get_create_plist().get_userblock():
                raise refusal(path, "it has a user block")
            yield file
    except StoreError:
        raise
    except (OSError, *_MALFORMED) as error:
        raise refusal(path, first_line(error)) from error


def _open(path: Path) -> h5py.File:
    # Published files never change, so no lock is needed, and locks fail on some network and read-only disks. But in a
    # process, libhdf5 requires the same locking each time a file is opened, and this one may be open already.
    for locking in (False, None):
        try:
            return h5py.File(path, "r", locking=locking)
        except OSError as error:
            if "file locking" not in str(error):
                raise
    return h5py.File(path, "r", locking=True)


def check_links(group, expected: set[bytes], path: Path) -> None:
    """Refuse a group that holds anything other than these names as hard links."""
    info = h5g.GroupID.get_num_objs(group)
    if info != len(expected):
        raise refusal(path, f"a group holds {info} entries, not the {len(expected)} of the format")
    for name in expected:
        if not group.links.exists(name):
            raise refusal(path, f"{name.decode()!r} is missing")
        if group.links.get_info(name).type != h5l.TYPE_HARD:
            raise refusal(path, f"{name.decode()!r} is a soft or external link")


def open_group(file: h5py.File, name: bytes, path: Path):
    if h5o.get_info(file.id, name).type != h5o.TYPE_GROUP:
        raise refusal(path, f"/{name.decode()} is not a group")
    return h5g.open(file.id, name)


def check_dataset(group, name: str, types: tuple[str, ...], dimensions: int | None, size: int, path: Path) -> Column:
    """Return the place of an HDF5 dataset; refuse it unless it is contiguous and inside the file.

    `types` is empty for text.
    """
    if h5o.get_info(group, name.encode()).type != h5o.TYPE_DATASET:
        raise refusal(path, f"{name!r} is not a data set")
    dataset = h5d.open(group, name.encode())
    properties = dataset.get_create_plist()
    if properties.get_layout() != h5d.CONTIGUOUS or properties.get_nfilters():
        raise refusal(path, f"{name!r} is not stored contiguously and unfiltered")
    if properties.get_external_count():
        raise refusal(path, f"{name!r} keeps its bytes in another file")
    dtype = _plain_dtype(dataset.get_type())
    if dtype is None or not (dtype.str in types if types else dtype.kind == "S" and dtype.itemsize <= LONGEST_TEXT):
        raise refusal(path, f"{name!r} has the wrong type")
    shape, offset = dataset.shape, dataset.get_offset()
    if len(shape) < 1 or (dimensions is not None and len(shape) != dimensions) or min(shape) < 1:
        raise refusal(path, f"{name!r} has the shape {shape}")
    if offset is None or offset < 0 or offset + _exact_size(shape, dtype) > size:
        raise refusal(path, f"{name!r} reaches past the end of the file")
    if name != "data" and _exact_size(shape, dtype) > _LARGEST_COLUMN:
        raise refusal(path, f"{name!r} is larger than any clip table")
    return Column(offset, shape[0], tuple(shape[1:]), dtype)


def check_places(columns: dict[str, Column], path: Path) -> None:
    """Refuse columns that overlap: rows written to one would change another."""
    end = _SUPERBLOCK
    for name, column in sorted(columns.items(), key=lambda item: item[1].offset):
        if column.offset < end:
            raise refusal(path, f"{name!r} overlaps what lies before it")
        end = column.offset_of(column.count)


def _plain_dtype(kind) -> np.dtype | None:
    if isinstance(kind, h5t.TypeStringID):
        return None if kind.is_variable_str() else np.dtype(("S", kind.get_size()))
    if isinstance(kind, h5t.TypeIntegerID | h5t.TypeFloatID):
        return kind.dtype
    return None


def _exact_size(shape: tuple, dtype: np.dtype) -> int:
    size = dtype.itemsize
    for length in shape:
        size *= int(length)
    return size


def read_version(file: h5py.File, readable: tuple[int, ...], path: Path) -> int:
    """Return the format version of a file; raise StoreError if it is not one of the readable versions."""
    root = file.id
    if h5a.get_num_attrs(root) > 64:
        raise refusal(path, "it has too many attributes")
    if (kind := read_text(file, "format", path)) != FORMAT:
        raise refusal(path, f"its format is {kind[:40]!r}")
    version = read_integers(file, "format_version", path)
    if version not in readable:
        known = " and ".join(map(str, readable))
        raise StoreError(
            f"{path} has format version {str(version)[:40]}, but this version of esc_features reads {known}: install "
            "the version that wrote it, or extract again into another folder."
        )
    return version  # type: ignore[return-value]


def read_text(file: h5py.File, name: str, path: Path) -> str:
    attribute = _open_attribute(file, name, path)
    kind = attribute.get_type()
    if not isinstance(kind, h5t.TypeStringID) or kind.is_variable_str() or attribute.shape != ():
        raise refusal(path, f"the attribute {name!r} is not a text of fixed length")
    raw = np.empty((), np.dtype(("S", kind.get_size())))
    attribute.read(raw, kind)
    if has_control(raw.tobytes()):
        raise refusal(path, f"the attribute {name!r} holds control characters")
    return bytes(raw[()]).decode()


def read_integers(file: h5py.File, name: str, path: Path) -> int | list[int]:
    attribute = _open_attribute(file, name, path)
    if not isinstance(attribute.get_type(), h5t.TypeIntegerID) or len(attribute.shape) > 1:
        raise refusal(path, f"the attribute {name!r} is not a whole number")
    values = np.empty(attribute.shape, np.int64)
    attribute.read(values)
    return values.tolist()


def read_json(file: h5py.File, name: str, path: Path) -> dict[str, Any]:
    """Return an attribute that holds a JSON object; refuse deep nesting and unprintable names."""
    value = json.loads(read_text(file, name, path))
    if not isinstance(value, dict):
        raise refusal(path, f"the attribute {name!r} is not a JSON object")
    if _is_deep(value, _DEEPEST_JSON):
        raise refusal(path, f"the attribute {name!r} is nested too deep")
    if not all(key.isprintable() for key in _names(value)):
        raise refusal(path, f"the attribute {name!r} has a name with control characters")
    return value


def has_attribute(file: h5py.File, name: str) -> bool:
    return h5a.exists(file.id, name.encode())


def _open_attribute(file: h5py.File, name: str, path: Path):
    if not has_attribute(file, name):
        raise refusal(path, f"the attribute {name!r} is missing")
    attribute = h5a.open(file.id, name.encode())
    if attribute.get_storage_size() > LARGEST_ATTRIBUTE:
        raise refusal(path, f"the attribute {name!r} is too large")
    return attribute


def _is_deep(value, most: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return most == 0 or any(_is_deep(item, most - 1) for item in inner)


def _names(value) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _names(item)
