"""What a net takes for X and y, and errors that say what to give instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from ..lazy import is_lazy, is_recordings

if TYPE_CHECKING:
    from ._clip_classifier import ClipClassifier


def check_clips(net: ClipClassifier, X: Any, fitted: bool = False) -> Any:
    """Return X as a net reads it, or raise an error; a fitted net takes only clips of the shape fitted on."""
    name = type(net).__name__
    original = X
    X = _as_clips(X, name)
    if fitted and tuple(X.shape) == net.input_shape_:
        raise ValueError(f"X is one clip, of shape {tuple(X.shape)}. Reshape your data: give X[np.newaxis].")
    if net._features():
        _check_dimensions(X, 2, "waveforms (clips, samples) for the feature among its transforms", name)
        _check_sample_rate(X, net._features())
    else:
        _check_dimensions(X, net._ndim_, net._takes_, name)
    if 0 in X.shape:
        what = "X is empty: found 0 sample(s)" if X.shape[0] == 0 else "Clips are empty: found 0 feature(s)"
        raise ValueError(f"{what} (shape={tuple(X.shape)}) while a minimum of 1 is required.")
    if X.ndim == 2 and not is_lazy(X):
        validate_data(net, original, reset=not fitted, skip_check_array=True)
    if fitted and tuple(X.shape[1:]) != net.input_shape_:
        if X.ndim == 2:
            raise ValueError(
                f"X has {X.shape[1]} features, but {name} is expecting {net.input_shape_[0]} features as input."
            )
        raise ValueError(
            f"X has clips of shape {tuple(X.shape[1:])}, but {name} was fitted on clips of shape "
            f"{net.input_shape_}: compute the feature with the same parameters."
        )
    return X


def _as_clips(X: Any, name: str) -> Any:
    feature_in_front = f"put a feature in front, make_pipeline(MelSpectrogram(), {name}())"
    if is_recordings(X):
        raise TypeError(f"{name} takes a feature, not recordings: use store['mel'], or {feature_in_front}.")
    if hasattr(type(X), "audio"):
        raise TypeError(
            f"{name} takes one feature, and X is a whole store: give store['mel'], or the recordings store.audio and "
            f"{feature_in_front}."
        )
    if isinstance(X, torch.utils.data.Dataset):
        raise TypeError(f"{name} takes an array or a feature of a store for X, and labels for y; not a Dataset.")
    if isinstance(X, torch.Tensor):
        X = X.detach().cpu().numpy()
    if not is_lazy(X):
        if hasattr(X, "toarray"):
            raise TypeError(f"Sparse data was passed for X, but {name} takes dense data: use X.toarray().")
        X = np.asarray(X)
        if X.dtype == object:
            X = X.astype(np.float64)
    if X.dtype.kind == "c":
        raise ValueError("Complex data not supported: take np.abs(X), or a spectrogram in dB.")
    if X.dtype.kind not in "fiub":
        raise TypeError(
            f"{name} takes numbers, and X has the dtype {X.dtype}. Are these paths? Put a feature in front: "
            f"make_pipeline(MelSpectrogram(), {name}())."
        )
    return X


def _check_dimensions(X: Any, ndim: int | None, takes: str, name: str) -> None:
    if X.ndim >= 2 and X.ndim == (ndim or X.ndim):
        return
    hint = ""
    if ndim == 3 and X.ndim == 2:
        hint = (
            " These look like waveforms or vectors: use store['mel'], or put a feature in front, "
            f"make_pipeline(MelSpectrogram(), {name}())."
        )
    elif ndim == 2 and X.ndim == 3:
        hint = " These look like spectrograms: use store['waveform'], or ConvNetClassifier."
    elif X.ndim == (ndim or 2) - 1:
        hint = " Reshape your data: a single clip is X[np.newaxis]."
    raise ValueError(
        f"Expected {ndim or 2}D array, got {X.ndim}D array: {name} takes {takes}, and X has the shape "
        f"{tuple(X.shape)}.{hint}"
    )


def _check_sample_rate(X: Any, features: list[Any]) -> None:
    given = getattr(X, "parameters", {}).get("sample_rate")
    for feature in features:
        wanted = getattr(feature, "sample_rate", given)
        if given is not None and wanted != given:
            raise ValueError(
                f"X has waveforms at {given} Hz, and {type(feature).__name__} among the transforms takes "
                f"{wanted} Hz: give it sample_rate={given}, or store waveforms at {wanted} Hz."
            )


def check_labels(net: ClipClassifier, y: Any, n_clips: int) -> np.ndarray:
    """Return labels as an array (clips,) or as an indicator matrix (clips, classes), or raise an error."""
    name = type(net).__name__
    if y is None:
        raise ValueError(f"{name} requires y to be passed, but the target y is None: give store.y.")
    if isinstance(y, torch.Tensor):
        y = y.detach().cpu().numpy()
    elif hasattr(y, "toarray"):
        y = y.toarray()
    # pandas' own types have values that numpy's lack, such as pd.NA.
    own_type = hasattr(y, "dtype") and not isinstance(y.dtype, np.dtype)
    try:
        y = np.asarray(y, dtype=object) if own_type else np.asarray(y)
    except ValueError:  # lists of different lengths
        y = np.fromiter(y, dtype=object)
    labels = _check_indicators(y) if y.ndim == 2 and y.shape[1] > 1 else _check_column(y)
    if len(labels) != n_clips:
        raise ValueError(
            f"X has {n_clips} clips and y has {len(labels)} labels: their lengths must match. "
            "Select the same rows of both: X[rows], y[rows]."
        )
    return labels


def _check_column(y: np.ndarray) -> np.ndarray:
    labels = column_or_1d(y, warn=True)
    if labels.dtype == object and any(isinstance(value, (list, tuple, set, frozenset)) for value in labels):
        raise ValueError(
            "y has several labels per clip: give them as an indicator matrix (clips, classes), such as store.y of a "
            "store with several labels, or sklearn.preprocessing.MultiLabelBinarizer().fit_transform(y)."
        )
    _check_no_missing(labels)
    check_classification_targets(labels)
    return np.asarray(labels.tolist()) if labels.dtype == object else labels


def _check_indicators(y: np.ndarray) -> np.ndarray:
    _check_no_missing(y.ravel())
    if y.dtype.kind not in "biufO" or not np.isin(y, (0, 1)).all():
        raise ValueError(
            f"y has the shape {y.shape}, so it must be an indicator matrix: 1 where a clip (row) has a class (column), "
            "0 where not. One label per clip is y of shape (clips,)."
        )
    return y.astype(np.int8) if y.dtype == object else y


def _check_no_missing(labels: np.ndarray) -> None:
    import pandas as pd

    if pd.isna(labels).any():
        raise ValueError("Input y contains NaN: leave out the clips without a label, X[known], y[known].")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError("Input y contains infinity: labels are names or integers.")


def check_module_and_loss(module: Any, criterion: Any) -> None:
    """Raise TypeError or ValueError if a net cannot be trained with the module or the loss."""
    if isinstance(module, torch.nn.Module):
        kind = type(module).__name__
        raise TypeError(
            "module must be a class, not an instance: an instance would be trained in place, would not start from "
            "scratch in the next fit, and would be copied to every worker. "
            f"Give module={kind}, and its arguments as module__argument=value."
        )
    if isinstance(criterion, type) and issubclass(criterion, torch.nn.NLLLoss):
        raise ValueError(
            "NLLLoss takes log-probabilities, but networks give logits here: the loss would be meaningless. "
            "Use criterion=torch.nn.CrossEntropyLoss."
        )


def check_fit_params(fit_params: Mapping[str, Any], name: str) -> None:
    """Raise TypeError for arguments of fit that a net does not take."""
    if "sample_weight" in fit_params:
        raise TypeError(f"{name} does not support sample_weight: to weight classes, give class_weight.")
    unknown = fit_params.keys() - {"groups"}
    if unknown:
        raise TypeError(
            f"fit got unexpected arguments: {', '.join(sorted(unknown))}. Besides X and y, it takes only groups."
        )


def check_validation_is_there(callbacks: list[tuple[str, Any]], train_split: Any) -> None:
    """Raise ValueError if a callback monitors a validation score although no clips are held out."""
    if train_split is not None:
        return
    for _, callback in callbacks:
        monitor = getattr(callback, "monitor", None)
        if isinstance(monitor, str) and monitor.startswith("valid_"):
            raise ValueError(
                f"{type(callback).__name__} monitors {monitor}, but no clips are held out for validation. Hold out one "
                "of the training folds: train_split=HoldOutFold() (esc_features.model_selection)."
            )


def check_outputs_are_logits(outputs: torch.Tensor, by_value: bool) -> None:
    """Raise ValueError if a network ends in a softmax or a sigmoid, which the loss would apply again.

    `by_value` checks the numbers too: rows of non-negative numbers that sum to 1.
    """
    last = "" if outputs.grad_fn is None else outputs.grad_fn.name()
    found = last.startswith(("SoftmaxBackward", "SigmoidBackward"))
    if not found and by_value:
        values = outputs.detach()
        found = bool((values >= 0).all()) and bool(((values.sum(dim=1) - 1).abs() < 1e-5).all())
    if found:
        raise ValueError(
            "The network ends in a softmax or a sigmoid, and the loss applies one itself: with both, it would learn "
            "badly. Return the logits, which go into the last softmax or sigmoid; predict_proba still gives "
            "probabilities."
        )
