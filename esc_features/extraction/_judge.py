"""The one judge of a file of a store: is it what would be extracted now; if not, why, and what of it can be kept."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..datasets import IDENTITY, clip_keys, clip_name
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
    whole_rows,
)

if TYPE_CHECKING:
    import pandas as pd

    from ..features import Feature

# They decode and resample every recording and do the arithmetic of our features.
_LIBRARIES = ("numpy", "scipy", "soxr", "soundfile")
_MOST = 5


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
    """Rows of a file that need not be computed again: for each clip wanted now its row there, -1 where it has none."""

    header: Header
    rows: np.ndarray
    #: Whether it is the unfinished file of these very clips, which is gone on with as it is.
    in_place: bool = False


@dataclass(frozen=True)
class Verdict:
    """What a file is, with a reason for each way in which it is not what is wanted.

    "fresh": as wanted. "drifted": extracted with other versions of libraries. "stale": of other parameters, clips or
    audio, or not readable. "damaged": rows are not what was written. "partial": not finished. "missing".
    """

    state: str
    reasons: tuple[str, ...] = ()
    kept: Kept | None = None


@dataclass(frozen=True)
class AudioDigests:
    """The digests (uint64) of recordings now, and which could be read at all."""

    values: np.ndarray
    known: np.ndarray


def judge(wanted: WantedFile, audio: AudioDigests, check_rows: bool = False) -> Verdict:
    """Say what a file is; with `check_rows`, the checksum of each of its rows counts too."""
    published = Verdict("missing")
    if os.path.lexists(wanted.path):
        published = _judge_published(wanted, audio, check_rows)
    if published.state == "fresh" or not os.path.lexists(wanted.partial_path):
        return published
    return _judge_begun(wanted, audio, published)


def _judge_published(wanted: WantedFile, audio: AudioDigests, check_rows: bool) -> Verdict:
    try:
        header = read_header(wanted.path)
        reasons, kept, drift = _compare(header, wanted, audio)
    except StoreError as error:
        return Verdict("stale", (str(error),))
    if reasons:
        return Verdict("stale", tuple(reasons + drift), kept)
    if damage := _damage(header, check_rows):
        return Verdict("damaged", damage, kept)
    return Verdict("drifted", tuple(drift), kept) if drift else Verdict("fresh")


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
    names = _some(read_column(header, "filename")[wrong].tolist())
    return (f"the rows of {names} are not what was written",) if wrong.any() else ()


def _judge_begun(wanted: WantedFile, audio: AudioDigests, published: Verdict) -> Verdict:
    """Go on with an unfinished file where its rows are those that are wanted."""
    try:
        if wanted.partial_path.is_symlink():
            return published  # not of our making
        header = read_header(wanted.partial_path)
        differences = feature_differences(header, wanted.feature)
        drift = version_differences(header.facts.versions, wanted.versions)
        same_clips = header.facts.fold == wanted.fold and not clip_differences(header, wanted.clips)
        kept = Kept(header, _rows_to_keep(header, wanted.clips, audio), in_place=same_clips)
    except StoreError:
        return published  # killed while it was being created: no row had been computed
    if differences or drift:
        # Rows of two library versions must not meet in one file that names one.
        begun = tuple(f"it was begun, and {reason}" for reason in differences + drift)
        return Verdict("stale", begun) if published.state == "missing" else published
    if published.state != "missing":
        return Verdict(published.state, published.reasons, kept)
    done = int((kept.rows >= 0).sum())
    return Verdict("partial", (f"{done} of {len(wanted.clips)} clips are done",), kept)


def _compare(header: Header, wanted: WantedFile, audio: AudioDigests) -> tuple[list[str], Kept | None, list[str]]:
    """Return how a file differs from what is wanted, its rows that are wanted, and how the libraries differ."""
    reasons = feature_differences(header, wanted.feature)
    drift = version_differences(header.facts.versions, wanted.versions)
    kept = None
    if not drift and _is_same_feature(header, wanted.feature):
        kept = Kept(header, _rows_to_keep(header, wanted.clips, audio))
    if header.facts.fold != wanted.fold:
        reasons.append(f"it says that it is fold {header.facts.fold}")
    reasons += clip_differences(header, wanted.clips) or audio_differences(header, wanted.clips, audio)
    return reasons, kept, drift


def _is_same_feature(header: Header, feature: Feature) -> bool:
    # Each of the two says it; where they contradict each other, one is damaged.
    return header.facts.fingerprint == feature.fingerprint() or header.facts.description == feature.description()


def _rows_to_keep(header: Header, clips: pd.DataFrame, audio: AudioDigests) -> np.ndarray:
    """Return for each clip its row in a file, -1 where the file has none that is done and of the audio of now."""
    done = read_column(header, "done") == 1
    digests = read_column(header, "audio_digest")
    place = {key: row for row, key in enumerate(_keys_in(header)) if done[row]}
    rows = np.array([place.get(key, -1) for key in clip_keys(clips)], np.int64)
    other_audio = (rows >= 0) & audio.known & (digests[rows] != audio.values)
    rows[other_audio] = -1
    return rows


def parameter_differences(stored: dict, wanted: dict, prefix: str = "") -> list[str]:
    """Return a sentence for each parameter in which two descriptions of a feature differ."""
    reasons = []
    for key in sorted({*stored, *wanted}):
        name = f"{prefix}{key}"
        old, new = stored.get(key, "(absent)"), wanted.get(key, "(absent)")
        if isinstance(old, dict) and isinstance(new, dict):
            inner = "" if key == "parameters" else f"{name}."
            reasons += parameter_differences(old, new, prefix if key == "parameters" else inner)
        elif json.dumps(old, sort_keys=True) != json.dumps(new, sort_keys=True):  # True is not 1
            reasons.append(f"{name} is {old!r} in the store and {new!r} now")
    return reasons


def feature_differences(header: Header, feature: Feature) -> list[str]:
    """Return a sentence for each way in which a file is not of this feature as it is set now."""
    reasons = parameter_differences(header.facts.description, feature.description())
    if not reasons and header.facts.fingerprint != feature.fingerprint():
        reasons = ["its fingerprint differs"]
    return reasons


def clip_differences(header: Header, clips: pd.DataFrame) -> list[str]:
    """Return a sentence for each way in which the clips of a file are others than those of a table.

    What people say about them, labels and sources, is in the clip table of the store and not in its files.
    """
    stored, now = _keys_in(header), clip_keys(clips)
    return [] if stored == now else _different_clips(stored, now)


def _keys_in(header: Header) -> list[ClipKey]:
    return clip_keys({name: read_column(header, name).tolist() for name in IDENTITY})


def audio_differences(header: Header, clips: pd.DataFrame, audio: AudioDigests) -> list[str]:
    """Return a sentence for each clip of a file whose recording is another one now; the clips are the same."""
    names = clips["filename"].to_numpy(str)
    done = read_column(header, "done").astype(bool)
    changed = np.flatnonzero(done & audio.known & (read_column(header, "audio_digest") != audio.values))
    reasons = [f"the audio of {names[row]} changed" for row in changed[:_MOST]]
    if len(changed) > _MOST:
        reasons.append(f"the audio of {len(changed) - _MOST} more clips changed")
    return reasons


def library_versions(feature: Feature) -> dict[str, str]:
    """Return the versions of the libraries that decide the numbers of a feature."""
    libraries = sorted({*_LIBRARIES, *getattr(feature, "libraries", ())})
    versions = {"esc_features": metadata.version("esc_features")}
    for library in libraries:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            versions[library] = "unknown"
    return versions


def version_differences(stored: dict, now: dict) -> list[str]:
    """Return a sentence for each library whose version is no longer the one that computed a file."""
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
            reasons.append(f"{_clips(len(keys))} {what}: {_some([clip_name(*key) for key in keys])}")
    return reasons or ["the clips are in another order"]


def _clips(count: int) -> str:
    return "1 clip is" if count == 1 else f"{count} clips are"


def _some(names: list[str]) -> str:
    return ", ".join(names[:_MOST]) + (f" and {len(names) - _MOST} more" if len(names) > _MOST else "")
