"""Where the files of a store are: one per feature and fold, published or partial."""

import re
from pathlib import Path

PARTIAL = ".partial"
_FOLD_FILE = re.compile(r"fold([0-9]{1,18})\.h5(\.partial)?")


def fold_file_name(fold: int) -> str:
    """Return the name of the published file of a fold; while it is being made, PARTIAL follows."""
    return f"fold{fold}.h5"


def find_files(path: Path) -> dict[str, dict[int, Path]]:
    """Return feature name -> fold -> file, published or else partial, of the store in a folder."""
    found: dict[str, dict[int, Path]] = {}
    for folder in sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")):
        files: dict[int, Path] = {}
        for file in sorted(folder.iterdir()):
            match = _FOLD_FILE.fullmatch(file.name)
            if match and int(match[1]) not in files:
                files[int(match[1])] = file
        if files:
            found[folder.name] = files
    return found
