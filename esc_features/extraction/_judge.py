"""The state of a file of a store: whether it would be recomputed now, why, and which of its rows can be kept."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._suggest import list_some
from ..datasets import clip_keys, clip_name
from ..exceptions import StoreError
from ..lazy import ClipKey
from ..storage import (
    PARTIAL,
    Header,
    check_labels,
    check_published,
    fold_file_name,
    read_column,
    read_header,
    stored_keys,
    whole_rows,
)

if TYPE_CHECKING:
    import pandas as pd

    from ..features import Feature

# They decode and resample every recording, and do the arithmetic of the built-in features.
_LIBRARIES = ("numpy", "scipy", "soxr", "soundfile")


@dataclass(frozen=True)
class WantedFile:
    """One file of a store as it should be now: a feature of the clips of a fold."""

    name: str
    feature: Feature
    fold: int
    clips: pd.DataFrame
    store: Path
    versions: dict[str, str]

    @property
    def path(self) -> Path:
        return self.store / self.name / fold_file_name(self.fold)

    @property
    def partial_path(self) -> Path:
        return self.path.with_name(self.path.name + PARTIAL)

    @property
    def label(self) -> str:
        return f"{self.name}/fold{self.fold}"


@dataclass(frozen=True)
class Kept:
    """Rows that need not be computed again: for each wanted clip, the number of its file (-1 is none) and its row."""

    headers: tuple[Header, ...]
    files: np.ndarray
    rows: np.ndarray
    #: Versions of the libraries that computed them.
    versions: dict[str, str]
    #: Whether they are in the unfinished file of exactly these clips, which is continued as it is.
    in_place: bool = False

    @property
    def count(self) -> int:
        return int((self.files >= 0).sum())


@dataclass(frozen=True)
class Verdict:
    """The state of a file, with a reason for each difference from what is wanted.

    "fresh": as wanted. "drifted": extracted with other library versions. "edited": of other clips or recordings.
    "stale": of other parameters, or unreadable. "damaged": rows do not match their checksums. "partial": not finished.
    "missing".
    """

    state: str
    reasons: tuple[str, ...] = ()
    #: The unfinished file of these clips, to be continued.
    begun: Kept | None = None


class Headers:
    """The headers of files, each read once; meanwhile the files must not change."""

    def __init__(self) -> None:
        self._read: dict[Path, Header] = {}

    def of(self, path: Path) -> Header:
        if path not in self._read:
            self._read[path] = read_header(path)
        return self._read[path]


@dataclass(frozen=True)
class AudioDigests:
    """The current digests (uint64) of recordings, and which of them are known."""

    values: np.ndarray
    known: np.ndarray


def judge(wanted: WantedFile, audio: AudioDigests, headers: Headers, check_rows: bool = False) -> Verdict:
    """Return the state of a file; with `check_rows`, every row is compared with its checksum too."""
    published = Verdict("missing")
    if os.path.lexists(wanted.path):
        published = _judge_published(wanted, audio, headers, check_rows)
    if published.state == "fresh" or not os.path.lexists(wanted.partial_path):
        return published
    return _judge_begun(wanted, audio, headers, published)


def _judge_published(wanted: WantedFile, audio: AudioDigests, headers: Headers, check_rows: bool) -> Verdict:
    try:
        header = headers.of(wanted.path)
        parameters = feature_differences(header, wanted.feature)
        edits = _edits(header, wanted, audio)
    except StoreError as error:
        return Verdict("stale", (str(error),))
    drift = version_differences(header.facts.versions, wanted.versions)
    if parameters or edits:
        return Verdict("stale" if parameters else "edited", (*parameters, *edits, *drift))
    if damage := _damage(header, check_rows):
        return Verdict("damaged", damage)
    return Verdict("drifted", tuple(drift)) if drift else Verdict("fresh")


def _edits(header: Header, wanted: WantedFile, audio: AudioDigests) -> list[str]:
    """Return how the clips of a file, or their recordings, differ from the current ones."""
    other_fold = header.facts.fold != wanted.fold
    reasons = [f"it says that it is fold {header.facts.fold}"] if other_fold else []
    return reasons + (clip_differences(header, wanted.clips) or audio_differences(header, wanted.clips, audio))


def _damage(header: Header, check_rows: bool) -> tuple[str, ...]:
    try:
        check_published(header)
        if check_rows:
            check_labels(header)
    except StoreError as error:
        return (str(error),)
    if not check_rows:
        return ()
    wrong = ~whole_rows(header)
    keys = stored_keys(header)
    names = list_some(clip_name(*keys[row]) for row in np.flatnonzero(wrong))
    return (f"the rows of {names} do not match their checksums",) if wrong.any() else ()


def _judge_begun(wanted: WantedFile, audio: AudioDigests, headers: Headers, published: Verdict) -> Verdict:
    """Return the state of a wanted file that was begun, and its rows if they are as wanted."""
    try:
        if wanted.partial_path.is_symlink():
            return published  # `extract` makes no links
        header = headers.of(wanted.partial_path)
        differences = feature_differences(header, wanted.feature)
        drift = version_differences(header.facts.versions, wanted.versions)
        same_clips = header.facts.fold == wanted.fold and not clip_differences(header, wanted.clips)
        rows = _Rows([header]).of(wanted.clips, audio, wanted.versions)
    except StoreError:
        return published  # killed while it was being created: no row had been computed
    if differences or drift:
        # Rows of two library versions must not meet in one file that names one.
        reasons = tuple(f"it was begun, and {reason}" for reason in differences + drift)
        return Verdict("stale", reasons) if published.state == "missing" else published
    begun = replace(rows, in_place=True) if same_clips else None
    if published.state != "missing":
        return Verdict(published.state, published.reasons, begun)
    return Verdict("partial", (f"{rows.count} of {len(wanted.clips)} clips are done",), begun)


class RowsOfFeature:
    """The rows of a feature, or of any feature, in published and unfinished files of all folds."""

    def __init__(self, paths: Iterable[Path], feature: Feature | None, headers: Headers):
        self._by_versions: dict[str, list[Header]] = {}
        for path in paths:
            try:
                if feature is not None and path.is_symlink():  # rows are never copied through a link
                    continue
                header = headers.of(path)
                check_labels(header)
            except (StoreError, OSError):
                continue
            if feature is None or _is_same_feature(header, feature):
                self._by_versions.setdefault(_as_text(header.facts.versions), []).append(header)
        self._rows: dict[str, _Rows] = {}

    def knows(self, clips: pd.DataFrame) -> np.ndarray:
        """Return which clips have a row."""
        every = [self._of_versions(versions) for versions in self._by_versions]
        return np.array([any(key in rows for rows in every) for key in clip_keys(clips)], bool)

    def keep(self, wanted: WantedFile, audio: AudioDigests, older: bool) -> Kept | None:
        """Return the rows of a file that need not be computed.

        With `older`, rows from other library versions are kept too, if the file then has no other rows.
        """
        now = _as_text(wanted.versions)
        for versions in sorted(self._by_versions, key=lambda versions: versions != now):
            kept = self._of_versions(versions).of(wanted.clips, audio, json.loads(versions))
            if kept.count and (versions == now or (older and kept.count == len(wanted.clips))):
                return kept
        return None

    def replaced(self, clips: pd.DataFrame, audio: AudioDigests) -> np.ndarray:
        """Return which clips have rows, but none of their current recording."""
        every = [self._of_versions(versions) for versions in self._by_versions]
        known, same = np.zeros(len(clips), bool), np.zeros(len(clips), bool)
        for rows in every:
            known |= np.array([key in rows for key in clip_keys(clips)], bool)
            same |= rows.of(clips, audio, {}).files >= 0
        return known & ~same

    def _of_versions(self, versions: str) -> _Rows:
        if versions not in self._rows:
            self._rows[versions] = _Rows(self._by_versions[versions])
        return self._rows[versions]


class _Rows:
    """The finished rows of some files, by clip and recording."""

    def __init__(self, headers: Sequence[Header]):
        self._headers = tuple(headers)
        self._places: dict[ClipKey, dict[int, tuple[int, int]]] = {}
        for file, header in enumerate(headers):
            done, digests = read_column(header, "done") == 1, read_column(header, "audio_digest").tolist()
            for row, key in enumerate(stored_keys(header)):
                if done[row]:
                    self._places.setdefault(key, {}).setdefault(digests[row], (file, row))

    def __contains__(self, key: ClipKey) -> bool:
        return key in self._places

    def of(self, clips: pd.DataFrame, audio: AudioDigests, versions: dict[str, str]) -> Kept:
        """Return the rows of clips' current recordings, or of any recording if the current one is unknown."""
        places = np.full((len(clips), 2), -1, np.int64)
        digests = [value if known else None for value, known in zip(audio.values.tolist(), audio.known, strict=True)]
        for number, (key, digest) in enumerate(zip(clip_keys(clips), digests, strict=True)):
            if by_digest := self._places.get(key):
                places[number] = next(iter(by_digest.values())) if digest is None else by_digest.get(digest, (-1, -1))
        return Kept(self._headers, places[:, 0], places[:, 1], versions)


def _as_text(versions: dict[str, str]) -> str:
    return json.dumps(versions, sort_keys=True)


def _is_same_feature(header: Header, feature: Feature) -> bool:
    # Either of the two identifies the feature; if they contradict each other, one is damaged.
    return header.facts.fingerprint == feature.fingerprint() or header.facts.description == feature.description()


def parameter_differences(stored: dict, wanted: dict, prefix: str = "") -> list[str]:
    """Return a sentence for each parameter in which two descriptions of a feature differ."""
    reasons = []
    for key in sorted({*stored, *wanted}):
        name = f"{prefix}{key}"
        old, new = stored.get(key, "(absent)"), wanted.get(key, "(absent)")
        if isinstance(old, dict) and isinstance(new, dict):
            reasons += parameter_differences(old, new, prefix if key == "parameters" else f"{name}.")
        elif json.dumps(old, sort_keys=True) != json.dumps(new, sort_keys=True):  # True is not 1
            reasons.append(f"{name} is {old!r} in the store and {new!r} now")
    return reasons


def feature_differences(header: Header, feature: Feature) -> list[str]:
    """Return a sentence for each difference between a file and the feature as it is now."""
    reasons = parameter_differences(header.facts.description, feature.description())
    if not reasons and header.facts.fingerprint != feature.fingerprint():
        reasons = ["its fingerprint differs"]
    return reasons


def clip_differences(header: Header, clips: pd.DataFrame) -> list[str]:
    """Return a sentence for each difference between the clips of a file and those of a table.

    Labels and sources are not compared: they are in the clip table of the store.
    """
    stored, now = stored_keys(header), clip_keys(clips)
    return [] if stored == now else _different_clips(stored, now)


def audio_differences(header: Header, clips: pd.DataFrame, audio: AudioDigests) -> list[str]:
    """Return a sentence that names the changed recordings, if any, of a file that has these clips."""
    done = read_column(header, "done").astype(bool)
    changed = clips["filename"][done & audio.known & (read_column(header, "audio_digest") != audio.values)].unique()
    return [f"the audio of {list_some(changed)} changed"] if len(changed) else []


def library_versions(feature: Feature) -> dict[str, str]:
    """Return the versions of the libraries that decide the numbers of a feature."""
    libraries = sorted({*_LIBRARIES, *getattr(feature, "libraries", ())})
    return {name: version_of(name) for name in ("esc_features", *libraries)}


@cache
def version_of(library: str) -> str:
    """Return the version of an installed library; "unknown" if it is not installed."""
    # Cached, because it takes milliseconds, and a loaded module does not change.
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "unknown"


def version_differences(stored: dict, now: dict) -> list[str]:
    """Return a sentence for each library that has another version than the one that computed a file."""
    return [
        f"{library} was {stored.get(library, 'not recorded')} when it was written and is {version} now"
        for library, version in sorted(now.items())
        if stored.get(library) != version
    ]


def _different_clips(stored: list[ClipKey], now: list[ClipKey]) -> list[str]:
    gone, new = [sorted(set(one) - set(other)) for one, other in ((stored, now), (now, stored))]
    reasons = []
    for keys, what in ((gone, "no longer in the data set"), (new, "not in the store")):
        if keys:
            are = "1 clip is" if len(keys) == 1 else f"{len(keys)} clips are"
            reasons.append(f"{are} {what}: {list_some(clip_name(*key) for key in keys)}")
    return reasons or ["the clips are in another order"]
