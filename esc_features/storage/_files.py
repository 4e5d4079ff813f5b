"""Finding the files of a store: one per feature and fold, published or partial."""

import platform
import re
from dataclasses import dataclass, field
from pathlib import Path

from ..exceptions import StoreError

PARTIAL = ".partial"
_FOLD_FILE = re.compile(r"fold([0-9]{1,18})\.h5(\.partial)?")
# The name of a feature is that of its folder; other folders do not belong to the store.
_FEATURE = re.compile(r"[A-Za-z0-9_-]+")


def fold_file_name(fold: int) -> str:
    """Return the name of the published file of a fold; while it is being written, PARTIAL is appended."""
    return f"fold{fold}.h5"


@dataclass
class FeatureFolder:
    """The files of one feature of a store, by fold."""

    path: Path
    published: dict[int, Path] = field(default_factory=dict)
    partial: dict[int, Path] = field(default_factory=dict)
    #: Why the folder cannot be read; "" if it can.
    problem: str = ""

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def files(self) -> dict[int, Path]:
        """The file of each fold: the published one if it exists, else the partial one."""
        return {
            fold: self.published.get(fold) or self.partial[fold] for fold in sorted({*self.published, *self.partial})
        }


def find_features(store: Path) -> list[FeatureFolder]:
    """Return the features in the folder of a store, in the order of their names."""
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
        feature.problem = f"{folder} cannot be read ({error.strerror}). Ask its owner for the right to read it."
        return feature
    for name in names:
        if match := _FOLD_FILE.fullmatch(name):
            files = feature.partial if match[2] else feature.published
            files.setdefault(int(match[1]), folder / name)
    return feature


def check_store_is_here(store: Path) -> None:
    """Raise StoreError if an array of a store was sent to a machine that does not have its folder."""
    if not store.is_dir():
        raise StoreError(
            f"There is no store at {store} on {platform.node()}. An array of a store is sent as the path of its "
            "files: mount the folder under the same path on every machine that uses it, or copy it there."
        )
