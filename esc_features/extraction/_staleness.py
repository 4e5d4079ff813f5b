"""Why a file is not what would be extracted now."""

from __future__ import annotations

import json
from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np

from ..storage import Header, read_column

if TYPE_CHECKING:
    import pandas as pd

    from ..features import Feature

# They decode and resample every recording and do the arithmetic of our features.
_LIBRARIES = ("numpy", "scipy", "soxr", "soundfile")


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
    reasons = parameter_differences(header.attributes["description"], feature.description())
    if not reasons and header.attributes["fingerprint"] != feature.fingerprint():
        reasons = ["its fingerprint differs"]
    return reasons


def clip_differences(header: Header, clips: pd.DataFrame, digests: np.ndarray | None, most: int = 5) -> list[str]:
    """Return a sentence for each way in which the clips of a file differ from those of a table.

    `digests` (uint64, one a clip; 0 where not known) are those of the audio files now; None leaves them out.
    """
    stored_names = read_column(header, "filename")
    names = clips["filename"].to_numpy(str)
    if not np.array_equal(stored_names, names):
        return _different_clips(stored_names, names, most)
    reasons = []
    for column in ("target", "category", "src_file", "take"):
        stored = read_column(header, column)
        now = clips[column].to_numpy(stored.dtype if stored.dtype.kind == "i" else str)
        changed = np.flatnonzero(stored != now)
        for row in changed[:most]:
            reasons.append(f"{column} of {names[row]} is {stored[row]!s} in the store and {now[row]!s} now")
        if len(changed) > most:
            reasons.append(f"{column} of {len(changed) - most} more clips changed")
    if digests is not None:
        done = read_column(header, "done").astype(bool)
        changed = np.flatnonzero(done & (digests != 0) & (read_column(header, "audio_digest") != digests))
        reasons += [f"the audio of {names[row]} changed" for row in changed[:most]]
        if len(changed) > most:
            reasons.append(f"the audio of {len(changed) - most} more clips changed")
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


def _different_clips(stored: np.ndarray, now: np.ndarray, most: int) -> list[str]:
    gone, new = [sorted(set(a.tolist()) - set(b.tolist())) for a, b in ((stored, now), (now, stored))]
    reasons = []
    for names, what in ((gone, "no longer in the data set"), (new, "not in the store")):
        if names:
            more = f" and {len(names) - most} more" if len(names) > most else ""
            reasons.append(f"{len(names)} clips are {what}: {', '.join(names[:most])}{more}")
    return reasons or ["the clips are in another order"]
