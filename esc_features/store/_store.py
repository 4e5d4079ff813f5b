"""A store on disk, opened for reading."""

from __future__ import annotations

import html
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._suggest import did_you_mean
from ..exceptions import StoreError
from ..storage import DatasetFacts
from ._opening import FINISH, Opened, at_work, look_at
from ._rows import all_rows, select_rows
from ._splits import CheckedSplit, check_split
from ._store_array import DEFAULT_BYTE_LIMIT, StoreArray
from ._store_audio import StoreAudio

if TYPE_CHECKING:
    import pandas as pd
    from torch.utils.data import Dataset

    from ..features import Feature
    from ..model_selection import FoldSplit
    from ._sound import Sound


def open_store(path: str | os.PathLike, byte_limit: int = DEFAULT_BYTE_LIMIT) -> Store:
    """Open the store in a folder, reading only the headers of its files.

    It takes milliseconds whatever the number of clips. Rows are read later, batch by batch.

    Parameters
    ----------
    path : path-like
        Folder of the store, as given to `extract_features --out`.
    byte_limit : int, default=134217728
        Number of bytes above which no array of the store is silently turned into a numpy array.

    Returns
    -------
    Store

    Raises
    ------
    StoreError
        If there is no finished feature in the folder, a file is refused, or two features were computed from different
        recordings.

    Examples
    --------
    >>> from esc_features import open_store
    >>> store = open_store("stores/demo")
    >>> X, y = store["mel"], store.y
    """
    return Store(path, byte_limit)


class Store:
    """A folder of features, one file per feature and fold; made by `open_store`.

    Index it by the name of a feature for the lazy array of that feature, or by a mask, positions or a slice of clips
    for a smaller store of these. All arrays of a store have the same rows: its folds in ascending order, and the clips
    of a fold in the order of the metadata.

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
        Category name of each clip. Where clips have several labels, an indicator matrix, int8 (clips, classes), with a
        column per category.
    target : ndarray of int64, shape (clips,)
        Class number of each clip; the same as `y` where clips have several labels.
    folds : ndarray of int64, shape (clips,)
        Fold of each clip.
    sources : ndarray of str, shape (clips,)
        Source recording of each clip.
    clips : pandas.DataFrame
        All that is known about each clip, one row per clip.
    categories : list of str
        The category names, by class number or by column of the indicator matrix.
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
    >>> len(store[store.y == "dog"])
    10
    """

    def __init__(self, path: str | os.PathLike, byte_limit: int = DEFAULT_BYTE_LIMIT):
        self.path = Path(path).resolve()
        if not self.path.is_dir():
            raise StoreError(f"There is no store at {self.path}: make one with extract_features DATASET --out {path}.")
        self._opened: Opened = look_at(self.path)
        self._rows = all_rows(len(self._opened.clips))
        self._arrays = {name: StoreArray(rows, byte_limit=byte_limit) for name, rows in self._opened.rows.items()}

    def __getitem__(self, key):
        if not isinstance(key, str):
            return self._select(key)
        if key in self._arrays:
            return self._arrays[key]
        if key in self.unfinished:
            raise StoreError(f"{self.unfinished[key]}{at_work(self.path) or f' To use it, {FINISH}.'}")
        raise StoreError(
            f"{self.path} has no feature {key!r}; it has {', '.join(self._arrays)}.{did_you_mean(key, self._arrays)} "
            f"extract_features ... --features {key} --out {self.path} adds one."
        )

    def _select(self, key) -> Store:
        if np.ndim(key) == 0 and not isinstance(key, slice):
            raise IndexError(
                f"store[{key!r}] is neither a feature nor several clips: store['mel'] is an array of all clips, "
                "store['mel'][0] the numbers of one, store[[0]] or store[store.y == 'dog'] a smaller store."
            )
        smaller = object.__new__(type(self))
        smaller.path, smaller._opened = self.path, self._opened
        smaller._rows = select_rows(self._rows, key)
        smaller._arrays = {name: array[key] for name, array in self._arrays.items()}
        return smaller

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __iter__(self):
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._rows)

    def keys(self):
        """Return the names of the finished features, as a dict of them would."""
        return self._arrays.keys()

    def values(self):
        """Return the arrays of the finished features, as a dict of them would."""
        return self._arrays.values()

    def items(self):
        """Return pairs of name and array of the finished features, as a dict of them would."""
        return self._arrays.items()

    @property
    def features(self) -> dict[str, dict[str, Any]]:
        return {name: dict(facts.description) for name, facts in self._opened.facts.items()}

    def feature(self, name: str) -> Feature:
        """Return the transformer that computed a feature, to put in front of a model that was fitted on its array.

        Parameters
        ----------
        name : str
            A feature of the store, of a class of esc_features: others are not imported because a file names them.

        Returns
        -------
        Feature
            With the parameters that the store was extracted with.

        Raises
        ------
        StoreError
            If the store has no such feature, or rows of another shape than it computes.
        ValueError
            If its class is not of esc_features, or one clip of it would take more than a gigabyte.

        Examples
        --------
        >>> from esc_features import open_store
        >>> open_store("stores/demo").feature("mel").n_mels
        128
        """
        from ..features import rebuild_feature

        shape = self[name].shape[1:]
        feature = rebuild_feature(self._opened.facts[name].description)
        if tuple(feature.output_shape()) != shape:
            raise StoreError(
                f"{self.path / name} says that its rows are of {feature!r}, whose rows have the shape "
                f"{feature.output_shape()}, and holds rows of {shape}: extract it again with --overwrite."
            )
        return feature

    @property
    def unfinished(self) -> dict[str, str]:
        return dict(self._opened.unfinished)

    @property
    def audio(self) -> StoreAudio:
        fingerprints = {name: facts.fingerprint for name, facts in self._opened.facts.items()}
        return StoreAudio(self._arrays, fingerprints, str(self.path))

    def torch(self, name: str, transform: Callable | None = None) -> Dataset:
        """Return a feature as a PyTorch data set of (tensor, class number, category).

        It works in a plain `DataLoader` with workers, in `random_split` and in Lightning, and reads a clip when it is
        asked for. The class number is the position in `categories`, from 0 without gaps, as a loss wants it (`target`
        is the number in the whole data set). Where clips have several labels, the class number is a float tensor with
        a 1 for each label, and the category the labels joined by ";".

        Parameters
        ----------
        name : str
            A feature of the store, such as "waveform".
        transform : callable, optional
            Applied to the tensor of each clip, float32 of the shape of the feature. It must pickle where workers are
            started by spawn.

        Returns
        -------
        torch.utils.data.Dataset

        Examples
        --------
        >>> from esc_features import open_store
        >>> waveform, number, name = open_store("stores/demo").torch("waveform")[0]
        >>> waveform.shape
        torch.Size([80000])
        """
        from ._torch_clips import TorchClips

        return TorchClips(self[name], transform)

    def sound(self, clip: int | str) -> Sound:
        """Return the samples of one clip: its stored waveform, else its recording; of either the first minute.

        Parameters
        ----------
        clip : int or str
            Its row or its file name.

        Returns
        -------
        Sound

        Raises
        ------
        AudioError
            If no waveforms are stored, and the recording is not on this machine, or has changed.
        StoreError
            If there is no such clip.

        Examples
        --------
        >>> from esc_features import open_store
        >>> open_store("stores/demo").sound(0).samples.shape
        (80000,)
        """
        from ._sound import Sounds

        with Sounds(list(self._arrays.values())) as sounds:
            return sounds.of(self._row_of(clip))

    def listen(self, clip: int | str) -> Any:
        """Return a player of one clip: as the value of a notebook's cell, it is heard there.

        Parameters
        ----------
        clip : int or str
            Its row or its file name.

        Returns
        -------
        IPython.display.Audio or Sound
            A `Sound`, which notebooks play too, where IPython is not installed.

        Examples
        --------
        >>> from esc_features import open_store
        >>> store = open_store("stores/demo")
        >>> player = store.listen(store.clips["filename"][0])
        """
        from ._sound import player_of

        return player_of(self.sound(clip))

    def _row_of(self, clip: int | str) -> int:
        if isinstance(clip, str):
            rows = np.flatnonzero(self._first.filenames == clip)
            if len(rows):
                return int(rows[0])
        elif -len(self) <= clip < len(self):
            return range(len(self))[clip]
        raise StoreError(f"{self.path} has no clip {clip!r} among these {len(self)}: store.clips lists them.")

    @property
    def dataset(self) -> str:
        return self._facts.dataset

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
        """Return a column of what is known about the clips, such as "audio_digest".

        Parameters
        ----------
        name : str
            As in `/clips` of the files or of the clip table.

        Returns
        -------
        ndarray of shape (clips,)
        """
        return self._first.column(name)

    @property
    def audio_folder(self) -> str:
        """Where the recordings were when they were extracted: the file names start from there."""
        return self._facts.audio_folder

    @property
    def folds_by(self) -> str:
        """How the folds were made; "" where they came with the data set."""
        return self._facts.folds_by

    @property
    def categories(self) -> list[str]:
        return list(self._facts.categories)

    def cv(self) -> FoldSplit:
        """Return the splitter that leaves out one official fold after the other, in ascending order.

        It takes the folds from X where X has them, so that an inner search over training clips needs no `groups`.
        """
        from ..model_selection import FoldSplit

        return FoldSplit(self.folds)

    def check_split(self, train, test) -> None:
        """Raise ValueError where a split of the clips shares clips or source recordings between its two sides.

        The official folds of a data set may share a source, as four of ESC-50 do: these count as agreed where the two
        sides have no fold in common.

        Parameters
        ----------
        train, test : array-like
            Positions or masks of clips.

        Examples
        --------
        >>> from esc_features import open_store
        >>> store = open_store("stores/demo")
        >>> store.check_split(store.folds != 1, store.folds == 1)
        """
        check_split(self._first[train], self._first[test])

    def checked(self, cv) -> CheckedSplit:
        """Return a splitter that raises ValueError where one of its splits shares a source recording.

        Parameters
        ----------
        cv : splitter
            Of scikit-learn, such as `StratifiedKFold(5)`.

        Examples
        --------
        >>> from sklearn.model_selection import GroupKFold
        >>> from esc_features import open_store
        >>> store = open_store("stores/demo")
        >>> cv = store.checked(GroupKFold(4))
        >>> len(list(cv.split(store["mfcc"], store.y, store.sources)))
        4
        """
        return CheckedSplit(cv, self.audio)

    def shared_sources(self) -> pd.DataFrame:
        """Return the clips whose source recording has clips in more than one fold, one row per clip."""
        clips = self.clips[["src_file", "fold", "filename", "labels" if self._facts.several_labels else "category"]]
        spans = clips.groupby("src_file")["fold"].transform("nunique") > 1
        return clips[spans].sort_values(["src_file", "fold", "filename"], ignore_index=True)

    def __repr__(self) -> str:
        lines = [self._headline(), *("  " + "  ".join(row) for row in _aligned(self._feature_rows()))]
        return "\n".join([*lines, *(f"  {note}" for note in self._notes())])

    def _repr_html_(self) -> str:
        cells = "".join(
            "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self._feature_rows()
        )
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self._notes())
        return f"<p>{html.escape(self._headline())}</p><table>{cells}</table>{notes}{self._thumbnails()}"

    def _thumbnails(self) -> str:
        from ._thumbnails import thumbnails

        arrays = list(self._arrays.values())
        return thumbnails(max(arrays, key=_picturesque), arrays)

    def _headline(self) -> str:
        folds = " ".join(str(fold) for fold in np.unique(self.folds))
        count = "1 category" if len(self.categories) == 1 else f"{len(self.categories)} categories"
        return _legible(f"Store {self.path}: {self.dataset}, {len(self)} clips, {count}, folds {folds}")

    def _feature_rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for name, facts in self._opened.facts.items():
            array, description = self._arrays[name], facts.description
            parameters = ", ".join(f"{key}={value!r}" for key, value in description["parameters"].items())
            size, kind = f"{array.nbytes / 1e6:,.1f} MB", description["class"].rpartition(".")[2]
            rows.append((name, f"{array.shape} {array.dtype}", size, f"{kind}({parameters})"))
        return rows

    def _notes(self) -> list[str]:
        notes = [f"not finished: {_legible(problem)}" for problem in self._opened.unfinished.values()]
        if self._opened.left_over:
            files = ", ".join(self._opened.left_over[:5]) + (", ..." if len(self._opened.left_over) > 5 else "")
            notes.append(f"not in the data set any more, and not read: {files}")
        return notes

    @property
    def _first(self) -> StoreArray:
        return next(iter(self._arrays.values()))

    @property
    def _facts(self) -> DatasetFacts:
        return self._opened.clips.facts


def _picturesque(array: StoreArray) -> tuple[bool, int]:
    return array.ndim == 3, array.size


def _aligned(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [tuple(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)) + row[-1:] for row in rows]


def _legible(text: str) -> str:
    """Return a text of somebody else's store, with control and bidirectional characters escaped."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


__all__ = ["Store", "open_store"]
