"""A store on disk, opened for reading."""

from __future__ import annotations

import html
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..exceptions import StoreError
from ..storage import PARTIAL, FoldFile, Header, find_files, open_with_room, read_header
from ._store_array import DEFAULT_BYTE_LIMIT, StoreArray
from ._store_audio import StoreAudio

if TYPE_CHECKING:
    import pandas as pd

    from ..model_selection import FoldSplit

_EXTRACT = "run the same extract_features command again to finish it"


def open_store(path: str | os.PathLike, byte_limit: int = DEFAULT_BYTE_LIMIT) -> Store:
    """Open the store in a folder, reading only what its files say about themselves.

    It takes milliseconds whatever the number of clips. The rows are read when they are asked for, batch by batch.

    Parameters
    ----------
    path : path-like
        Folder of the store, as given to `extract_features --out`.
    byte_limit : int, default=134217728
        Number of bytes above which no array of the store is turned into a numpy array behind your back.

    Returns
    -------
    Store

    Raises
    ------
    StoreError
        If there is no finished feature in the folder, a file is refused, or two features disagree about the clips.

    Examples
    --------
    >>> from esc_features import open_store
    >>> store = open_store("stores/demo")
    >>> X, y = store["mel"], store.y
    """
    return Store(path, byte_limit)


class Store:
    """A folder of features, a file a feature and fold; made by `open_store`.

    Index it by the name of a feature for the lazy array of that feature. All arrays of a store have the same rows: its
    folds in ascending order, and the clips of a fold in the order of the metadata.

    Parameters
    ----------
    path, byte_limit
        As `open_store` takes them.

    Attributes
    ----------
    path : Path
        The folder.
    dataset : str
        Name of the data set that it was extracted from.
    features : dict
        Name of each finished feature -> its class, version and parameters.
    audio : StoreAudio
        The clips as recordings, for pipelines that start with a feature.
    y : ndarray of shape (clips,)
        Category name of each clip.
    target, folds : ndarray of int64, shape (clips,)
        Class number and fold of each clip.
    sources : ndarray of str, shape (clips,)
        Source recording of each clip.
    clips : pandas.DataFrame
        All that is known about each clip, a row a clip.
    categories : list of str
        The category names, by class number.
    unfinished : dict
        Name of each feature that cannot be used yet -> what it lacks.

    Examples
    --------
    >>> from esc_features import open_store
    >>> store = open_store("stores/demo")
    >>> list(store), store["mel"].shape[1:]
    (['mel', 'mfcc', 'waveform'], (128, 157))
    >>> [len(test) for train, test in store.cv().split(store["mel"])]
    [8, 8, 8, 8, 8]
    """

    def __init__(self, path: str | os.PathLike, byte_limit: int = DEFAULT_BYTE_LIMIT):
        self.path = Path(path).resolve()
        if not self.path.is_dir():
            raise StoreError(f"There is no store at {self.path}: make one with extract_features DATASET --out {path}.")
        found = find_files(self.path)
        headers = {
            name: {fold: _header_of(file) for fold, file in files.items() if file.suffix != PARTIAL}
            for name, files in found.items()
        }
        self._fold_numbers = sorted({fold for by_fold in headers.values() for fold in _declared_folds(by_fold)})
        self.unfinished = {
            name: problem
            for name, by_fold in headers.items()
            if (problem := _what_is_missing(name, by_fold, found[name], self._fold_numbers))
        }
        finished = {name: by_fold for name, by_fold in headers.items() if name not in self.unfinished}
        if not finished:
            reason = " ".join(self.unfinished.values()) or "It holds no feature files."
            raise StoreError(f"{self.path} has no finished feature. {reason} Then open it: {_EXTRACT}.")
        for by_fold in finished.values():
            _check_one_feature(by_fold)
        parts = {
            name: [FoldFile(by_fold[fold].path, by_fold[fold]) for fold in self._fold_numbers]
            for name, by_fold in finished.items()
        }
        self._check_same_clips(parts)
        self._headers = {name: next(iter(by_fold.values())) for name, by_fold in finished.items()}
        self._arrays = {name: StoreArray(files, byte_limit=byte_limit) for name, files in parts.items()}

    def __getitem__(self, name: str) -> StoreArray:
        if name in self._arrays:
            return self._arrays[name]
        if name in self.unfinished:
            raise StoreError(f"{self.unfinished[name]} To use it, {_EXTRACT}.")
        raise StoreError(
            f"{self.path} has no feature {name!r}; it has {', '.join(self._arrays)}. "
            f"extract_features ... --features {name} --out {self.path} adds one."
        )

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def __iter__(self):
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._first)

    @property
    def features(self) -> dict[str, dict[str, Any]]:
        return {name: dict(header.attributes["description"]) for name, header in self._headers.items()}

    @property
    def audio(self) -> StoreAudio:
        fingerprints = {name: header.attributes["fingerprint"] for name, header in self._headers.items()}
        return StoreAudio(self._arrays, fingerprints, str(self.path))

    @property
    def dataset(self) -> str:
        return self._first.dataset

    @property
    def y(self) -> np.ndarray:
        return self._first.y

    @property
    def target(self) -> np.ndarray:
        return self._first.target

    @property
    def folds(self) -> np.ndarray:
        return self._first.folds

    @property
    def sources(self) -> np.ndarray:
        return self._first.sources

    @property
    def clips(self) -> pd.DataFrame:
        return self._first.clips

    def column(self, name: str) -> np.ndarray:
        """Return a column of the files, such as "audio_digest", for all clips.

        Parameters
        ----------
        name : str
            As in `/clips` of the files.

        Returns
        -------
        ndarray of shape (clips,)
        """
        return self._first._column(name)

    @property
    def audio_folder(self) -> str:
        """Where the recordings were when they were extracted: the file names start from there."""
        return next(iter(self._headers.values())).attributes["audio_folder"]

    @property
    def categories(self) -> list[str]:
        names = dict(zip(self.target.tolist(), self.y.tolist(), strict=True))
        return [names[target] for target in sorted(names)]

    def cv(self) -> FoldSplit:
        """Return the splitter that leaves out one official fold after the other, in ascending order.

        It takes the folds from X where X has them, so that an inner search over training clips needs no `groups`.
        """
        from ..model_selection import FoldSplit

        return FoldSplit(self.folds)

    def shared_sources(self) -> pd.DataFrame:
        """Return the clips whose source recording has clips in more than one fold, a row a clip."""
        clips = self.clips[["src_file", "fold", "filename", "category"]]
        spans = clips.groupby("src_file")["fold"].transform("nunique") > 1
        return clips[spans].sort_values(["src_file", "fold", "filename"], ignore_index=True)

    def __repr__(self) -> str:
        lines = [self._headline(), *("  " + "  ".join(row) for row in _aligned(self._feature_rows()))]
        lines += [f"  not finished: {problem}" for problem in self.unfinished.values()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        cells = "".join(
            "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self._feature_rows()
        )
        unfinished = "".join(f"<p>not finished: {html.escape(problem)}</p>" for problem in self.unfinished.values())
        return f"<p>{html.escape(self._headline())}</p><table>{cells}</table>{unfinished}"

    def _headline(self) -> str:
        folds = " ".join(str(fold) for fold in self._fold_numbers)
        return f"Store {self.path}: {self.dataset}, {len(self)} clips, {len(self.categories)} categories, folds {folds}"

    def _feature_rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for name, header in self._headers.items():
            array, description = self._arrays[name], header.attributes["description"]
            parameters = ", ".join(f"{key}={value!r}" for key, value in description["parameters"].items())
            kind = description["class"].rpartition(".")[2]
            rows.append(
                (
                    name,
                    f"{array.shape} {array.dtype}",
                    f"{array.nbytes / 1e6:,.1f} MB",
                    f"{kind}({parameters})",
                )
            )
        return rows

    @property
    def _first(self) -> StoreArray:
        return next(iter(self._arrays.values()))

    def _check_same_clips(self, parts: dict[str, list[FoldFile]]) -> None:
        (first_name, first), *others = parts.items()
        for name, files in others:
            for one, other in zip(first, files, strict=True):
                if one.clips_id != other.clips_id:
                    raise StoreError(
                        f"{one.path} and {other.path} hold different clips, so the rows of {first_name!r} and {name!r} "
                        "do not belong together. Extract both again with one extract_features command and "
                        "--overwrite, or keep them in two stores."
                    )


def _header_of(file: Path) -> Header:
    return open_with_room(lambda: read_header(file))


def _declared_folds(by_fold: dict[int, Header]) -> set[int]:
    declared = set(by_fold)
    for header in by_fold.values():
        declared.update(header.attributes["folds"])
    return declared


def _what_is_missing(name: str, by_fold: dict[int, Header], files: dict[int, Path], folds: list[int]) -> str:
    missing = [fold for fold in folds if fold not in by_fold]
    if not missing and by_fold:
        return ""
    begun = [fold for fold, file in files.items() if file.suffix == PARTIAL]
    numbers = ", ".join(map(str, (missing or begun)[:20])) + (", ..." if len(missing) > 20 else "")
    return f"{name!r} lacks fold {numbers}" + (f" (begun: {', '.join(map(str, begun))})." if begun else ".")


def _check_one_feature(by_fold: dict[int, Header]) -> None:
    """Refuse a feature whose folds were computed differently: their rows would not be comparable."""
    (_, first), *others = sorted(by_fold.items())
    for fold, header in by_fold.items():
        if header.attributes["fold"] != fold:
            raise StoreError(f"{header.path} says that it is fold {header.attributes['fold']}: give it back its name.")
    for _, other in others:
        for what in ("fingerprint", "dataset"):
            if first.attributes[what] != other.attributes[what]:
                raise StoreError(
                    f"{first.path} and {other.path} differ in {what}. Extract all folds again with --overwrite, or "
                    "remove the file that is left of an earlier extraction."
                )
        if (first.data.shape, first.data.dtype) != (other.data.shape, other.data.dtype):
            raise StoreError(f"{first.path} and {other.path} differ in shape: extract all folds with --overwrite.")


def _aligned(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [tuple(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)) + row[-1:] for row in rows]


__all__ = ["Store", "open_store"]
