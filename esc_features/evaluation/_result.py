"""One result: the predictions of a method on one split with one seed, and the file that stores them."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import math
import zipfile
import zlib
from dataclasses import asdict, dataclass, field, fields

import numpy as np
import pandas as pd

from ._held_out import DECISION, NONE, PROBABILITY, HeldOut

_FORMAT = "esc_features result 1"
_ARRAYS = ("start", "end", "truth", "predicted", "scores")
_MOST_BYTES = 2**31


class ResultError(ValueError):
    """A file of results cannot be used or written: the message names it and says why.

    Examples
    --------
    >>> from esc_features.evaluation import ResultError, load_leaderboard
    >>> try:
    ...     load_leaderboard("nowhere")
    ... except ResultError as error:
    ...     print(str(error).split(" in ")[0])
    There is no leaderboard
    """


@dataclass(frozen=True, eq=False)
class Result:
    """The predictions of one fit for its held-out clips, and how they were made.

    Parameters
    ----------
    method, split : str
        Names of the method and of the split.
    seed : int
        The seed of the fit.
    held_out : HeldOut
        The predictions.
    protocol : str
        Digest of the clips, their labels and folds, and of how they were split: results of one protocol share a
        leaderboard.
    method_key : str
        Digest of what was run: parameters, the user's code, grid and versions.
    fit_seconds, predict_seconds : float
        How long it took, in seconds.
    parameters : int or None
        How many parameters the last step learnt, if that is known.
    configurations : int
        How many settings were searched on inner folds.
    chosen : dict of str to str
        The parameters that were chosen on inner folds.
    pretraining, overlap : str
        As in `Method`.
    estimator : str
        The estimator, as it prints.
    versions : dict of str to str
        Version of each library that was used.
    created : str
        When it was computed, in UTC.
    members : list of str
        The methods whose probabilities were averaged, for an ensemble.

    Examples
    --------
    `evaluate` makes them, one per fit:

    >>> from esc_features import evaluate
    >>> board = evaluate("stores/demo", ["knn"], out="results", verbose=False)
    >>> len(board.results)
    5
    """

    method: str
    split: str
    seed: int
    held_out: HeldOut
    protocol: str
    method_key: str
    fit_seconds: float
    predict_seconds: float
    parameters: int | None
    configurations: int
    chosen: dict[str, str]
    pretraining: str
    overlap: str
    estimator: str
    versions: dict[str, str]
    created: str
    members: list[str] = field(default_factory=list)


_FACTS = [one.name for one in fields(Result) if one.name != "held_out"]


def pack_result(result: Result, key: bytes | None) -> bytes:
    """Return the content of a result's file: an `.npz` that `numpy.load` reads, signed if there is a key."""
    held = result.held_out
    about = {name: value for name, value in asdict(_without_held(result)).items() if name in _FACTS}
    about |= {
        "format": _FORMAT,
        "kind": held.kind,
        "categories": list(held.categories),
        "filenames": held.clips["filename"].tolist(),
        "sources": held.clips["src_file"].tolist(),
    }
    text = json.dumps(about, ensure_ascii=True, sort_keys=True).encode()
    start, end = (held.clips[name].to_numpy(np.float64) for name in ("start", "end"))
    values = [np.ascontiguousarray(array) for array in (start, end, held.truth, held.predicted, held.scores)]
    arrays = [np.frombuffer(text, np.uint8), *values]
    signature = np.frombuffer(_sign(key, arrays) if key else b"", np.uint8)
    buffer = io.BytesIO()
    named = dict(zip(("about", *_ARRAYS), arrays, strict=True))
    np.savez_compressed(buffer, **named, signature=signature, allow_pickle=False)
    return buffer.getvalue()


def _without_held(result: Result):
    from dataclasses import replace

    return replace(result, held_out=None)  # type: ignore[arg-type]


def _sign(key: bytes, arrays: list[np.ndarray]) -> bytes:
    made = hmac.new(key, digestmod=hashlib.sha256)
    for array in arrays:
        content = np.ascontiguousarray(array).tobytes()
        made.update(f"{array.dtype.str} {array.shape} {len(content)} ".encode() + content)
    return made.digest()


def unpack_result(content: bytes, where: str, key: bytes | None = None) -> tuple[Result, bool]:
    """Return the result in a file's content, and whether this key signed it.

    Raises
    ------
    ResultError
        If the content is damaged, or is not a result.
    """
    try:
        arrays = _read_arrays(content)
        about = json.loads(bytes(arrays[0]))
        signature = arrays.pop()
        result = _make_result(about, *arrays[1:])
    except (zipfile.BadZipFile, zlib.error, ValueError, KeyError, TypeError, EOFError, OSError, OverflowError,
            NotImplementedError, RuntimeError, RecursionError, AttributeError) as error:  # fmt: skip
        raise ResultError(f"{where} is damaged or not a result of an evaluation: {error}.") from error
    signed = key is not None and hmac.compare_digest(_sign(key, arrays), signature.tobytes())
    return result, signed


def _read_arrays(content: bytes) -> list[np.ndarray]:
    """Read all arrays; no size that a file states is trusted before it is checked."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        names = [f"{name}.npy" for name in ("about", *_ARRAYS, "signature")]
        if sorted(file.namelist()) != sorted(names):
            raise ValueError("it does not hold the arrays of a result")
        if sum(member.file_size for member in file.infolist()) > _MOST_BYTES:
            raise ValueError("it claims to be larger than 2 GiB")
        return [_read_array(file.read(name)) for name in names]


def _read_array(content: bytes) -> np.ndarray:
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"an array is of format {version}")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    data = content[file.tell() :]
    if dtype.hasobject or fortran or min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError("an array is not as long as it states")
    return np.frombuffer(data, dtype).reshape(shape)


def _make_result(about: dict, start, end, truth, predicted, scores) -> Result:
    if about.pop("format") != _FORMAT:
        raise ValueError("it is of another format")
    kind, categories = about.pop("kind"), tuple(map(str, about.pop("categories")))
    filenames, sources = (list(map(str, about.pop(name))) for name in ("filenames", "sources"))
    clips = pd.DataFrame({"filename": filenames, "start": start, "end": end, "src_file": sources})
    clips = clips.astype({"filename": object, "src_file": object}).assign(split=str(about["split"]))
    _check_labels(truth, len(clips), len(categories))
    _check_labels(predicted, len(clips), len(categories))
    if truth.ndim != predicted.ndim:
        raise ValueError("its true and predicted labels have different forms")
    check_scores(scores, kind, len(clips), len(categories), truth.ndim == 2)
    held_out = HeldOut(clips, categories, truth, predicted, scores, kind)
    texts = ("method", "split", "protocol", "method_key", "pretraining", "overlap", "estimator", "created")
    about |= {name: str(about[name]) for name in texts}
    about |= {name: float(about[name]) for name in ("fit_seconds", "predict_seconds")}
    about |= {name: int(about[name]) for name in ("seed", "configurations")}
    about["parameters"] = None if about["parameters"] is None else int(about["parameters"])
    about |= {name: {str(k): str(v) for k, v in about[name].items()} for name in ("chosen", "versions")}
    about["members"] = list(map(str, about["members"]))
    if not np.isfinite([about["fit_seconds"], about["predict_seconds"]]).all():
        raise ValueError("its seconds are not finite")
    return Result(held_out=held_out, **about)


def _check_labels(labels: np.ndarray, clips: int, categories: int) -> None:
    if labels.dtype == np.int64 and labels.shape == (clips,):
        fits = bool(((labels >= 0) & (labels < categories)).all())
    else:
        fits = labels.dtype == np.int8 and labels.shape == (clips, categories) and bool(np.isin(labels, (0, 1)).all())
    if not fits:
        raise ValueError("its labels do not fit its clips and categories")


def check_scores(scores: np.ndarray, kind: str, clips: int, categories: int, has_several_labels: bool) -> None:
    """Raise ValueError if scores do not have the form of their kind."""
    if kind not in (PROBABILITY, DECISION, NONE) or scores.dtype != np.float32:
        raise ValueError(f"its scores are of an unknown kind: {kind!r}")
    if scores.shape != (clips, 0 if kind == NONE else categories) or np.isnan(scores).any():
        raise ValueError("its scores are not one number per clip and category")
    if kind == PROBABILITY and not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("its probabilities are not between 0 and 1")
    if kind == PROBABILITY and not has_several_labels and not np.allclose(scores.sum(axis=1), 1, atol=1e-3):
        raise ValueError("its probabilities do not add up to 1")
