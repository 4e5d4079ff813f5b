"""`clips.h5`: the names, labels and folds of the clips of a store, once for all its features."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import zlib
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from .._files import write_whole
from .._platform import sync_folder
from ..datasets import IDENTITY, leaves_folder
from ..exceptions import StoreError
from ._columns import decode_texts
from ._create import (
    checksums_of,
    create_columns,
    create_dataset,
    encode_columns,
    encode_texts,
    make_image,
    write_attributes,
)
from ._files import check_store_is_here
from ._hdf5 import (
    ClosedFileError,
    advice,
    check_dataset,
    check_links,
    check_places,
    open_group,
    opened,
    read_integers,
    read_text,
    read_version,
    refusal,
    regular_file,
)
from ._header import read_checksums
from ._layout import CLIPS_2, CLIPS_2_LABELS, CLIPS_FILE, Column, Layout

if TYPE_CHECKING:
    import pandas as pd

_LARGEST_TABLE = 1 << 30


@dataclass(frozen=True)
class DatasetFacts:
    """The facts in a clip table about the data set as a whole.

    `audio_folder` is the folder of the recordings; relative names in the column `path` start there. `folds_by` records
    how the folds were made; it is "" if they came with the data set. `categories` are in the order of class numbers, or
    of the columns of the labels if clips have several.
    """

    dataset: str
    audio_folder: str
    folds_by: str
    categories: tuple[str, ...]
    several_labels: bool
    created: str


def write_clip_table(folder: Path, clips: pd.DataFrame, dataset: str, created: str) -> bool:
    """Write the clip table of a store atomically: fold by fold, in the order of the given table within a fold.

    If the present table has the same content, it is left as it is.

    Parameters
    ----------
    folder : Path
        Folder of the store.
    clips : DataFrame
        A clip table as defined by `datasets`, with `labels` (tuples of str) or `category`. Its `attrs` may have
        `folds_by`, how the folds were made, and the `categories` of the labels.
    dataset : str
        Name of the data set.
    created : str
        Time of writing, in ISO 8601.

    Returns
    -------
    bool
        Whether anything was written.
    """
    path = folder / CLIPS_FILE
    for part in folder.glob(f".{CLIPS_FILE}.*.part"):  # left by a run that was killed: only one writes at a time
        part.unlink(missing_ok=True)
    clips = clips.sort_values("fold", kind="stable", ignore_index=True)
    audio_folder, paths = _relative_paths(clips)
    several = "labels" in clips
    columns = encode_columns(clips.assign(path=paths), CLIPS_2_LABELS if several else CLIPS_2)
    beside = _labels(clips) if several else {"categories": _by_target(clips)}
    says: dict[str, str | int] = {
        "dataset": dataset,
        "audio_folder": audio_folder,
        "folds_by": str(clips.attrs.get("folds_by", "")),
        "several_labels": int(several),
    }
    with contextlib.suppress(StoreError, OSError):
        if _read(path).says_the_same(says, columns | beside):
            return False

    def fill(file: h5py.File) -> None:
        create_columns(file, columns)
        for name, values in beside.items():
            create_dataset(file, name, values.shape, values.dtype)[...] = values
        write_attributes(file, **says, created=created, checksums=checksums_of(columns | beside))

    write_whole(path, make_image(fill).content())
    sync_folder(folder)
    return True


def _relative_paths(clips: pd.DataFrame) -> tuple[str, list[str]]:
    """Return the folder that all paths have in common, and the names in it; otherwise "" and the whole paths."""
    paths = [path if "://" in path else os.path.abspath(path) for path in clips["path"].astype(str)]  # noqa: PTH100
    names = clips["filename"].tolist()
    folders = {path.removesuffix(f"/{name}") for path, name in zip(paths, names, strict=True)}
    if len(folders) == 1 and all(path.endswith(f"/{name}") for path, name in zip(paths, names, strict=True)):
        return folders.pop() or "/", names
    return "", paths


def _by_target(clips: pd.DataFrame) -> np.ndarray:
    first = clips.drop_duplicates("target").sort_values("target")
    return encode_texts(first["category"].tolist(), "A category")


def _labels(clips: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the categories and which of them each clip has; nothing if no clip has any."""
    labels = clips["labels"].tolist()
    categories = list(clips.attrs.get("categories") or sorted({label for several in labels for label in several}))
    if not categories:
        return {}
    return {"labels": _indicators(labels, categories), "categories": encode_texts(categories, "A category")}


def recording_path(path: str, audio_folder: str) -> str:
    """Return the path or URL of a recording; "" if a relative path would lead out of the folder."""
    if "://" in path or os.path.isabs(path):  # noqa: PTH117
        return path
    return "" if leaves_folder(path) else os.path.join(audio_folder, path)  # noqa: PTH118


def _indicators(labels: list, categories: list[str]) -> np.ndarray:
    number = {category: position for position, category in enumerate(categories)}
    unknown = {label for several in labels for label in several} - set(number)
    if unknown:
        raise StoreError(
            f"The label {min(unknown)!r} is not among the categories of the table, {', '.join(categories)}. Correct "
            "the label, or add it to the categories."
        )
    indicators = np.zeros((len(labels), len(categories)), np.int8)
    for row, several in enumerate(labels):
        indicators[row, [number[label] for label in several]] = 1
    return indicators


class ClipTable:
    """The clip table of a store as it was when it was opened; columns are decoded on first use.

    It is small to pickle: another process reads the file again, and refuses one that has changed since.
    """

    def __init__(self, path: Path):
        self.path = path
        self._contents: _Contents | None = _read(path)
        self.content_id = self._contents.content_id

    def __len__(self) -> int:
        return self._columns["filename"].count

    @property
    def facts(self) -> DatasetFacts:
        return self._open().facts

    def raw(self, name: str) -> np.ndarray:
        """Return a column as it is stored, texts as bytes; raise StoreError if it does not match its checksum."""
        return self._open().raw(name)

    def column(self, name: str) -> np.ndarray:
        """Return a column, texts as str."""
        return self._open().column(name)

    def check(self) -> None:
        """Raise StoreError if a column does not match its checksum."""
        for name in self._columns:
            self.column(name)

    @property
    def _columns(self) -> dict[str, Column]:
        return self._open().columns

    def _open(self) -> _Contents:
        if self._contents is None:
            check_store_is_here(self.path.parent)
            contents = _read(self.path)
            if contents.content_id != self.content_id:
                raise StoreError(
                    f"{self.path} has changed since this array was made: open the store again with open_store."
                )
            self._contents = contents
        return self._contents

    def __getstate__(self):
        return str(self.path), self.content_id

    def __setstate__(self, state):
        path, self.content_id = state
        self.path, self._contents = Path(path), None


@dataclass(frozen=True)
class _Contents:
    """A clip table in memory: it was read at once, so it cannot change while it is used."""

    path: Path
    content: bytes
    columns: dict[str, Column]
    checksums: dict[str, int]
    facts: DatasetFacts
    _checked: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @property
    def content_id(self) -> bytes:
        """12 bytes that change with any content of the table."""
        return blake2b(repr((self.checksums, self.facts)).encode(), digest_size=12).digest()

    def says_the_same(self, facts: dict[str, str | int], columns: dict[str, np.ndarray]) -> bool:
        """Return whether the table has these facts and columns, regardless of when it was written."""
        return facts.items() <= dataclasses.asdict(self.facts).items() and (
            {name: (values.dtype, values.tobytes()) for name, values in columns.items()}
            == {name: (column.dtype, self.raw(name).tobytes()) for name, column in self.columns.items()}
        )

    def raw(self, name: str) -> np.ndarray:
        if name == "labels" and name not in self.columns:  # no clip has any
            return np.zeros((self.columns["filename"].count, 0), np.int8)
        if name not in self._checked:
            column = self.columns[name]
            raw = memoryview(self.content)[column.offset : column.offset_of(column.count)]
            if zlib.crc32(raw) != self.checksums[name]:
                raise StoreError(f"{self.path} is damaged: {name!r} does not match its checksum. {advice(self.path)}")
            self._checked[name] = np.frombuffer(raw, column.dtype).reshape(column.count, *column.shape)
            self._check_classes(name)
        return self._checked[name]

    def _check_classes(self, name: str) -> None:
        # Checked on first use, because opening a store needs none of them.
        if name == "labels" and not np.isin(self.raw("labels"), (0, 1)).all():
            raise refusal(self.path, "its labels are numbers other than 0 and 1")
        if name == "target" and not self.facts.several_labels:
            self.raw("category")
        if name == "category":
            targets, number = np.unique(self.raw("target"), return_inverse=True)
            categories = self.raw("categories")
            if len(targets) != len(categories) or (categories[number] != self.raw("category")).any():
                raise refusal(self.path, "the categories of its clips are not those of their targets")

    def column(self, name: str) -> np.ndarray:
        return decode_texts(self.raw(name), name, self.path)


def audio_folder_of(path: Path) -> str:
    """Return the audio folder in a table, even if its columns are damaged: repairing it requires the recordings."""
    with opened(path, _read_whole(path)) as file:
        read_version(file, (2,), path)
        return read_text(file, "audio_folder", path)


def _read(path: Path) -> _Contents:
    content = _read_whole(path)
    with opened(path, content) as file:
        read_version(file, (2,), path)
        several = read_integers(file, "several_labels", path)
        if several not in (0, 1):
            raise refusal(path, "the attribute 'several_labels' is not 0 or 1")
        layout = CLIPS_2_LABELS if several else CLIPS_2
        columns = _check_columns(file, layout, len(content), path)
        checksums = read_checksums(file, tuple(columns), path)
        texts = [read_text(file, name, path) for name in ("dataset", "audio_folder", "folds_by", "created")]
    dataset, audio_folder, folds_by, created = texts
    facts = DatasetFacts(dataset, audio_folder, folds_by, (), bool(several), created)
    contents = _Contents(path, content, columns, checksums, facts)
    if "categories" in columns:
        facts = dataclasses.replace(facts, categories=tuple(contents.column("categories").tolist()))
    _check_values(contents)
    return dataclasses.replace(contents, facts=facts)


def _read_whole(path: Path) -> bytes:
    if regular_file(path).st_size > _LARGEST_TABLE:
        raise refusal(path, "it is larger than any clip table")
    # O_NONBLOCK: if the file has been replaced by a pipe, opening it would wait for a writer.
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except PermissionError as error:
        raise ClosedFileError(path) from error
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def _check_columns(file: h5py.File, layout: Layout, size: int, path: Path) -> dict[str, Column]:
    beside = [b"labels", b"categories"] if layout is CLIPS_2_LABELS else [b"categories"]
    # In a table with several labels per clip, possibly no clip has any.
    present = layout is CLIPS_2 or file.id.links.exists(b"categories")
    check_links(file.id, {b"clips", *(beside if present else ())}, path)
    clips = open_group(file, b"clips", path)
    check_links(clips, {name.encode() for name in layout.columns}, path)
    columns = {name: check_dataset(clips, name, layout.types(name), 1, size, path) for name in layout.columns}
    count = columns["filename"].count
    if any(column.count != count for column in columns.values()):
        raise refusal(path, "its columns differ in length")
    if present:
        columns["categories"] = check_dataset(file.id, "categories", (), 1, size, path)
    if present and layout is CLIPS_2_LABELS:
        columns["labels"] = check_dataset(file.id, "labels", ("|i1",), 2, size, path)
        if (columns["labels"].count, columns["labels"].shape) != (count, (columns["categories"].count,)):
            raise refusal(path, "its labels are not one number per clip and category")
    check_places(columns, path)
    return columns


def _check_values(contents: _Contents) -> None:
    if (np.diff(contents.column("fold")) < 0).any():
        raise refusal(contents.path, "its clips are not in the order of their folds")
    names, start, end = (contents.raw(name) for name in IDENTITY)
    if not ((start >= 0) & (end > start)).all():
        raise refusal(contents.path, "a clip starts before 0 or does not end after it starts")
    if _are_repeated(names, start, end):
        raise refusal(contents.path, "it has a clip twice")
    categories = contents.raw("categories").tolist() if "categories" in contents.columns else []
    if len(set(categories)) < len(categories):
        raise refusal(contents.path, "it has a category twice")


def _are_repeated(names: np.ndarray, start: np.ndarray, end: np.ndarray) -> bool:
    # One hash per clip first: comparing 100,000 names would take longer than everything else in opening a store.
    words = names.astype(f"S{-(-names.dtype.itemsize // 8) * 8}").view(np.uint64).reshape(len(names), -1)
    hashes = np.zeros(len(names), np.uint64)
    for word in ((start + 0.0).view(np.uint64), end.view(np.uint64), *words.T):
        hashes = (hashes ^ word) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(29)
    hashes.sort()
    if not (hashes[1:] == hashes[:-1]).any():
        return False
    return len(set(zip(names.tolist(), start.tolist(), end.tolist(), strict=True))) < len(names)
