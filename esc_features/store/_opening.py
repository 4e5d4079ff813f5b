"""Opening a store: its features are found, checked and joined with its clips."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NoReturn

import numpy as np

from .._suggest import list_some
from ..datasets import clip_name
from ..exceptions import StoreError
from ..storage import (
    CLIPS_FILE,
    FEATURE_1,
    ClipTable,
    ClosedFileError,
    FeatureFacts,
    FeatureFolder,
    FoldFile,
    Header,
    check_labels,
    file_identity,
    find_features,
    keys_of,
    open_with_room,
    read_header,
    writer_of,
)
from ._format_1 import LabelsInFiles
from ._stored_rows import Clips, StoredRows, match_rows

FINISH = "run the same extract_features command again to finish it"
_SAME_IN_ALL_FEATURES = ("filename", "target", "category", "src_file", "take")


@dataclass
class Opened:
    """The content of the folder of a store."""

    clips: Clips
    rows: dict[str, StoredRows] = field(default_factory=dict)
    facts: dict[str, FeatureFacts] = field(default_factory=dict)
    unfinished: dict[str, str] = field(default_factory=dict)
    #: Files of folds that are not in the clip table.
    left_over: list[str] = field(default_factory=list)


def look_at(path: Path) -> Opened:
    """Return the content of a store; look again if an extraction replaced files meanwhile."""
    for _ in range(20):
        before = _files_now(path)
        try:
            return _Look(path).opened
        except StoreError:
            if _files_now(path) == before:
                raise
    raise StoreError(f"The files of {path} are replaced faster than they can be read.{at_work(path)}")


def at_work(path: Path) -> str:
    """Return a sentence that names the process writing to a store; "" if there is none."""
    writer = writer_of(path)
    return f" It is being written by {writer}: wait for it, then open it again." if writer else ""


def _files_now(path: Path) -> dict[Path, tuple[int, ...]]:
    files = [path / CLIPS_FILE, *(file for feature in find_features(path) for file in feature.published.values())]
    identities = {}
    for file in files:
        try:
            identities[file] = file_identity(os.stat(file))  # noqa: PTH116
        except OSError:
            identities[file] = ()
    return identities


class _Look:
    """Reads the folder of a store once."""

    def __init__(self, path: Path):
        self.path = path
        self.unfinished: dict[str, str] = {}
        # Clips of each fold, as count and checksums, from a feature whose rows are in the order of the clip table.
        self._in_order: dict[int, tuple] = {}
        self.headers: dict[str, dict[int, Header]] = {}
        self.folders = {feature.name: feature for feature in find_features(path)}
        for feature in self.folders.values():
            self._read_headers(feature)
        if os.path.lexists(path / CLIPS_FILE):
            self.opened = Opened(open_with_room(lambda: ClipTable(path / CLIPS_FILE)), unfinished=self.unfinished)
            self._join_all()
        else:
            self.opened = self._open_format_1()
        if not self.opened.rows:
            self._refuse_unfinished()
        self._check_recordings()

    def _read_headers(self, feature: FeatureFolder) -> None:
        headers = {}
        try:
            for fold, file in feature.published.items():
                headers[fold] = open_with_room(partial(read_header, file))
        except ClosedFileError as error:
            feature.problem = str(error)
        if feature.problem:
            self.unfinished[feature.name] = feature.problem
        else:
            self.headers[feature.name] = headers

    # Format 2: a clip table

    def _join_all(self) -> None:
        ordered = self.opened.clips.column("fold")
        folds = {*ordered[:1].tolist(), *ordered[1:][np.diff(ordered) > 0].tolist()}
        for name, headers in self.headers.items():
            self.opened.left_over += [f"{name}/{headers[fold].path.name}" for fold in headers if fold not in folds]
            inside = {fold: header for fold, header in headers.items() if fold in folds}
            if problem := _difference(inside):
                self.unfinished[name] = problem
                continue
            others = {fold: header for fold, header in headers.items() if fold not in folds}
            self._join(name, inside, {**inside, **others})

    def _join(self, name: str, inside: dict[int, Header], everything: dict[int, Header]) -> None:
        files = [FoldFile(inside[fold].path, inside[fold]) for fold in sorted(inside)]
        names = {fold: (len(header), header.checksums) for fold, header in inside.items()}
        if names and names == self._in_order:
            order, missing = None, np.zeros(0, np.int64)
        else:
            order, missing = match_rows(self.opened.clips, files)
        if order is None and not len(missing) and all(header.checksums for header in inside.values()):
            self._in_order = names
        if len(missing) and len(everything) > len(inside) and not _difference(everything):
            # The row of a clip that changed its fold may be in the file of a fold that no longer exists.
            files = [FoldFile(everything[fold].path, everything[fold]) for fold in sorted(everything)]
            order, missing = match_rows(self.opened.clips, files)
        if len(missing):
            self.unfinished[name] = _damage(files) or self._what_is_missing(name, missing)
        else:
            self.opened.rows[name] = StoredRows(self.opened.clips, files, order)
            self.opened.facts[name] = files[0].header.facts

    def _what_is_missing(self, name: str, missing: np.ndarray) -> str:
        clips, begun = self.opened.clips, sorted(self.folders[name].partial)
        folds = clips.column("fold")
        lacking = [
            fold for fold in np.unique(folds).tolist() if (folds[missing] == fold).sum() == (folds == fold).sum()
        ]
        if len(missing) == np.isin(folds, lacking).sum():
            return _lacks_folds(name, lacking, begun)
        keys = keys_of(lambda column: clips.column(column)[missing])
        names = list_some(clip_name(*key) for key in keys)
        return f"{name!r} lacks {len(missing)} of {len(clips)} clips ({names})."

    # Format 1: labels in every file

    def _open_format_1(self) -> Opened:
        declared = {fold for headers in self.headers.values() for header in headers.values() for fold in _folds(header)}
        finished: dict[str, list[FoldFile]] = {}
        for name, headers in self.headers.items():
            if any(header.layout is not FEATURE_1 for header in headers.values()):
                raise StoreError(
                    f"The clip table {self.path / CLIPS_FILE} is missing: run the same extract_features command again, "
                    f"which writes it and computes nothing.{at_work(self.path)}"
                )
            lacking = sorted(declared - set(headers))
            if lacking or not headers:
                self.unfinished[name] = _lacks_folds(name, lacking, sorted(self.folders[name].partial))
            elif problem := _difference(headers):
                self.unfinished[name] = problem
            else:
                finished[name] = [FoldFile(headers[fold].path, headers[fold]) for fold in sorted(headers)]
        if not finished:
            self._refuse_unfinished()
        first, *others = finished
        for other in others:
            _check_same_labels(finished[first], finished[other])
        opened = Opened(LabelsInFiles(finished[first]), unfinished=self.unfinished)
        for name, files in finished.items():
            opened.rows[name] = StoredRows(opened.clips if name == first else LabelsInFiles(files), files, None)
            opened.facts[name] = files[0].header.facts
        return opened

    # What all features must agree on

    def _check_recordings(self) -> None:
        """Refuse features that were computed from different recordings: their rows do not belong together."""
        (first, rows), *others = self.opened.rows.items()
        digests = rows.column("audio_digest")
        for name, other in others:
            changed = np.flatnonzero(other.column("audio_digest") != digests)
            if len(changed):
                clip = str(self.opened.clips.column("filename")[changed[0]])
                raise StoreError(
                    f"The features {first!r} and {name!r} of {self.path} were computed from different recordings of "
                    f"{len(changed)} clips, {clip!r} first: update both with extract_features DATASET "
                    f"--features {','.join(self.opened.rows)} --out {self.path}.{at_work(self.path)}"
                )

    def _refuse_unfinished(self) -> NoReturn:
        reason = " ".join(self.unfinished.values()) or "It holds no feature files."
        raise StoreError(
            f"{self.path} has no finished feature. {reason}{at_work(self.path) or f' To use it, {FINISH}.'}"
        )


def _damage(files: list[FoldFile]) -> str:
    """Return what is wrong with the names of clips in the files of a feature; "" if they match their checksums."""
    try:
        for file in files:
            check_labels(file.header)
            file.column("filename")
    except StoreError as error:
        return str(error)
    return ""


def _folds(header: Header) -> set[int]:
    return {header.facts.fold, *(header.labels.folds if header.labels is not None else ())}


def _lacks_folds(name: str, lacking: list[int], begun: list[int]) -> str:
    numbers = ", ".join(map(str, (lacking or begun)[:20])) + (", ..." if len(lacking) > 20 else "")
    return f"{name!r} lacks fold {numbers}" + (f" (begun: {', '.join(map(str, begun[:20]))})." if begun else ".")


def _difference(headers: dict[int, Header]) -> str:
    """Return why the rows of the files of a feature are not comparable; "" if they are."""
    for fold, header in headers.items():
        if header.facts.fold != fold:
            return f"{header.path} says that it is fold {header.facts.fold}: rename it."
    every = list(headers.values())
    for other in every[1:]:
        first = every[0]
        for what, one, two in (
            ("fingerprint", first.facts.fingerprint, other.facts.fingerprint),
            ("shape", (first.data.shape, first.data.dtype), (other.data.shape, other.data.dtype)),
        ):
            if one != two:
                return (
                    f"{first.path} and {other.path} differ in {what}: extract all folds again with --overwrite, or "
                    "remove the file that an earlier extraction left."
                )
    return ""


def _check_same_labels(first: list[FoldFile], other: list[FoldFile]) -> None:
    for one, two in zip(first, other, strict=True):
        for name in _SAME_IN_ALL_FEATURES:
            if not np.array_equal(one.stored(name)[0], two.stored(name)[0]):
                raise StoreError(
                    f"{one.path} and {two.path} hold different clips: they differ in the column {name!r}, so their "
                    "rows do not belong together. Run extract_features DATASET with both features and this store as "
                    "--out, which updates both, or keep them in two stores."
                )
