"""The zip around a model: plain entries, each as long as it states, written whole or not at all."""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .._files import write_whole
from ..exceptions import ModelError

# Nothing is compressed, so that no entry can be larger than the file that holds it.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MOST_ENTRIES = 100_000
# What zipfile raises for a damaged or unusual file.
_UNREADABLE = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError)


def check_replaceable(path: Path) -> None:
    """Raise ModelError, before any work is done, if nothing may be written to a path."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise ModelError(f"{path} is a link or not a regular file, and is left alone. Give another name.")
    if not path.parent.is_dir():
        raise ModelError(f"{path} cannot be written: its folder does not exist. Make it first, or give another name.")


def write_archive(path: Path, entries: Mapping[str, bytes]) -> None:
    """Write a zip of uncompressed entries, whole or not at all."""
    check_replaceable(path)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for entry, content in entries.items():
            archive.writestr(zipfile.ZipInfo(entry, _EPOCH), content)
    try:
        write_whole(path, buffer.getvalue())
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error}. Give a folder that you may write to.") from error


def read_archive(content: bytes, where: str) -> dict[str, bytes]:
    """Return the entries of a zip in memory, by name.

    Compression, encryption, folders, links, names that leave the zip, duplicate names, and entries that together are
    longer than the file are refused: `write_archive` produces none of them.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            _check_entries(entries, len(content), where)
            return {entry.filename: archive.read(entry) for entry in entries}
    except ModelError:
        raise
    except (*_UNREADABLE, ValueError) as error:
        raise ModelError(
            f"{where} is damaged or not a model: {error}. Get the file again, or save it again."
        ) from error


def check_arrays(entries: Mapping[str, bytes], where: str) -> None:
    """Refuse numpy arrays whose headers lie about their size, before they allocate anything.

    An entry is recognised by its first bytes, as `numpy.load` does, whatever its name.
    """
    for name, content in entries.items():
        if content.startswith(b"PK"):
            check_arrays(_read_compressed(content, f"{name} in {where}"), f"{name} in {where}")
        elif content.startswith(b"\x93NUMPY"):
            _check_array(content, f"{name} in {where}")


def _check_entries(entries, length, where):
    if len(entries) > _MOST_ENTRIES:
        raise ModelError(f"{where} has {len(entries)} entries: this is not a model.")
    names = set()
    for entry in entries:
        name = entry.filename
        parts = name.split("/")
        if name in names:
            raise ModelError(f"{where} holds {name!r} twice: esc_features did not write it.")
        if not name.isprintable() or "\\" in name or ":" in name or any(part in ("", ".", "..") for part in parts):
            raise ModelError(f"{where} holds an entry {name!r}, which no model has.")
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 or entry.file_size != entry.compress_size:
            raise ModelError(f"{where}: {name!r} is compressed or encrypted, as no entry of a model is.")
        if entry.external_attr >> 28 not in (0, 0o10):
            raise ModelError(f"{where}: {name!r} is a link or a folder, as no entry of a model is.")
        names.add(name)
    if sum(entry.file_size for entry in entries) > length:
        raise ModelError(f"{where}: its entries overlap: together they are longer than the file. This is not a model.")


def _read_compressed(content, where):
    """Return the entries of a .npz, which scipy compresses; refuse those that unpack to absurd sizes."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > max(1 << 24, 50 * len(content)):
                raise ModelError(f"{where} unpacks to more than 50 times its size: it is refused as a zip bomb.")
            return {entry.filename: archive.read(entry) for entry in entries}
    except _UNREADABLE as error:
        raise ModelError(f"{where} is damaged: {error}.") from error


def _check_array(content, where):
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
    except (ValueError, EOFError, KeyError, TypeError, SyntaxError, RecursionError, tokenize.TokenError) as error:
        raise ModelError(f"{where} is not an array: {error}.") from error
    if dtype.hasobject:
        raise ModelError(f"{where} is an array of pickled objects, which a model never holds.")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(content) - stream.tell():
        raise ModelError(f"{where} claims the shape {shape}, which does not fit the bytes that it has.")
