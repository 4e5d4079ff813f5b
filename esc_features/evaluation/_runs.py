"""One result, a method on a fold with a seed: computed once, written when it is done, found again."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import GridSearchCV

from .._files import write_whole
from ..model_selection import FoldSplit
from ..store import StoreAudio
from ._methods import Method


@dataclass(frozen=True)
class Run:
    """What one task computes, and the file that its result goes to."""

    method: Method
    split: str
    seed: int
    train: np.ndarray
    test: np.ndarray
    path: Path

    @property
    def done(self) -> bool:
        return self.path.exists()


def make_run(method: Method, split: str, seed: int, train, test, folder: Path, content: str) -> Run:
    """Return the run whose result is valid for this method, these clips and this version of the package only."""
    digest = blake2b(digest_size=6)
    version = metadata.version("esc_features")
    for part in (repr(method.make(seed)), repr(dict(method.grid)), content, version, train.tobytes(), test.tobytes()):
        digest.update(part.encode() if isinstance(part, str) else part)
    safe = "".join(letter if letter.isalnum() or letter in "+-._" else "_" for letter in method.name)
    return Run(method, split, seed, train, test, folder / f"{safe}-{split}-seed{seed}-{digest.hexdigest()}.json")


def compute_run(run: Run, audio: StoreAudio) -> None:
    """Fit on the training clips, choose by their inner folds where there is a choice, score once, write the result."""
    started = time.perf_counter()
    estimator = run.method.make(run.seed)
    train, test = audio[run.train], audio[run.test]
    if run.method.grid:
        estimator = GridSearchCV(estimator, dict(run.method.grid), cv=FoldSplit(), error_score="raise")
    # Numbers, as in the paper: k-NN and SVM settle ties by the order of the classes.
    estimator.fit(train, train.target)
    fitted = time.perf_counter()
    names = dict(zip(audio.target.tolist(), audio.y.tolist(), strict=True))
    predicted = np.array([names[target] for target in estimator.predict(test).tolist()])
    best = getattr(estimator, "best_estimator_", estimator)
    result = {
        "method": run.method.name,
        "split": run.split,
        "seed": run.seed,
        "accuracy": float((predicted == test.y).mean()),
        "fit_seconds": round(fitted - started, 3),
        "predict_seconds": round(time.perf_counter() - fitted, 3),
        "parameters": count_parameters(best),
        "configurations": run.method.configurations,
        "chosen": {name: getattr(estimator, "best_params_", {}).get(name) for name in run.method.grid},
        "pretraining": run.method.pretraining,
        "overlap": run.method.overlap,
        "estimator": repr(run.method.make(run.seed)),
        "filenames": test.filenames.tolist(),
        "true": test.y.tolist(),
        "predicted": predicted.tolist(),
    }
    run.path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(run.path, json.dumps(result, indent=1).encode())


def count_parameters(estimator) -> int | None:
    """Return how many numbers the last step learnt, where it is a network or a linear model."""
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    if hasattr(last, "module_"):
        return sum(parameter.numel() for parameter in last.module_.parameters())
    if hasattr(last, "coef_") and isinstance(last.coef_, np.ndarray):
        return int(last.coef_.size + np.size(getattr(last, "intercept_", 0)))
    return None


def read_result(run: Run) -> dict[str, Any]:
    return json.loads(run.path.read_text())
