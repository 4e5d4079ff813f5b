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

    Opening takes milliseconds, whatever the number of clips. Rows are read later, batch by batch.

    Parameters
    ----------
    path : path-like
        Folder of the store, as given to `extract_features --out`.
    byte_limit : int, default=134217728
        Number of bytes above which an array of the store is not converted to a numpy array implicitly.

    Returns
    -------
    Store
        The store.

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
    """A folder of features, with one file per feature and fold; returned by `open_store`.

    Index it with the name of a feature to get the lazy array of that feature, or with a mask, positions or a slice to
    get a smaller store of these clips. All arrays of a store have the same rows: folds in ascending order, and the
    clips of a fold in the order of the clip table.

    Parameters
    ----------
    path : path-like
        Folder of the store.
    byte_limit : int, default=134217728
        As in `open_store`.

    Attributes
    ----------
    path : Path
        The folder.
    dataset : str
        Name of the data set.
    features : dict
        Maps the name of each finished feature to its class, version and parameters.
    audio : StoreAudio
        The clips as recordings, for pipelines that start with a feature.
    y : ndarray of shape (clips,)
        Category of each clip. If clips have several labels, an indicator matrix, int8 (clips, classes), with one column
        per category.
    target : ndarray of int64, shape (clips,)
        Class number of each clip; the same as `y` if clips have several labels.
    folds : ndarray of int64, shape (clips,)
        Fold of each clip.
    sources : ndarray of str, shape (clips,)
        Source recording of each clip.
    clips : pandas.DataFrame
        Everything that is known about the clips, one row per clip.
    categories : list of str
        The categories, in the order of class numbers or of the columns of the indicator matrix.
    unfinished : dict
        Maps the name of each feature that cannot be used yet to the reason.

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
            raise StoreError(
                f"There is no store at {self.path}: create one with extract_features DATASET --out {path}."
            )
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
                f"store[{key!r}] is neither a feature nor a selection of clips: use store['mel'] for an array of all "
                "clips, store['mel'][0] for the numbers of one, or store[[0]] or store[store.y == 'dog'] for a smaller "
                "store."
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
        """Return a view of the names of the finished features."""
        return self._arrays.keys()

    def values(self):
        """Return a view of the arrays of the finished features."""
        return self._arrays.values()

    def items(self):
        """Return a view of the pairs of name and array of the finished features."""
        return self._arrays.items()

    @property
    def features(self) -> dict[str, dict[str, Any]]:
        return {name: dict(facts.description) for name, facts in self._opened.facts.items()}

    def feature(self, name: str) -> Feature:
        """Return the transformer that computed a feature.

        Put it in front of a model that was fitted on the array of the feature, so that the model predicts from
        recordings.

        Parameters
        ----------
        name : str
            A feature of the store whose class is one of esc_features. Other classes are not imported just because a
            file names them.

        Returns
        -------
        Feature
            The transformer, with the parameters that the store was extracted with.

        Raises
        ------
        StoreError
            If the store has no such feature, or the shape of its rows is not that of the transformer.
        ValueError
            If its class is not one of esc_features, or one clip would take more than a gigabyte.

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
                f"According to its headers, {self.path / name} holds {feature!r}, whose rows have the shape "
                f"{feature.output_shape()}, but its rows have the shape {shape}: extract it again with --overwrite."
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

        Use it in your own training loop: it works in a `DataLoader` with workers, in `random_split` and in Lightning,
        and reads each clip on access. The class number is the position in `categories`, from 0 without gaps, as a loss
        requires (`target` is the number in the whole data set). If clips have several labels, the class number is a
        float tensor with a 1 for each label, and the category is the labels joined by ";".

        Parameters
        ----------
        name : str
            A feature of the store, such as "waveform".
        transform : callable, optional
            Applied to the tensor of each clip, float32 in the shape of the feature. It must be picklable if workers are
            spawned.

        Returns
        -------
        torch.utils.data.Dataset
            The data set.

        Raises
        ------
        StoreError
            If the store has no such feature.

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
        """Return the first minute of one clip, from its stored waveform or else from its recording.

        Parameters
        ----------
        clip : int or str
            Row or file name of the clip.

        Returns
        -------
        Sound
            The samples, which notebooks display as a player.

        Raises
        ------
        AudioError
            If no waveforms are stored, and the recording is not on this machine or has changed.
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
        """Return a player of one clip, to listen to it in a notebook.

        Parameters
        ----------
        clip : int or str
            Row or file name of the clip.

        Returns
        -------
        IPython.display.Audio or Sound
            The player; a `Sound`, which notebooks also display as a player, if IPython is not installed.

        Raises
        ------
        AudioError
            If no waveforms are stored, and the recording is not on this machine or has changed.
        StoreError
            If there is no such clip.

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
        """Return a column of the files or the clip table, such as "audio_digest".

        Parameters
        ----------
        name : str
            Name of the column in the group `/clips` of the files or of the clip table.

        Returns
        -------
        ndarray of shape (clips,)
            One value per clip.
        """
        return self._first.column(name)

    @property
    def audio_folder(self) -> str:
        """Folder of the recordings when they were extracted, which the file names are relative to."""
        return self._facts.audio_folder

    @property
    def folds_by(self) -> str:
        """How the folds were made, such as "source:5:0"; "" if they came with the data set."""
        return self._facts.folds_by

    @property
    def categories(self) -> list[str]:
        return list(self._facts.categories)

    def cv(self) -> FoldSplit:
        """Return the splitter that leaves out one fold after the other, in ascending order.

        It takes the folds from X if X has them, so that an inner search over training clips needs no `groups`.

        Returns
        -------
        FoldSplit
            The splitter.
        """
        from ..model_selection import FoldSplit

        return FoldSplit(self.folds)

    def check_split(self, train, test) -> None:
        """Check that a training and a test set share no clips and no source recordings.

        The official folds of a data set may share sources, as four sources of ESC-50 span two folds. These are accepted
        if the two sides have no fold in common.

        Parameters
        ----------
        train, test : array-like
            Positions or masks of clips.

        Raises
        ------
        ValueError
            If they share clips or source recordings.

        Examples
        --------
        >>> from esc_features import open_store
        >>> store = open_store("stores/demo")
        >>> store.check_split(store.folds != 1, store.folds == 1)
        """
        check_split(self._first[train], self._first[test])

    def checked(self, cv) -> CheckedSplit:
        """Return a splitter that checks its splits, as `check_split` does, before they are used.

        Parameters
        ----------
        cv : splitter
            A splitter of scikit-learn, such as `StratifiedKFold(5)`.

        Returns
        -------
        CheckedSplit
            The splitter. Its `split` raises ValueError at the first split that shares clips or source recordings.

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
        """Return the clips whose source recording has clips in more than one fold.

        Returns
        -------
        pandas.DataFrame
            One row per clip, sorted by source recording and fold.
        """
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
    """Return a text from an untrusted store with control and bidirectional characters escaped."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


__all__ = ["Store", "open_store"]
