"""Format 1: what one file of a store holds, and how it is created and checked.

A file holds one feature of one fold: `/data` (clips, *shape) and one-dimensional columns in `/clips`, a row a clip, all
of them contiguous and allocated when the file is created, so that rows can be written and read at known byte offsets
without HDF5. The facts about the file are attributes of its root.
"""

import json
import math
import os
import stat
import zlib
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5f, h5g, h5l, h5o, h5p, h5s, h5t

from .._platform import reserve_space
from ..exceptions import StoreError

FORMAT = "esc_features"
FORMAT_VERSION = 1

# Known before extraction, written when the file is created.
TEXT_COLUMNS = ("filename", "category", "src_file", "take")
NUMBER_COLUMNS = {"fold": "<i8", "target": "<i8"}
# Found out during extraction, written row by row; `done` last.
MEASURED_COLUMNS = {
    "original_sample_rate": "<i4",
    "original_channels": "<i4",
    "original_samples": "<i8",
    "audio_digest": "<u8",
    "notes": "<u4",
    "crc32": "<u4",
    "done": "|u1",
}
COLUMNS = (*TEXT_COLUMNS, *NUMBER_COLUMNS, *MEASURED_COLUMNS)
DATA_TYPES = ("<f4", "<f2", "<i2")
_TYPES = {"data": DATA_TYPES} | {name: (number,) for name, number in (NUMBER_COLUMNS | MEASURED_COLUMNS).items()}

TEXT_ATTRIBUTES = (
    "format",
    "dataset",
    "feature",
    "description",
    "fingerprint",
    "versions",
    "audio_folder",
    "created",
)
NUMBER_ATTRIBUTES = ("format_version", "fold", "folds")
# Of the columns known before extraction; without it a damaged label would look like another label.
LABEL_CHECKSUM = "labels_crc32"

PAGE = 4096
_LARGEST_ATTRIBUTE = 60_000
_LARGEST_HEADER = 131_072  # of attributes as they are, and the gaps between columns
_LARGEST_COLUMN = 1 << 28
_LONGEST_TEXT = 4096
_SUPERBLOCK = 48
_DEEPEST_JSON = 32
# Control characters but tab and line ends: text of a store is shown on terminals.
_CONTROL = bytes(byte for byte in range(1, 32) if byte not in b"\t\n\r")


@dataclass(frozen=True)
class Column:
    """Where a data set of the file lies: `count` rows of `dtype` and `shape` from byte `offset` on."""

    offset: int
    count: int
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def offset_of(self, row: int) -> int:
        return self.offset + row * self.row_bytes


@dataclass(frozen=True)
class Header:
    """Everything that a file says about itself, without its rows."""

    path: Path
    attributes: dict[str, Any]
    columns: dict[str, Column]
    identity: tuple[int, ...]

    @property
    def data(self) -> Column:
        return self.columns["data"]

    def __len__(self) -> int:
        return self.data.count


def create_file(path: Path, data_shape: tuple, data_dtype: str, clips, attributes: dict[str, Any]) -> None:
    """Create a file with room for every row and no row done; `clips` is a table with the columns known beforehand.

    The same arguments give the same bytes: times are not tracked, and nothing in the file depends on the machine.
    """
    labels = _labels(clips)
    _probe_space(path, len(clips), data_shape, data_dtype, labels)
    fcpl, fapl = h5p.create(h5p.FILE_CREATE), h5p.create(h5p.FILE_ACCESS)
    fcpl.set_obj_track_times(False)
    # 1.8: object headers carry checksums, and no "still open" flag that a killed writer would leave set.
    fapl.set_libver_bounds(h5f.LIBVER_V18, h5f.LIBVER_V18)
    fapl.set_alignment(PAGE, PAGE)
    with h5py.File(h5f.create(os.fsencode(path), h5f.ACC_EXCL, fcpl=fcpl, fapl=fapl)) as file:
        gcpl = h5p.create(h5p.GROUP_CREATE)
        gcpl.set_obj_track_times(False)
        h5g.create(file.id, b"clips", gcpl=gcpl)
        _create_dataset(file, "data", (len(clips), *data_shape), np.dtype(data_dtype))
        checksum = 0
        for name, values in labels.items():
            _create_dataset(file, f"clips/{name}", (len(clips),), values.dtype)[:] = values
            checksum = zlib.crc32(values.tobytes(), checksum)
        for name, number_type in MEASURED_COLUMNS.items():
            column = _create_dataset(file, f"clips/{name}", (len(clips),), np.dtype(number_type))
            column[:] = np.zeros(len(clips), number_type)
        for name, value in {**attributes, LABEL_CHECKSUM: checksum}.items():
            if name in TEXT_ATTRIBUTES:
                text = _encode(value, f"the {name}", _LARGEST_ATTRIBUTE)
                file.attrs.create(name, text, dtype=h5py.string_dtype("utf-8", max(1, len(text))))
            else:
                file.attrs.create(name, value, dtype="<i8")


def _labels(clips) -> dict[str, np.ndarray]:
    """Return the columns that are known before anything is computed, as they are stored."""
    labels = {}
    for name in TEXT_COLUMNS:
        texts = [_encode(text, f"the {name} of a clip", _LONGEST_TEXT) for text in clips[name].tolist()]
        labels[name] = np.array(texts, h5py.string_dtype("utf-8", max(1, *map(len, texts))))
    return labels | {name: clips[name].to_numpy(number_type) for name, number_type in NUMBER_COLUMNS.items()}


def _probe_space(path: Path, count: int, data_shape: tuple, data_dtype: str, labels: dict[str, np.ndarray]) -> None:
    """Raise the OSError of a full disk, quota or limit now: libhdf5 crashes where it cannot write a header."""
    row = _exact_size(data_shape, np.dtype(data_dtype))
    row += sum(np.dtype(number_type).itemsize for number_type in MEASURED_COLUMNS.values())
    size = count * row + sum(column.nbytes for column in labels.values())
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        reserve_space(descriptor, size + _LARGEST_HEADER)
    finally:
        os.close(descriptor)
        path.unlink()


def _encode(text: str, what: str, most: int) -> bytes:
    # A name of a file may hold bytes that are no text; the store keeps something legible of it.
    encoded = text.encode(errors="backslashreplace")
    if len(encoded) > most:
        raise StoreError(f"{what} has {len(encoded)} bytes, {encoded[:40]!r}...: a store keeps at most {most}.")
    if _has_control(encoded) or b"\0" in encoded:
        raise StoreError(f"{what} holds control characters: {encoded[:40]!r}.")
    return encoded


def _has_control(raw: bytes) -> bool:
    return len(raw.translate(None, _CONTROL)) != len(raw)


def _create_dataset(file: h5py.File, name: str, shape: tuple, dtype: np.dtype) -> h5py.Dataset:
    dcpl = h5p.create(h5p.DATASET_CREATE)
    dcpl.set_layout(h5d.CONTIGUOUS)
    dcpl.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    dcpl.set_fill_time(h5d.FILL_TIME_NEVER)
    dcpl.set_obj_track_times(False)
    file_type = h5t.py_create(dtype, logical=True)
    return h5py.Dataset(h5d.create(file.id, name.encode(), file_type, h5s.create_simple(shape), dcpl=dcpl))


def read_header(path: Path) -> Header:
    """Open a file, check that it is of this format and safe to map, and return what it says about itself.

    Nothing is followed, read or mapped before it is known to be what format 1 allows: hard links to plain contiguous
    data sets inside the file.
    """
    for _ in range(5):
        status = _regular_file(path)
        header = _read_header(path, status)
        if _same_file(_regular_file(path), status):
            return header
    raise StoreError(f"{path} is replaced faster than it can be read: wait for the extractor to finish.")


def file_identity(status: os.stat_result) -> tuple[int, ...]:
    """Return what tells a file from another one that takes its name, and from a changed one."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _same_file(one: os.stat_result, other: os.stat_result) -> bool:
    return file_identity(one)[:3] == file_identity(other)[:3]


def _regular_file(path: Path) -> os.stat_result:
    # libhdf5 would wait for ever for a pipe to be written into.
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise StoreError(f"{path} is gone, or a link to nothing. {_REBUILD}") from error
    except OSError as error:
        if isinstance(error, PermissionError):
            raise
        raise _refusal(path, _first_line(error)) from error
    if not stat.S_ISREG(status.st_mode):
        raise _refusal(path, "it is a folder, pipe, socket or device")
    return status


def _read_header(path: Path, status: os.stat_result) -> Header:
    try:
        file = _open_hdf5(path)
    except OSError as error:
        if isinstance(error, PermissionError) or error.errno in _PASSING_ERRORS:
            raise
        raise StoreError(f"{path} is not an HDF5 file that can be opened ({_first_line(error)}). {_REBUILD}") from error
    try:
        with file:
            if file.id.get_create_plist().get_userblock():
                raise _refusal(path, "it has a user block")
            attributes = _read_attributes(file, path)
            _check_links(file.id, {b"data", b"clips"}, path)
            if h5o.get_info(file["/"].id, b"clips").type != h5o.TYPE_GROUP:
                raise _refusal(path, "/clips is not a group")
            clips = h5g.open(file.id, b"clips")
            _check_links(clips, {name.encode() for name in COLUMNS}, path)
            size = status.st_size
            columns = {name: _check_dataset(clips, name, size, path) for name in COLUMNS}
            columns["data"] = _check_dataset(file.id, "data", size, path)
    except StoreError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise _refusal(path, _first_line(error)) from error
    if len({column.count for column in columns.values()}) != 1:
        raise _refusal(path, "its columns differ in length")
    _check_places(columns, path)
    return Header(path, attributes, columns, file_identity(status))


def _open_hdf5(path: Path) -> h5py.File:
    # Published files never change, so no lock is needed: they fail on some network and read-only disks. libhdf5 wants
    # the same word about locks from all in a process who open a file, and somebody may be looking at it already.
    for locking in (False, None):
        try:
            return h5py.File(path, "r", locking=locking)
        except OSError as error:
            if "file locking" not in str(error):
                raise
    return h5py.File(path, "r", locking=True)


# Too many open files, out of memory: nothing is wrong with the file itself.
_PASSING_ERRORS = (12, 23, 24)
_REBUILD = "If it is yours, remove it and run the same extract_features command again."


def _refusal(path: Path, cause: str) -> StoreError:
    return StoreError(f"{path} is refused: it is not a file of an esc_features store, format 1: {cause}. {_REBUILD}")


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _check_links(group, expected: set[bytes], path: Path) -> None:
    info = h5g.GroupID.get_num_objs(group)
    if info != len(expected):
        raise _refusal(path, f"a group holds {info} entries, not the {len(expected)} of the format")
    for name in expected:
        if not group.links.exists(name):
            raise _refusal(path, f"{name.decode()!r} is missing")
        if group.links.get_info(name).type != h5l.TYPE_HARD:
            raise _refusal(path, f"{name.decode()!r} is a soft or external link")


def _check_places(columns: dict[str, Column], path: Path) -> None:
    """Refuse columns that lie on each other: rows written to one would change another."""
    end = _SUPERBLOCK
    for name, column in sorted(columns.items(), key=lambda item: item[1].offset):
        if column.offset < end:
            raise _refusal(path, f"{name!r} overlaps what lies before it")
        end = column.offset_of(column.count)


def _read_attributes(file: h5py.File, path: Path) -> dict[str, Any]:
    root = file["/"].id
    if h5a.get_num_attrs(root) > 64:
        raise _refusal(path, "it has too many attributes")
    if (kind := _read_text(root, "format", path)) != FORMAT:
        raise _refusal(path, f"its format is {kind[:40]!r}")
    if (version := _read_integers(root, "format_version", path)) != FORMAT_VERSION:
        raise StoreError(
            f"{path} has format version {str(version)[:40]}, and this esc_features reads version "
            f"{FORMAT_VERSION}: install the version that wrote it, or extract again into another folder."
        )
    attributes: dict[str, Any] = {name: _read_text(root, name, path) for name in TEXT_ATTRIBUTES}
    attributes |= {name: _read_integers(root, name, path) for name in NUMBER_ATTRIBUTES}
    has_checksum = h5a.exists(root, LABEL_CHECKSUM.encode())
    attributes[LABEL_CHECKSUM] = _read_integers(root, LABEL_CHECKSUM, path) if has_checksum else None
    for name in ("description", "versions"):
        attributes[name] = json.loads(attributes[name])
        if not isinstance(attributes[name], dict):
            raise _refusal(path, f"the attribute {name!r} is not a JSON object")
        if _is_deep(attributes[name], _DEEPEST_JSON):
            raise _refusal(path, f"the attribute {name!r} is nested too deep")
    _check_attributes(attributes, path)
    return attributes


def _read_text(root, name: str, path: Path) -> str:
    attribute = _open_attribute(root, name, path)
    kind = attribute.get_type()
    if not isinstance(kind, h5t.TypeStringID) or kind.is_variable_str() or attribute.shape != ():
        raise _refusal(path, f"the attribute {name!r} is not a text of fixed length")
    raw = np.empty((), np.dtype(("S", kind.get_size())))
    attribute.read(raw, kind)
    if _has_control(raw.tobytes()):
        raise _refusal(path, f"the attribute {name!r} holds control characters")
    return bytes(raw[()]).decode()


def _read_integers(root, name: str, path: Path) -> int | list[int]:
    attribute = _open_attribute(root, name, path)
    if not isinstance(attribute.get_type(), h5t.TypeIntegerID) or len(attribute.shape) > 1:
        raise _refusal(path, f"the attribute {name!r} is not a whole number")
    values = np.empty(attribute.shape, np.int64)
    attribute.read(values)
    return values.tolist()


def _open_attribute(root, name: str, path: Path):
    if not h5a.exists(root, name.encode()):
        raise _refusal(path, f"the attribute {name!r} is missing")
    attribute = h5a.open(root, name.encode())
    if attribute.get_storage_size() > _LARGEST_ATTRIBUTE:
        raise _refusal(path, f"the attribute {name!r} is too large")
    return attribute


def _is_deep(value, most: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return most == 0 or any(_is_deep(item, most - 1) for item in inner)


def _check_attributes(attributes: dict[str, Any], path: Path) -> None:
    description, fold, folds = attributes["description"], attributes["fold"], attributes["folds"]
    if not (
        isinstance(description.get("class"), str)
        and isinstance(description.get("parameters"), dict)
        and isinstance(description.get("computed_from"), dict | None)
    ):
        raise _refusal(path, "the attribute 'description' does not describe a feature")
    if not all(isinstance(version, str) for version in attributes["versions"].values()):
        raise _refusal(path, "the attribute 'versions' holds something else than versions")
    if not (isinstance(fold, int) and isinstance(folds, list) and len(set(folds)) == len(folds) and fold in folds):
        raise _refusal(path, "its fold is not one of the folds that it names")


def _check_dataset(group, name: str, file_size: int, path: Path) -> Column:
    if h5o.get_info(group, name.encode()).type != h5o.TYPE_DATASET:
        raise _refusal(path, f"{name!r} is not a data set")
    dataset = h5d.open(group, name.encode())
    properties = dataset.get_create_plist()
    if properties.get_layout() != h5d.CONTIGUOUS or properties.get_nfilters():
        raise _refusal(path, f"{name!r} is not stored contiguously and unfiltered")
    if properties.get_external_count():
        raise _refusal(path, f"{name!r} keeps its bytes in another file")
    dtype = _plain_dtype(dataset.get_type())
    if name in TEXT_COLUMNS:
        right = dtype is not None and dtype.kind == "S" and dtype.itemsize <= _LONGEST_TEXT
    else:
        right = dtype is not None and dtype.str in _TYPES[name]
    if not right or dtype is None:
        raise _refusal(path, f"{name!r} has the wrong type")
    shape, offset = dataset.shape, dataset.get_offset()
    if len(shape) < 1 or (name != "data" and len(shape) != 1) or shape[0] < 1 or min(shape) < 1:
        raise _refusal(path, f"{name!r} has the shape {shape}")
    if offset is None or offset < 0 or offset + _exact_size(shape, dtype) > file_size:
        raise _refusal(path, f"{name!r} reaches past the end of the file")
    if name != "data" and _exact_size(shape, dtype) > _LARGEST_COLUMN:
        raise _refusal(path, f"{name!r} is larger than any table of clips")
    return Column(offset, shape[0], tuple(shape[1:]), dtype)


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


def read_column(header: Header, name: str, file=None) -> np.ndarray:
    """Read one column of `/clips` from its place in the file; text comes back as str.

    `file` is the opened file, for those who must know that it is still the one whose header they have.
    """
    raw = _read_bytes(header, name, file)
    column = header.columns[name]
    values = np.frombuffer(raw, column.dtype)
    if column.dtype.kind != "S":
        return values
    if _has_control(raw):
        raise _refusal(header.path, f"{name!r} holds control characters")
    try:
        return np.char.decode(values, "utf-8")
    except UnicodeDecodeError as error:
        raise _refusal(header.path, f"{name!r} is not UTF-8 text") from error


def _read_bytes(header: Header, name: str, file=None) -> bytes:
    if file is None:
        with header.path.open("rb") as file:
            return _read_bytes(header, name, file)
    column = header.columns[name]
    size = column.count * column.row_bytes
    file.seek(column.offset)
    raw = file.read(size)
    if len(raw) != size:
        raise _refusal(header.path, f"{name!r} reaches past the end of the file")
    return raw


def check_published(header: Header, file=None) -> None:
    """Refuse a file with rows that were never computed, or with clips of another fold than it says."""
    if _read_bytes(header, "done", file) != b"\1" * len(header):
        raise StoreError(f"{header.path} is refused: it is not finished, some of its rows are empty. {_REBUILD}")
    if (read_column(header, "fold", file) != header.attributes["fold"]).any():
        raise _refusal(header.path, f"it holds clips of another fold than {header.attributes['fold']}")


def check_labels(header: Header) -> None:
    """Refuse a file whose names, folds or labels are not those that were written."""
    if header.attributes[LABEL_CHECKSUM] not in (None, _labels_crc32(header)):
        raise StoreError(f"{header.path} is damaged: the names or labels of its clips are not what was written.")


def _labels_crc32(header: Header) -> int:
    checksum = 0
    for name in (*TEXT_COLUMNS, *NUMBER_COLUMNS):
        checksum = zlib.crc32(_read_bytes(header, name), checksum)
    return checksum


def row_crc32(row: np.ndarray) -> int:
    """Return the checksum of one row of `/data`, as the column `crc32` has it."""
    return zlib.crc32(np.ascontiguousarray(row).view(np.uint8).reshape(-1).data)


def whole_rows(header: Header) -> np.ndarray:
    """Return which rows are done and are what was written: a power cut can leave a done byte without its row."""
    done = read_column(header, "done") == 1
    checksums = read_column(header, "crc32")
    data = header.data
    with header.path.open("rb") as file:
        for row in np.flatnonzero(done).tolist():
            file.seek(data.offset_of(row))
            done[row] = row_crc32(np.fromfile(file, np.uint8, data.row_bytes)) == checksums[row]
    return done


def content_id(header: Header, file=None) -> bytes:
    """Return 12 bytes that change with the numbers, clips or parameters of a file, and with nothing else."""
    digest = blake2b(digest_size=12)
    digest.update(header.attributes["fingerprint"].encode())
    digest.update(repr((header.data.shape, header.data.dtype.str)).encode())
    digest.update(clips_id(header, file))
    digest.update(_read_bytes(header, "crc32", file))
    return digest.digest()


def clips_id(header: Header, file=None) -> bytes:
    """Return 12 bytes that are the same for files of the same clips in the same order."""
    digest = blake2b(digest_size=12)
    for name in ("filename", "target"):
        digest.update(_read_bytes(header, name, file))
    return digest.digest()
