"""`load_leaderboard`: read a leaderboard from the folder in which `evaluate` stored it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ._facts import Facts
from ._leaderboard import Leaderboard
from ._result import Result, ResultError
from ._results_folder import ResultsFolder


def load_leaderboard(
    folder: str | os.PathLike, metrics: str | Sequence[str] | None = None, *, trust_results: bool = True
) -> Leaderboard:
    """Return the leaderboard of the results that `evaluate` has stored in a folder so far.

    Parameters
    ----------
    folder : path-like
        Folder of the results: `evaluation` in the folder of a store, or what was given as `out`.
    metrics : str or sequence of str, optional
        Names of metrics; the first one ranks the methods.
    trust_results : bool, default=True
        Whether results that were not made by this user on this machine count. `evaluate` does not trust those inside a
        store by default; here, the folder is given by name.

    Returns
    -------
    Leaderboard

    Raises
    ------
    ValueError
        If there is no leaderboard in the folder, or it is damaged.

    Examples
    --------
    >>> from esc_features import evaluate
    >>> from esc_features.evaluation import load_leaderboard
    >>> board = evaluate("stores/demo", ["knn"], out="results", verbose=False)
    >>> load_leaderboard("results", "macro_f1").best
    'knn'
    """
    opened = ResultsFolder(Path(folder), trust_results)
    content = opened.read("leaderboard.json")
    if content is None:
        raise ResultError(
            f"There is no leaderboard in {opened.path}: `esc_features evaluate STORE` makes one in STORE/evaluation."
        )
    facts = Facts.from_json(content, str(opened.path / "leaderboard.json"))
    return Leaderboard(choose_results(opened.read_all(), facts.protocol, {}), facts, metrics)


def choose_results(results: Iterable[Result], protocol: str, keys: Mapping[str, str]) -> list[Result]:
    """Return the results of a protocol, one per method, split and seed.

    Of each method, only results with one key count: the given one, or else that of the newest result.
    """
    mine = sorted((result for result in results if result.protocol == protocol), key=lambda result: result.created)
    chosen = {result.method: result.method_key for result in mine} | dict(keys)
    unique = {
        (result.method, result.split, result.seed): result
        for result in mine
        if result.method_key == chosen[result.method]
    }
    return [unique[key] for key in sorted(unique)]
