"""Where the files of a store are: one per feature and fold, published or partial, and the clip table."""

import platform
import re
from dataclasses import dataclass, field
from pathlib import Path

from ..exceptions import StoreError

PARTIAL = ".partial"
_FOLD_FILE = re.compile(r"fold([0-9]{1,18})\.h5(\.partial)?")
# A feature's name is that of its folder; other folders are none of ours.
_FEATURE = re.compile(r"[A-Za-z0-9_-]+")


def fold_file_name(fold: int) -> str:
    """Return the name of the published file of a fold; while it is being made, PARTIAL follows."""
    return f"fold{fold}.h5"


@dataclass
class FeatureFolder:
    """The files of one feature of a store, by fold."""

    path: Path
    published: dict[int, Path] = field(default_factory=dict)
    partial: dict[int, Path] = field(default_factory=dict)
    #: Why it cannot be looked into, "" where it can.
    problem: str = ""

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def files(self) -> dict[int, Path]:
        """The file of each fold, the published one where there is one."""
        return {
            fold: self.published.get(fold) or self.partial[fold] for fold in sorted({*self.published, *self.partial})
        }


def find_features(store: Path) -> list[FeatureFolder]:
    """Return the features of the store in a folder, in the order of their names."""
    found = []
    for entry in sorted(store.iterdir()):
        if _FEATURE.fullmatch(entry.name) and entry.is_dir():
            feature = _look_into(entry)
            if feature.files or feature.problem:
                found.append(feature)
    return found


def _look_into(folder: Path) -> FeatureFolder:
    feature = FeatureFolder(folder)
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError as error:
        feature.problem = f"{folder} cannot be looked into ({error.strerror}). Ask its owner for the right to read it."
        return feature
    for name in names:
        if match := _FOLD_FILE.fullmatch(name):
            files = feature.partial if match[2] else feature.published
            files.setdefault(int(match[1]), folder / name)
    return feature


def check_store_is_here(store: Path) -> None:
    """Raise StoreError where an array of a store came to a machine that does not have its folder."""
    if not store.is_dir():
        raise StoreError(
            f"There is no store at {store} on {platform.node()}. An array of a store is sent as the path of its "
            "files: mount the folder under the same path on every machine that works on it, or copy it to there."
        )
