"""`verify`: check the integrity of a store: its files, every row, and what extraction would give now."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..audio import file_digest
from ..datasets import clip_name
from ..exceptions import AudioError, StoreError
from ..features import FEATURE_NAMES
from ..lazy import ClipKey
from ..storage import (
    CLIPS_FILE,
    PARTIAL,
    ClipTable,
    Header,
    audio_folder_of,
    check_labels,
    check_published,
    fold_file_name,
    keys_of,
    read_column,
    read_header,
    read_rows,
    recording_path,
    row_crc32,
    stored_keys,
)
from ._judge import library_versions, version_differences
from ._stored import Files, features_of, find_store, lost_folds, stored_clips, stored_feature, stored_fingerprints

if TYPE_CHECKING:
    import pandas as pd

    from ..features import Feature

# Of the largest value of a row: other builds of the same libraries round differently; another resampler is far off.
_TOLERANCE = 1e-4


def verify(
    store: str | os.PathLike,
    *,
    checksums: bool = True,
    recompute: int = 0,
    audio: str | os.PathLike | None = None,
    features: str | Mapping[str, Any] | None = None,
    recipe: str | os.PathLike | None = None,
    trusted: Collection[str] = (),
) -> pd.DataFrame:
    """Check the integrity of a store, and return a table of its problems.

    It checks the structure of every file; by default also the checksum of every row, which takes about as long as
    reading the store; and on request it extracts some clips of every file again and compares them, which detects
    changed recordings and libraries. Nothing is changed.

    Parameters
    ----------
    store : path-like
        Folder of the store.
    checksums : bool, default=True
        Read every row and compare it with its checksum.
    recompute : int, default=0
        Number of clips per file to extract again, spread evenly over the file.
    audio : path-like, optional
        Folder of the recordings; by default the one that the store names.
    features, recipe : optional
        As in `extract`; they recompute features of your own classes. No class that a store names is imported, except
        those of esc_features and of modules in `trusted`.
    trusted : collection of str, default=()
        Modules or packages whose classes a recipe or the store may name. Importing a module runs its code.

    Returns
    -------
    pandas.DataFrame
        One row per problem, none if the store is intact: `file` (relative to the store), `clip` (its name, or "" if the
        problem is not of one clip) and `problem`. `attrs["command"]` is the command that repairs all of them, or "".

    Raises
    ------
    StoreError
        If there is no store in the folder.
    ValueError
        If `recompute` is negative.

    Examples
    --------
    >>> from esc_features.extraction import verify
    >>> verify("stores/demo", recompute=1)
    Empty DataFrame
    Columns: [file, clip, problem]
    Index: []
    """
    import pandas as pd

    if recompute < 0:
        raise ValueError(f"recompute must be a number of clips, not {recompute}.")
    folder, files = find_store(store)
    named = features_of(features, recipe, trusted)
    problems = list(_problems(folder, files, checksums, recompute, audio, named, trusted))
    rows = [(str(problem.file.relative_to(folder)), problem.clip, problem.text) for problem in problems]
    table = pd.DataFrame(rows, columns=["file", "clip", "problem"])
    options = {"--audio": [audio] if audio is not None else [], "--trust": trusted}
    table.attrs["command"] = _command(store, folder, files, problems, recipe, options)
    return table


class _Problem(NamedTuple):
    file: Path
    clip: str
    text: str
    #: What repairs it: `repair` as it is, or with the feature's name ("again"); "" if the store is not to blame.
    repaired_by: str = "repair"


def _command(
    store, folder: Path, files: Files, problems: list[_Problem], recipe, options: dict[str, Collection]
) -> str:
    """Return the one command that repairs what was found; "" if there is nothing to repair."""
    ways = {problem.repaired_by for problem in problems}
    if not ways & {"repair", "again"}:
        return ""
    words = ["esc_features", "repair", os.fspath(store)]
    if lost_folds(folder, files):
        words.append(_dataset_folder(folder, files))
    unreadable = _features_to_name(files, options["--trust"])
    if again := sorted({problem.file.parent.name for problem in problems if problem.repaired_by == "again"}):
        words += ["--again", ",".join(again)]
    if ours := sorted(unreadable & {*FEATURE_NAMES}):
        words += ["--features", ",".join(ours)]
    if recipe is not None or unreadable - {*FEATURE_NAMES}:
        words += ["--recipe", "RECIPE" if recipe is None else os.fspath(recipe)]
    for option, values in options.items():
        for value in values:
            words += [option, os.fspath(value)]
    return shlex.join(words)


def _features_to_name(files: Files, trusted: Collection[str]) -> set[str]:
    unreadable = set()
    for name, by_fold in files.items():
        try:
            stored_feature(by_fold, trusted)
        except ValueError:
            unreadable.add(name)
    return unreadable


def _dataset_folder(folder: Path, files: Files) -> str:
    """Return the folder of the data set if it can be found, else a placeholder."""
    with suppress(StoreError, OSError, IndexError):
        dataset = _audio_folder(folder, files).parent
        if len(list(dataset.glob("meta/*.csv"))) == 1:
            return str(dataset)
    return "DATASET"


def _audio_folder(folder: Path, files: Files) -> Path:
    if os.path.lexists(folder / CLIPS_FILE):
        return Path(audio_folder_of(folder / CLIPS_FILE))
    clips = stored_clips(folder, files)
    return Path() if clips is None else Path(clips["path"].iloc[0]).parent


def _problems(folder, files, checksums, recompute, audio, named, trusted) -> Iterator[_Problem]:
    headers: dict[str, dict[int, Header]] = {}
    for name, by_fold in files.items():
        headers[name] = {}
        for fold, path in by_fold.items():
            try:
                header = read_header(path)
                if path.suffix == PARTIAL:
                    done = int((read_column(header, "done") == 1).sum())
                    yield _Problem(path, "", f"not finished, {done} of {len(header)} rows are done")
                    continue
                yield from _check_structure(header, fold)
            except (StoreError, OSError) as error:
                yield _Problem(path, "", str(error).removeprefix(f"{path} "))
            else:
                headers[name][fold] = header
    table, problem = _read_table(folder, headers)
    if problem:
        yield _Problem(folder / CLIPS_FILE, "", problem)
    yield from _check_together(headers, files, table)
    for name, by_fold in files.items():
        if not stored_fingerprints(by_fold):
            text = "none of its files states its parameters: the defaults are used, or those of a recipe"
            yield _Problem(folder / name, "", text)
    for name, by_fold in headers.items():
        for header in by_fold.values():
            try:
                if checksums:
                    yield from _check_rows(header)
                if recompute:
                    places = _places(header, table, audio)
                    yield from _check_recomputed(header, name, recompute, places, named, trusted)
            except (StoreError, OSError) as error:
                yield _Problem(header.path, "", str(error))


def _check_structure(header: Header, fold: int) -> Iterator[_Problem]:
    from ..features import fingerprint_of

    check_published(header)
    check_labels(header)
    if header.facts.fold != fold:
        yield _Problem(header.path, "", f"says that it is fold {header.facts.fold}")
    if header.facts.fingerprint != fingerprint_of(header.facts.description):
        yield _Problem(header.path, "", "its fingerprint is not that of its parameters")
    for key, count in Counter(stored_keys(header)).items():
        if count > 1:
            yield _Problem(header.path, clip_name(*key), "occurs more than once")


def _check_together(headers: dict[str, dict[int, Header]], files, table: ClipTable | None) -> Iterator[_Problem]:
    """Compare the folds of each feature, the features of each fold, and all of them with the clip table."""
    declared = {fold for by_fold in headers.values() for header in by_fold.values() for fold in _folds(header)}
    all_folds = sorted(declared if table is None else np.unique(table.column("fold")).tolist())
    for name, by_fold in headers.items():
        folder = next(iter(files[name].values())).parent
        for fold in all_folds:
            if fold not in files[name]:
                yield _Problem(folder / fold_file_name(fold), "", "missing")
        for other in list(by_fold.values())[1:]:
            first = next(iter(by_fold.values()))
            if first.facts.fingerprint != other.facts.fingerprint:
                yield _Problem(other.path, "", f"differs from {first.path.name} in fingerprint")
            if table is None and first.labels and other.labels and first.labels.dataset != other.labels.dataset:
                yield _Problem(other.path, "", f"differs from {first.path.name} in dataset")
    for fold in all_folds:
        in_fold = [by_fold[fold] for by_fold in headers.values() if fold in by_fold]
        if table is not None:
            for header in in_fold:
                yield from _check_clips_of_table(header, fold, table)
        for other in in_fold[1:]:
            if table is None:
                yield from _check_same_labels(in_fold[0], other)
            yield from _check_same_clips(in_fold[0], other)


def _folds(header: Header) -> tuple[int, ...]:
    return (header.facts.fold,) if header.labels is None else header.labels.folds


def _check_clips_of_table(header: Header, fold: int, table: ClipTable) -> Iterator[_Problem]:
    inside = table.column("fold") == fold
    wanted = keys_of(lambda name: table.column(name)[inside])
    for key in sorted(set(wanted) - set(stored_keys(header))):
        yield _Problem(header.path, clip_name(*key), "is missing, although the clip table has it")


def _check_same_clips(first: Header, other: Header) -> Iterator[_Problem]:
    feature, place = first.path.parent.name, {key: row for row, key in enumerate(stored_keys(first))}
    one, two = read_column(first, "audio_digest"), read_column(other, "audio_digest")
    for row, key in enumerate(stored_keys(other)):
        if key in place and one[place[key]] != two[row]:
            yield _Problem(other.path, clip_name(*key), f"was computed from another recording than in {feature}")


def _check_same_labels(first: Header, other: Header) -> Iterator[_Problem]:
    feature = first.path.parent.name
    if len(first) != len(other):
        yield _Problem(other.path, "", f"has {len(other)} clips, and {feature} has {len(first)}")
        return
    names = [clip_name(*key) for key in stored_keys(first)]
    for column in [name for name in first.layout.given if name in other.layout.given]:
        one, two = read_column(first, column), read_column(other, column)
        for row in np.flatnonzero(one != two):
            yield _Problem(other.path, names[row], f"its {column} is {two[row]!s}, and {one[row]!s} in {feature}")


def _read_table(folder: Path, headers: dict[str, dict[int, Header]]) -> tuple[ClipTable | None, str]:
    """Return the clip table, and what is wrong with it; a store of format 1 has none."""
    path = folder / CLIPS_FILE
    if not os.path.lexists(path):
        old = all(header.labels is not None for by_fold in headers.values() for header in by_fold.values())
        return None, "" if old else "missing: it states what the clips are"
    try:
        table = ClipTable(path)
        table.check()
    except (StoreError, OSError) as error:
        return None, str(error).removeprefix(f"{path} ")
    return table, ""


def _check_rows(header: Header) -> Iterator[_Problem]:
    names, checksums = read_column(header, "filename"), read_column(header, "crc32").tolist()
    for row, values in enumerate(read_rows(header, range(len(header)))):
        if row_crc32(values) != checksums[row]:
            yield _Problem(header.path, names[row], "its row does not match its checksum")
        elif values.dtype.kind == "f" and not np.isfinite(values).all():
            yield _Problem(header.path, names[row], "its row is not finite", "again")


def _places(header: Header, table: ClipTable | None, audio) -> dict[ClipKey, str]:
    """Return where the recordings of a file's clips are, as far as that is known."""
    if table is None:
        folder = header.labels.audio_folder if header.labels is not None else ""
        return {key: recording_path(key[0], str(audio or folder)) for key in stored_keys(header)}
    folder = str(audio or table.facts.audio_folder)
    return {
        key: recording_path(path, folder)
        for key, path in zip(keys_of(table.column), table.column("path").tolist(), strict=True)
    }


def _check_recomputed(header: Header, name: str, count: int, places, named, trusted) -> Iterator[_Problem]:
    from ..features import rebuild_feature

    facts = header.facts
    try:
        feature = named[name] if name in named else rebuild_feature(facts.description, trusted)
    except ValueError as error:
        yield _Problem(header.path, "", f"cannot be extracted again: {error}", "")
        return
    if feature.fingerprint() != facts.fingerprint:
        yield _Problem(header.path, "", "stale, its parameters changed: esc_features explain shows which", "")
        return
    drift = "; ".join(version_differences(facts.versions, library_versions(feature)))
    keys, digests = stored_keys(header), read_column(header, "audio_digest")
    chosen = np.unique(np.linspace(0, len(header) - 1, min(count, len(header))).round().astype(int)).tolist()
    for row, stored in zip(chosen, read_rows(header, chosen), strict=True):
        text, repaired_by = _compare(feature, places.get(keys[row], ""), keys[row], stored, int(digests[row]), drift)
        if text:
            yield _Problem(header.path, clip_name(*keys[row]), text, repaired_by)


def _compare(feature: Feature, path: str, key: ClipKey, stored: np.ndarray, digest: int, drift: str) -> tuple[str, str]:
    """Return what is wrong with a stored row, compared with the one extracted now, and what mends it."""
    if not path:
        return "its name points outside the folder of recordings", ""
    try:
        if file_digest(path) != digest:
            return f"its recording in {Path(path).parent} is not the one that was extracted", "repair"
        now = np.asarray(_compute(feature, path, key))[0]
    except AudioError as error:
        return f"cannot be extracted again: {error} --audio says where the recordings are.", ""
    if now.shape != stored.shape:
        return f"has the shape {stored.shape}, and {now.shape} now", "again"
    difference = float(np.abs(now.astype(np.float64) - stored.astype(np.float64)).max(initial=0))
    if difference <= _tolerance(stored):
        return "", ""
    return f"differs by up to {difference:.3g} from what is extracted now" + (f" ({drift})" if drift else ""), "again"


def _compute(feature: Feature, path: str, key: ClipKey):
    import pandas as pd

    _, start, end = key
    return feature.transform(pd.DataFrame({"path": [path], "start": [start], "end": [end]}))


def _tolerance(stored: np.ndarray) -> float:
    if stored.dtype.kind == "i":
        return 1
    relative = max(_TOLERANCE, 2 * float(np.finfo(stored.dtype).eps))
    return relative * max(1.0, float(np.abs(stored).max(initial=0)))
