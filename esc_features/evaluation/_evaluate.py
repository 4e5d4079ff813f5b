"""`evaluate`: methods scored by folds, each result stored as soon as it is computed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from ..datasets import OFFICIAL_DATASETS
from ..exceptions import StoreError
from ..store import Store, StoreAudio, open_store
from ._ensemble import average, check_members
from ._facts import Facts, choose_splits, make_facts, make_splits
from ._features import with_features
from ._fit import Fit, Split, fit_and_predict, method_key, now
from ._keys import Description, digest_of
from ._leaderboard import Leaderboard
from ._load import choose_results
from ._method import Ensemble, Method
from ._methods import choose_methods
from ._metrics import choose_metrics
from ._report import plain
from ._result import Result
from ._results_folder import ResultsFolder


def evaluate(
    store: Store | str | os.PathLike,
    methods: Any = None,
    *,
    folds: Iterable[int] | None = None,
    seeds: Sequence[int] = (0,),
    cv: Any = None,
    metrics: str | Sequence[str] | None = None,
    n_jobs: int = 1,
    out: str | os.PathLike | None = None,
    trust_results: bool | None = None,
    verbose: bool = True,
) -> Leaderboard:
    """Compare methods on a store by its folds, and rank them.

    Each method is fitted on all folds but one and scored once on that one; all choices are made on inner folds of the
    training folds. Each result is written as soon as it is computed, with the prediction for each clip: a killed run
    can be resumed, further runs add to the same leaderboard, and no metric needs another fit.

    Parameters
    ----------
    store : Store or path-like
        The store. A feature that a method needs and the store lacks is extracted into it if the recordings are still
        in place, and otherwise computed from its waveforms.
    methods : str, sequence or mapping, optional
        Names ("knn", "svm", "forest", "rnn", "convnet", "convnet+shift", "deepconvnet", "deepconvnet-best", "resnet",
        "efficientnet", "birdnet"), several with plus signs between them for the mean of their probabilities
        ("birdnet+convnet"), import paths "module:name" of pipelines, `Method` objects, or a mapping from names to
        pipelines that start with a feature. By default all that need no extra, and the stored embeddings.
    folds : iterable of int, optional
        Evaluate only these folds; the table says that it is partial.
    seeds : sequence of int, default=(0,)
        Seeds; each method is fitted once per fold and seed.
    cv : scikit-learn splitter, optional
        Other splits than the folds. The table says that they are not the official ones, and a warning is given if
        recordings leak.
    metrics : str or sequence of str, optional
        Metrics of the table, of which the first ranks the methods: "accuracy", "top5", "macro_recall", "macro_f1",
        "map", "macro_auc", "log_loss", "ece". By default "accuracy", "top5" (with more than 20 categories), "macro_f1",
        "log_loss" and "ece"; if clips have several labels, "map", "macro_auc", "macro_f1" and "ece".
    n_jobs : int, default=1
        Number of fits at a time, as in joblib.
    out : path-like, optional
        Folder of the results; `evaluation` in the folder of the store by default.
    trust_results : bool, optional
        Whether results that were not made by this user on this machine count. By default, those in the folder `out`
        count, and those inside a store do not, since they may have been downloaded with it.
    verbose : bool, default=True
        Show progress.

    Returns
    -------
    Leaderboard
        The leaderboard of all results that the folder has for these clips and splits.

    Raises
    ------
    ValueError
        If a method, fold, seed or metric is not known, or the results cannot be written.
    StoreError
        If there is no store, or it lacks a feature and what it could be computed from.

    Examples
    --------
    >>> from esc_features import evaluate
    >>> board = evaluate("stores/demo", ["knn", "svm"], out="results", verbose=False)
    >>> board.table["method"].nunique()
    2
    """
    store = store if isinstance(store, Store) else _open(store)
    chosen = choose_methods(methods, store)
    if not seeds or not all(isinstance(seed, int | np.integer) for seed in seeds):
        raise ValueError(f"seeds must be a list of integers such as [0, 1], not {seeds!r}.")
    choose_metrics(metrics, store.y.ndim == 2, len(store.categories))
    for method in chosen:
        if isinstance(method, Ensemble):
            check_members(method)
    folder = ResultsFolder(
        Path(out) if out is not None else store.path / "evaluation",
        trusts_all=out is not None if trust_results is None else trust_results,
    )
    folder.check_writable()
    store = with_features(store, _members_of(chosen), verbose)
    audio = store.audio
    splits = make_splits(store, audio, cv)
    facts = make_facts(store, audio, splits, cv)
    plan = _Plan(audio, choose_splits(splits, folds, cv), tuple(map(int, seeds)), facts)
    folder.write("leaderboard.json", facts.to_json())
    try:
        results = _compute(plan, [plan.fits_of(method) for method in _members_of(chosen)], folder, n_jobs, verbose)
        for ensemble in chosen:
            if isinstance(ensemble, Ensemble):
                _keep_means(ensemble, results, plan, folder)
    except BaseException:  # whatever ended the run, the results so far make a leaderboard
        if kept := choose_results(folder.read_all(), facts.protocol, plan.keys):
            Leaderboard(kept, facts, metrics).save(folder)
        raise
    board = Leaderboard(choose_results(folder.read_all(), facts.protocol, plan.keys), facts, metrics)
    board.save(folder)
    return board


def _open(path: str | os.PathLike) -> Store:
    """Open a store; say what to do with a data set that was given in its place."""
    try:
        return open_store(path)
    except StoreError as error:
        folder = Path(path)
        named = str(path) in {"demo", *OFFICIAL_DATASETS} and not folder.exists()
        if named or any((folder / part).is_dir() for part in ("audio", "meta")) or any(folder.glob("*.csv")):
            store = f"stores/{folder.resolve().name}"
            raise StoreError(
                f"{plain(path)} is a data set, and methods are evaluated on a store. Make one with `extract_features "
                f"{plain(path)} --out {store}`, then run `esc_features evaluate {store}`."
            ) from error
        raise


def _members_of(chosen: Sequence[Method | Ensemble]) -> list[Method]:
    """Return all methods to fit, each once."""
    methods: dict[str, Method] = {}
    for method in chosen:
        for member in method.members if isinstance(method, Ensemble) else (method,):
            methods.setdefault(member.name, member)
    return list(methods.values())


class _Plan:
    """What is to be computed: each method on each split with each seed, and the keys of these results."""

    def __init__(self, audio: StoreAudio, splits: list[Split], seeds: tuple[int, ...], facts: Facts):
        self.audio, self.splits, self.seeds, self.facts = audio, splits, seeds, facts
        self.keys: dict[str, str] = {}

    def fits_of(self, method: Method) -> list[Fit]:
        key, versions = method_key(method)
        self.keys[method.name] = key
        fits = []
        for seed, split in product(self.seeds, self.splits):
            made = Description(method.make(seed)).text
            name = file_name(method.name, split.name, seed, key, made, self.facts.protocol)
            fits.append(Fit(method, split, seed, self.facts.protocol, key, versions, name))
        return fits


def file_name(method: str, split: str, seed: int, *parts: str) -> str:
    """Return the name of a result's file: a readable part, and a digest of all that the result depends on."""
    safe = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "+-._") else "_" for letter in method)
    return f"{safe[:80]}-{split}-seed{seed}-{digest_of(method, split, str(seed), *parts)}.npz"


def _compute(plan: _Plan, by_method: list[list[Fit]], folder: ResultsFolder, n_jobs: int, verbose: bool):
    """Return the results of all fits by (method, split, seed), computing those that are not there yet."""
    fits = [fit for fits in by_method for fit in fits]
    found = {fit.file_name: folder.read_result(fit.file_name) for fit in fits}
    waiting = [fit for fit in fits if not _belongs(found[fit.file_name], fit)]
    parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)
    categories = plan.facts.categories
    with tqdm(
        total=len(fits), initial=len(fits) - len(waiting), unit="fit", disable=not verbose, file=sys.stderr
    ) as bar:
        for name, result in parallel(delayed(_fit)(fit, plan.audio, categories) for fit in waiting):
            folder.write_result(name, result)
            found[name] = result
            bar.set_postfix_str(plain(f"{result.method}, {result.split}"), refresh=False)
            bar.update()
    return {(result.method, result.split, result.seed): result for result in found.values() if result is not None}


def _belongs(result: Result | None, fit: Fit) -> bool:
    """Return whether a file holds what its name says: files can be renamed."""
    return result is not None and (
        (result.method, result.split, result.seed, result.method_key, result.protocol)
        == (fit.method.name, fit.split.name, fit.seed, fit.method_key, fit.protocol)
    )


def _fit(fit: Fit, audio: StoreAudio, categories: tuple[str, ...]) -> tuple[str, Result]:
    return fit.file_name, fit_and_predict(fit, audio, categories)


def _keep_means(ensemble: Ensemble, results: dict, plan: _Plan, folder: ResultsFolder) -> None:
    keys = [plan.keys[member.name] for member in ensemble.members]
    plan.keys[ensemble.name] = key = digest_of("mean", *keys)
    for seed, split in product(plan.seeds, plan.splits):
        parts = [results[member.name, split.name, seed] for member in ensemble.members]
        mean = replace(average(ensemble.name, parts), method_key=key, created=now())
        folder.write_result(file_name(ensemble.name, split.name, seed, key, plan.facts.protocol), mean)
