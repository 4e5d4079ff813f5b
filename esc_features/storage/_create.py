"""Creating files: the HDF5 structure is made in memory, then written to the disk at once."""

from __future__ import annotations

import contextlib
import io
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from h5py import h5d, h5f, h5fd, h5g, h5p, h5s, h5t

from .._platform import reserve_space, write_at
from ..exceptions import StoreError
from ._hdf5 import LARGEST_ATTRIBUTE, LONGEST_TEXT, has_control
from ._layout import FEATURE_2, FORMAT, FORMAT_VERSION, FeatureFacts, Layout

if TYPE_CHECKING:
    import pandas as pd

PAGE = 4096


def create_file(path: Path, shape: tuple[int, ...], dtype: str, clips: pd.DataFrame, facts: FeatureFacts) -> None:
    """Create a feature file with disk space for every row and no row done; replace an existing file.

    `clips` is a table with `filename`, `start` and `end`. The same arguments give the same bytes: nothing in the file
    depends on the time or the machine. The file gets its name only when it is complete.
    """
    given = encode_columns(clips, FEATURE_2)

    def fill(file: h5py.File) -> None:
        create_dataset(file, "data", (len(clips), *shape), np.dtype(dtype))
        create_columns(file, given)
        for name, number_type in FEATURE_2.measured.items():
            create_dataset(file, f"clips/{name}", (len(clips),), np.dtype(number_type))[:] = 0
        write_attributes(
            file,
            feature=facts.feature,
            fold=facts.fold,
            description=facts.description,
            fingerprint=facts.fingerprint,
            versions=facts.versions,
            created=facts.created,
            checksums=checksums_of(given),
        )

    make_image(fill).save(path)


def make_image(fill: Callable[[h5py.File], None]) -> SparseFile:
    """Return an HDF5 file in memory, with a group `/clips` and whatever `fill` adds to it.

    libhdf5 crashes if it cannot write a header to a full disk, so it never writes to the disk itself.
    """
    image = SparseFile()
    fcpl, fapl = h5p.create(h5p.FILE_CREATE), h5p.create(h5p.FILE_ACCESS)
    fcpl.set_obj_track_times(False)
    # 1.8: object headers carry checksums, and no "still open" flag that a killed writer would leave set.
    fapl.set_libver_bounds(h5f.LIBVER_V18, h5f.LIBVER_V18)
    fapl.set_alignment(PAGE, PAGE)
    fapl.set_fileobj_driver(h5fd.fileobj_driver, image)
    with h5py.File(h5f.create(b"image", h5f.ACC_TRUNC, fcpl=fcpl, fapl=fapl)) as file:
        gcpl = h5p.create(h5p.GROUP_CREATE)
        gcpl.set_obj_track_times(False)
        h5g.create(file.id, b"clips", gcpl=gcpl)
        fill(file)
    return image


class SparseFile(io.RawIOBase):
    """A file in memory that stores only the pages that were written, and its size."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}
        self._size = self._position = 0

    def write(self, data) -> int:
        view = memoryview(data).cast("B")
        self._size = max(self._size, self._position + len(view))
        start = self._position
        while len(view):
            number, offset = divmod(self._position, PAGE)
            page = self._pages.setdefault(number, bytearray(PAGE))
            part = view[: PAGE - offset]
            page[offset : offset + len(part)] = part
            view, self._position = view[len(part) :], self._position + len(part)
        return self._position - start

    def readinto(self, buffer) -> int:
        view = memoryview(buffer).cast("B")[: max(0, self._size - self._position)]
        start = 0
        while start < len(view):
            number, offset = divmod(self._position + start, PAGE)
            part = memoryview(self._pages.get(number, _NO_PAGE))[offset : offset + len(view) - start]
            view[start : start + len(part)] = part
            start += len(part)
        self._position += len(view)
        return len(view)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def truncate(self, size: int | None = None) -> int:
        self._size = self._position if size is None else size
        return self._size

    def content(self) -> bytes:
        """Return all bytes."""
        self.seek(0)
        return self.read(self._size) or b""

    def save(self, path: Path) -> None:
        """Write the file to the disk, with space for the pages that were not written; rename it when complete."""
        part = path.with_name(f".{path.name}.part")
        part.unlink(missing_ok=True)
        try:
            # No link is followed: O_EXCL creates a new file, and renaming replaces a link.
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
            try:
                reserve_space(descriptor, self._size)
                for number, page in sorted(self._pages.items()):
                    start = number * PAGE
                    write_at(descriptor, page[: self._size - start], start)
            finally:
                os.close(descriptor)
            part.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise


_NO_PAGE = bytes(PAGE)


def create_dataset(file: h5py.File, name: str, shape: tuple[int, ...], dtype: np.dtype) -> h5py.Dataset:
    """Create a contiguous HDF5 dataset whose space is allocated at once and not written."""
    dcpl = h5p.create(h5p.DATASET_CREATE)
    dcpl.set_layout(h5d.CONTIGUOUS)
    dcpl.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    dcpl.set_fill_time(h5d.FILL_TIME_NEVER)
    dcpl.set_obj_track_times(False)
    file_type = h5t.py_create(dtype, logical=True)
    return h5py.Dataset(h5d.create(file.id, name.encode(), file_type, h5s.create_simple(shape), dcpl=dcpl))


def create_columns(file: h5py.File, columns: dict[str, np.ndarray]) -> None:
    for name, values in columns.items():
        create_dataset(file, f"clips/{name}", values.shape, values.dtype)[:] = values


def write_attributes(file: h5py.File, **attributes: str | int | dict[str, Any]) -> None:
    """Write the attributes of a file: texts, whole numbers, and objects as JSON."""
    for name, value in {"format": FORMAT, "format_version": FORMAT_VERSION, **attributes}.items():
        if isinstance(value, int):
            file.attrs.create(name, value, dtype="<i8")
        else:
            text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
            encoded = encode_text(text, f"The {name}", LARGEST_ATTRIBUTE)
            file.attrs.create(name, encoded, dtype=h5py.string_dtype("utf-8", max(1, len(encoded))))


def encode_columns(clips: pd.DataFrame, layout: Layout) -> dict[str, np.ndarray]:
    """Return the columns of a clip table that belong to a layout, encoded as in the file."""
    clips = clips.assign(**{name: whole for name, whole in _WHOLE_RECORDING.items() if name not in clips})
    texts = {name: encode_texts(clips[name].tolist(), f"The {name} of a clip") for name in layout.texts}
    return texts | {name: clips[name].to_numpy(number_type) for name, number_type in layout.numbers.items()}


_WHOLE_RECORDING = {"start": 0.0, "end": np.inf}


def encode_texts(texts: list[str], what: str) -> np.ndarray:
    encoded = [text.encode(errors="backslashreplace") for text in texts]
    joined = b"".join(encoded)
    if has_control(joined) or b"\0" in joined or max(map(len, encoded), default=0) > LONGEST_TEXT:
        encoded = [encode_text(text, what, LONGEST_TEXT) for text in texts]  # its error names the text
    return np.array(encoded, h5py.string_dtype("utf-8", max(1, *map(len, encoded), 1)))


def encode_text(text: str, what: str, most: int) -> bytes:
    # The name of a file may contain bytes that are not text; they are stored legibly.
    encoded = text.encode(errors="backslashreplace")
    if len(encoded) > most:
        raise StoreError(
            f"{what} has {len(encoded)} bytes, {encoded[:40]!r}...: a store keeps at most {most}. Shorten it."
        )
    if has_control(encoded) or b"\0" in encoded:
        raise StoreError(f"{what} holds control characters: {encoded[:40]!r}. Remove them.")
    return encoded


def checksums_of(columns: dict[str, np.ndarray]) -> dict[str, int]:
    return {name: zlib.crc32(values.tobytes()) for name, values in columns.items()}
