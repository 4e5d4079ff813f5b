"""The zip around a model: plain entries, each as long as it says, written whole or not at all."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .._files import write_whole
from ..exceptions import ModelError

# Nothing is compressed, so that no entry can be larger than the file that holds it.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MOST_ENTRIES = 100_000


def write_archive(path: Path, entries: Mapping[str, bytes]) -> None:
    """Write a zip of uncompressed entries, whole or not at all."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise ModelError(f"{path} is a link or no regular file, and is left alone. Give another name for the model.")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for entry, content in entries.items():
            archive.writestr(zipfile.ZipInfo(entry, _EPOCH), content)
    try:
        write_whole(path, buffer.getvalue())
    except OSError as error:
        raise ModelError(
            f"{path} cannot be written: {error}. Give a folder that exists and that you may write to."
        ) from error


def read_archive(content: bytes, where: str) -> dict[str, bytes]:
    """Return the entries of a zip in memory, by name.

    Refused are compression, encryption, folders, links, names that leave the zip, doubled names, and entries that
    together are longer than the file: whoever wrote such a file wants something else than a model to be read.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            _check_entries(entries, len(content), where)
            return {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{where} is damaged or no model: {error}. Get the file again, or save it again.") from error


def check_arrays(entries: Mapping[str, bytes], where: str) -> None:
    """Refuse numpy arrays among entries of which the shape is not that of their bytes, before they allocate anything.

    What an entry is, its first bytes say, as they do to `numpy.load`; its name may say anything.
    """
    for name, content in entries.items():
        if content.startswith(b"PK"):
            check_arrays(_read_compressed(content, f"{name} in {where}"), f"{name} in {where}")
        elif content.startswith(b"\x93NUMPY"):
            _check_array(content, f"{name} in {where}")


def _check_entries(entries, length, where):
    if len(entries) > _MOST_ENTRIES:
        raise ModelError(f"{where} has {len(entries)} entries: this is no model.")
    names = set()
    for entry in entries:
        name = entry.filename
        parts = name.split("/")
        if name in names:
            raise ModelError(f"{where} holds {name!r} twice: this is no model that esc_features wrote.")
        if not name.isprintable() or "\\" in name or ":" in name or any(part in ("", ".", "..") for part in parts):
            raise ModelError(f"{where} holds the name {name!r}, which is no name of a part of a model.")
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 or entry.file_size != entry.compress_size:
            raise ModelError(f"{where}: {name!r} is compressed or encrypted, which no part of a model is.")
        if entry.external_attr >> 28 not in (0, 0o10):
            raise ModelError(f"{where}: {name!r} is a link or a folder, which no part of a model is.")
        names.add(name)
    if sum(entry.file_size for entry in entries) > length:
        raise ModelError(f"{where}: its entries are longer than the file: they overlap. This is no model.")


def _read_compressed(content, where):
    """Entries of a .npz, which scipy compresses: at most as long as what deflate can make of them."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > 1032 * len(content):
                raise ModelError(f"{where} says that it is longer than it can be.")
            if sum(entry.file_size for entry in entries) > max(1 << 24, 50 * len(content)):
                raise ModelError(f"{where} unpacks to more than 50 times its size: it is refused as a zip bomb.")
            return {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise ModelError(f"{where} is damaged: {error}.") from error


def _check_array(content, where):
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
    except (ValueError, EOFError, KeyError, TypeError, SyntaxError, RecursionError) as error:
        raise ModelError(f"{where} is no array: {error}.") from error
    count = 1
    for size in shape:
        count *= int(size)
    if dtype.hasobject:
        raise ModelError(f"{where} is an array of pickled objects, which a model never holds.")
    if any(size < 0 for size in shape) or count * dtype.itemsize != len(content) - stream.tell():
        raise ModelError(f"{where} says that it has the shape {shape}, which is not what its bytes are.")
