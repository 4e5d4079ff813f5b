"""`evaluate`: methods by folds, each result kept as soon as it is there."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from ..exceptions import StoreError
from ..model_selection import FoldSplit
from ..store import Store, open_store
from ._leaderboard import Leaderboard
from ._methods import Method, choose_methods
from ._runs import Run, compute_run, make_run, read_result

OFFICIAL = {"esc10": (1, 2, 3, 4, 5), "esc50": (1, 2, 3, 4, 5)}
OFFICIAL_CLIPS = {"esc10": 400, "esc50": 2000}


def evaluate(
    store: Store | str | os.PathLike,
    methods: Any = None,
    *,
    folds: Iterable[int] | None = None,
    seeds: Sequence[int] = (0,),
    cv: Any = None,
    n_jobs: int = 1,
    out: str | os.PathLike | None = None,
    verbose: bool = True,
) -> Leaderboard:
    """Compare methods on a store by its folds, and rank them.

    Each method is fitted on all folds but one and scored once on that one; what there is to choose, inner folds of the
    training folds choose. Each result is written when it is there, so that a run that was killed goes on.

    Parameters
    ----------
    store : Store or path-like
        The store. Features that a method lacks are extracted into it, where the recordings are still at their place,
        or computed from its waveforms.
    methods : str, sequence or mapping, optional
        Names ("knn", "svm", "forest", "rnn", "convnet", "convnet+shift", "deepconvnet", "deepconvnet-best", "resnet",
        "efficientnet", "birdnet"), import paths "module:name" of pipelines, `Method` objects, or a mapping of names to
        pipelines that start with a feature. By default all that need no extra, and the stored embeddings.
    folds : iterable of int, optional
        Score only these folds; the table says that it is partial.
    seeds : sequence of int, default=(0,)
        One fit for each.
    cv : scikit-learn splitter, optional
        Other splits than the folds; the table says that they are not the official ones.
    n_jobs : int, default=1
        Fits at a time, as in joblib.
    out : path-like, optional
        Folder of the results; `evaluation` in the folder of the store by default.
    verbose : bool, default=True
        Show progress and the time left.

    Returns
    -------
    Leaderboard

    Examples
    --------
    >>> from esc_features import evaluate
    >>> board = evaluate("stores/demo", ["knn", "svm"], out="results", verbose=False)
    >>> board.table["method"].nunique()
    2
    """
    store = store if isinstance(store, Store) else open_store(store)
    chosen = choose_methods(methods, store)
    if not seeds or not all(isinstance(seed, int | np.integer) for seed in seeds):
        raise ValueError(f"seeds is a list of whole numbers, not {seeds!r}.")
    store = _with_features(store, chosen, verbose)
    audio = store.audio
    splits = _make_splits(store, audio, folds, cv)
    folder = Path(out) if out is not None else store.path / "evaluation"
    content = _content(store)
    runs = [
        make_run(method, split, int(seed), train, test, folder / "results", content)
        for method in chosen
        for seed in seeds
        for split, (train, test) in splits.items()
    ]
    _compute_missing(runs, audio, n_jobs, verbose)
    facts = _facts(store, splits, cv, seeds, content)
    board = Leaderboard([read_result(run) for run in runs], facts)
    board.save(folder)
    return board


def _make_splits(store: Store, audio, folds, cv) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    if cv is not None:
        if folds is not None:
            raise ValueError("Give folds or cv, not both: a splitter of your own has its own splits.")
        try:
            splits = list(cv.split(audio, audio.y))
        except ValueError:  # it needs groups: clips of one recording are one
            splits = list(cv.split(audio, audio.y, audio.sources))
        return {f"split{number}": split for number, split in enumerate(splits, 1)}
    present = sorted(set(store.folds.tolist()))
    wanted = present if folds is None else sorted(set(folds))
    unknown = [fold for fold in wanted if fold not in present]
    if unknown or not wanted:
        raise ValueError(f"The store has no fold {unknown}: choose from {present}.")
    every = dict(zip(present, FoldSplit(store.folds).split(audio), strict=True))
    return {f"fold{fold}": every[fold] for fold in wanted}


def _with_features(store: Store, methods: list[Method], verbose: bool) -> Store:
    """Extract what methods lack into the store, where its recordings can be found; else their waveforms must do."""
    missing = {}
    for method in methods:
        feature = method.feature
        if store.audio.precomputed(feature) is None and feature.fingerprint() not in missing:
            missing[feature.fingerprint()] = feature
    if not missing:
        return store
    clips = store.clips[["filename", "fold", "target", "category", "src_file", "take"]].copy()
    folder = Path(store.audio_folder)
    clips["path"] = [str(folder / name) for name in clips["filename"]]
    if not all(Path(path).is_file() for path in clips["path"]):
        from ..features import Waveform

        without = [f for f in missing.values() if store.audio.precomputed(Waveform.of(f.waveform())) is None]
        if without:
            raise StoreError(
                f"{store.path} lacks {', '.join(map(repr, without))}, and the recordings are no longer in {folder}: "
                f"run extract_features FOLDER --out {store.path} with these features, or leave out their methods."
            )
        return store
    from ..extraction import extract

    clips.attrs["name"] = store.dataset
    features = {}
    for feature in missing.values():
        taken = feature.name in store or feature.name in features
        features[f"{feature.name}-{feature.fingerprint()[:6]}" if taken else feature.name] = feature
    return extract(clips, store.path, features=features, verbose=verbose)


def _compute_missing(runs: list[Run], audio, n_jobs: int, verbose: bool) -> None:
    waiting = [run for run in runs if not run.done]
    with tqdm(
        total=len(runs), initial=len(runs) - len(waiting), unit="fit", disable=not verbose, file=sys.stderr
    ) as bar:
        parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)
        left = _TimeLeft(runs, n_jobs)
        bar.set_postfix_str(left.text())
        for run in parallel(delayed(_compute)(run, audio) for run in waiting):
            left.finished(run)
            bar.set_postfix_str(left.text(), refresh=False)
            bar.update()


def _compute(run: Run, audio) -> Run:
    compute_run(run, audio)
    return run


class _TimeLeft:
    """Methods differ a thousandfold in cost: what is left is reckoned from the fits of the same method."""

    def __init__(self, runs: list[Run], n_jobs: int):
        self._workers = n_jobs if n_jobs > 0 else max(1, (os.cpu_count() or 1) + 1 + n_jobs)
        self._waiting = {run.path: run.method.name for run in runs if not run.done}
        self._seconds: dict[str, list[float]] = {}
        for run in runs:
            if run.done:
                self._note(run)

    def _note(self, run: Run) -> None:
        result = read_result(run)
        self._seconds.setdefault(run.method.name, []).append(result["fit_seconds"] + result["predict_seconds"])

    def finished(self, run: Run) -> None:
        self._waiting.pop(run.path, None)
        self._note(run)

    def text(self) -> str:
        unknown = {name for name in self._waiting.values() if name not in self._seconds}
        known = sum(float(np.mean(self._seconds[name])) for name in self._waiting.values() if name in self._seconds)
        left = time.strftime("%H:%M:%S", time.gmtime(known / self._workers))
        return f"{left} left" + (f" and {', '.join(sorted(unknown))}, not timed yet" if unknown else "")


def _content(store: Store) -> str:
    """Return what identifies the clips and their audio, whatever features there are."""
    from hashlib import blake2b

    digest = blake2b(digest_size=8)
    for column in ("filename", "fold", "category", "audio_digest"):
        values = store.column(column)
        digest.update("\n".join(map(str, values.tolist())).encode())
    return digest.hexdigest()


def _facts(store: Store, splits: dict, cv, seeds, content: str) -> dict[str, Any]:
    from importlib import metadata

    present = tuple(sorted(set(store.folds.tolist())))
    official = cv is None and OFFICIAL.get(store.dataset) == present and len(store) == OFFICIAL_CLIPS.get(store.dataset)
    whole = cv is not None or len(splits) == len(present)
    stamps = []
    if cv is not None:
        stamps.append(f"NOT THE OFFICIAL SPLIT: {cv!r}")
    elif not official and store.dataset in OFFICIAL:
        stamps.append(f"NOT THE WHOLE OF {store.dataset}: {len(store)} clips, folds {', '.join(map(str, present))}")
    if not whole:
        stamps.append(f"PARTIAL: {', '.join(splits)} of {len(present)} folds")
    libraries = ("esc_features", "numpy", "scikit-learn", "torch", "skorch", "librosa")
    return {
        "dataset": store.dataset,
        "clips": len(store),
        "categories": store.categories,
        "splits": list(splits),
        "official": official and whole,
        "stamps": stamps,
        "seeds": [int(seed) for seed in seeds],
        "store": content,
        "versions": {library: metadata.version(library) for library in libraries},
    }
