"""Reading and checking the header of a feature file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py

from ._hdf5 import (
    check_dataset,
    check_links,
    check_places,
    file_identity,
    has_attribute,
    open_group,
    opened,
    read_integers,
    read_json,
    read_text,
    read_version,
    refusal,
    steady_look,
)
from ._layout import FEATURE_1, FEATURE_2, FeatureFacts, Header, LabelFacts

# Format 1: one checksum of all columns known before extraction. The oldest files lack it.
_LABEL_CHECKSUM = "labels_crc32"


def read_header(path: Path) -> Header:
    """Open a feature file, check that it follows the format and is safe to map, and return its header.

    Nothing is followed, read or mapped before it is checked to be what the format allows: hard links to plain
    contiguous HDF5 datasets inside the file.
    """
    return steady_look(path, lambda status: _read(path, status))


def _read(path: Path, status: os.stat_result) -> Header:
    with opened(path) as file:
        layout = FEATURE_1 if read_version(file, (1, 2), path) == 1 else FEATURE_2
        facts, labels, checksums = _read_facts(file, path), None, {}
        if layout is FEATURE_1:
            labels = _read_labels(file, facts.fold, path)
            if has_attribute(file, _LABEL_CHECKSUM):
                checksums = {"": _one_integer(file, _LABEL_CHECKSUM, path)}
        else:
            checksums = read_checksums(file, layout.given, path)
        check_links(file.id, {b"data", b"clips"}, path)
        clips = open_group(file, b"clips", path)
        check_links(clips, {name.encode() for name in layout.columns}, path)
        size = status.st_size
        columns = {name: check_dataset(clips, name, layout.types(name), 1, size, path) for name in layout.columns}
        columns["data"] = check_dataset(file.id, "data", layout.types("data"), None, size, path)
    if len({column.count for column in columns.values()}) != 1:
        raise refusal(path, "its columns differ in length")
    check_places(columns, path)
    return Header(path, layout, facts, labels, checksums, columns, file_identity(status))


def _read_facts(file: h5py.File, path: Path) -> FeatureFacts:
    description, versions = (read_json(file, name, path) for name in ("description", "versions"))
    if not (
        isinstance(description.get("class"), str)
        and description["class"].isprintable()
        and isinstance(description.get("parameters"), dict)
        and isinstance(description.get("computed_from"), dict | None)
    ):
        raise refusal(path, "the attribute 'description' does not describe a feature")
    if not all(isinstance(version, str) for version in versions.values()):
        raise refusal(path, "the attribute 'versions' does not hold versions")
    fingerprint, feature, created = (read_text(file, name, path) for name in ("fingerprint", "feature", "created"))
    return FeatureFacts(feature, _one_integer(file, "fold", path), description, fingerprint, versions, created)


def _read_labels(file: h5py.File, fold: int, path: Path) -> LabelFacts:
    folds = read_integers(file, "folds", path)
    if not (isinstance(folds, list) and len(set(folds)) == len(folds) and fold in folds):
        raise refusal(path, "its fold is not among the folds that it lists")
    dataset, audio_folder = read_text(file, "dataset", path), read_text(file, "audio_folder", path)
    return LabelFacts(dataset, tuple(folds), audio_folder)


def read_checksums(file: h5py.File, columns: tuple[str, ...], path: Path) -> dict[str, int]:
    checksums: dict[str, Any] = read_json(file, "checksums", path)
    if set(checksums) != set(columns) or not all(type(value) is int for value in checksums.values()):
        raise refusal(path, "the attribute 'checksums' does not hold one checksum per column")
    return checksums


def _one_integer(file: h5py.File, name: str, path: Path) -> int:
    value = read_integers(file, name, path)
    if not isinstance(value, int):
        raise refusal(path, f"the attribute {name!r} is not a single whole number, but a file has one fold")
    return value
