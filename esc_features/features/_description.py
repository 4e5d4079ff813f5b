"""Descriptions of features as JSON, with everything that determines their numbers, and digests of them."""

from __future__ import annotations

import hashlib
import json
import math
import numbers
from collections.abc import Collection
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from ..audio import WaveformSpec


def fingerprint_of(description: dict[str, Any]) -> str:
    """Return the digest of the description of a feature.

    It is equal for equal settings and different for different ones; stored features are found by it.

    Parameters
    ----------
    description : dict
        A description, as returned by `Feature.description`.

    Returns
    -------
    str
        32 hexadecimal digits.

    Examples
    --------
    >>> from esc_features.features import Waveform, fingerprint_of
    >>> fingerprint_of(Waveform().description()) == Waveform().fingerprint()
    True
    """
    text = json.dumps(description, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def describe(estimator: BaseEstimator, leave_out: Collection[str] = ()) -> dict[str, Any]:
    """Describe an estimator as JSON values: its class, the version of its algorithm and its parameters.

    A parameter in the class's ``neutral_parameters`` is left out if it has the value given there: it was added later,
    and that value keeps the earlier behaviour, so features that were stored before stay up to date.
    """
    parameters = {
        name: describe_value(name, value)
        for name, value in estimator.get_params(deep=False).items()
        if name not in leave_out
    }
    for name, value in getattr(estimator, "neutral_parameters", {}).items():
        if name in parameters and _same(parameters[name], describe_value(name, value)):
            del parameters[name]
    return {
        "class": class_name(type(estimator)),
        "version": describe_value("version", getattr(estimator, "version", 1)),
        "parameters": parameters,
    }


def describe_waveform(spec: WaveformSpec) -> dict[str, Any]:
    """Describe the waveform that a feature is computed from, as the ``Waveform`` with these parameters does."""
    return {
        "class": "esc_features.features.Waveform",
        "version": spec.version,
        "parameters": {
            "sample_rate": describe_value("sample_rate", spec.sample_rate),
            "duration": describe_value("duration", spec.duration),
            "dtype": "float32",
        },
        "computed_from": None,
    }


def describe_value(name: str, value: Any) -> Any:
    """Return one parameter as a JSON value: whole floats become integers (5.0 is 5), tuples lists; True is not 1."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real) and math.isfinite(value):
        value = float(value)
        return int(value) if value.is_integer() else value
    if isinstance(value, (list, tuple)):
        return [describe_value(name, item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: describe_value(name, item) for key, item in value.items()}
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return np.dtype(value).name
    if isinstance(value, BaseEstimator):
        return describe(value)
    raise ValueError(
        f"The parameter {name}={value!r} cannot be described in a file, so its feature can be computed but not stored "
        "and found again. To store it, use numbers, strings, True, False, None, lists and dicts of these, or "
        "estimators."
    )


def class_name(kind: type) -> str:
    """Return the name by which users import a class, without private modules."""
    if kind.__module__ == "__main__" or "<locals>" in kind.__qualname__:
        raise ValueError(
            f"{kind.__qualname__} is defined in {'a script' if kind.__module__ == '__main__' else 'a function'}, so "
            "its feature can be computed but not stored: a store could not say what its numbers are. Move the class "
            "to a module that can be imported."
        )
    public = [part for part in kind.__module__.split(".") if not part.startswith("_")]
    return ".".join([*public, kind.__qualname__])


def dtype_name(dtype: Any) -> str:
    """Return the name of a dtype for messages and descriptions; for anything else, its repr."""
    try:
        return np.dtype(dtype).name if dtype is not None else "None"
    except TypeError:
        return repr(dtype)


def _same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)  # True is not 1
