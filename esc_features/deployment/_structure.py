"""Encode an estimator as a tree of plain values, tensors and parts that skops writes, and decode it.

A value that JSON can represent is written as such. Anything else is an object with one key, which tells its kind:

=============  =======================================================================================
``tuple``      its values
``dict``       its pairs (keys are often integers)
``bunch``      the pairs of a scikit-learn Bunch
``float``      "nan", "inf" or "-inf"
``number``     a numpy scalar: dtype and value
``dtype``      name of a numpy dtype
``array``      name of the tensor
``strings``    an array of str: dtype and nested lists
``class``      a class or function, by the name that it is imported by
``object``     an estimator of ours or of a user, or one that contains such: ``class``, ``parameters``, ``fitted``
``net``        a fitted network: ``class``, ``parameters``, ``fitted``, ``state`` (the prefix of its tensors)
``part``       number of a part that skops wrote
=============  =======================================================================================
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch

from ..exceptions import ModelError
from ._known_classes import find, is_known, public_name
from ._nets import is_net, net_from_state, state_of_net
from ._parts import part_of

_KINDS = ("tuple", "dict", "bunch", "float", "number", "dtype", "array", "strings", "class", "object", "net", "part")
_DEEPEST = 60
# What safetensors supports of numpy; other arrays become parts.
_TENSORS = ("bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)))
_TENSORS += ("float16", "float32", "float64")
# Which clips a step was fitted on: the card summarises it.
_LEFT_OUT = ("fitted_clips_", "card_")


class Encoder:
    """Collects tensors and parts while a model becomes plain values."""

    def __init__(self) -> None:
        self.tensors: dict[str, np.ndarray] = {}
        self.parts: list[bytes] = []

    def encode(self, value: Any, where: str = "model") -> Any:
        if value is None or isinstance(value, (bool, str)) or type(value) is int:
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"float": str(value)}
        if isinstance(value, (np.generic, np.ndarray, np.dtype)):
            return self._encode_array(value, where)
        if isinstance(value, list):
            return [self.encode(item, f"{where}[{i}]") for i, item in enumerate(value)]
        if type(value) is tuple:
            return {"tuple": [self.encode(item, f"{where}[{i}]") for i, item in enumerate(value)]}
        if type(value) is dict or type(value) is Bunch:
            pairs = [[self.encode(k, where), self.encode(v, f"{where}[{k!r}]")] for k, v in value.items()]
            return {"dict" if type(value) is dict else "bunch": pairs}
        if inspect.isclass(value) or inspect.isroutine(value):
            return {"class": public_name(value)}
        return self._encode_object(value, where)

    def _encode_array(self, value, where):
        if isinstance(value, np.dtype):
            return {"dtype": value.name}
        if value.dtype.kind == "U" and not isinstance(value, np.ma.MaskedArray):
            return {"strings": [value.dtype.str, value.tolist()]}
        if isinstance(value, np.ma.MaskedArray) or value.dtype.name not in _TENSORS:
            return self._part(value, where)
        if isinstance(value, np.generic):
            return {"number": [value.dtype.name, self.encode(value.item(), where)]}
        self.tensors[where] = np.ascontiguousarray(value).reshape(value.shape)
        return {"array": where}

    def _encode_object(self, value, where):
        if is_net(value):
            parameters, fitted, tensors = state_of_net(value)
            self.tensors |= {f"{where}/{name}": tensor for name, tensor in tensors.items()}
            return {"net": {**self._described(value, parameters, fitted, where), "state": where}}
        if is_ours(value):
            parameters = _parameters(value)
            fitted = {name: item for name, item in vars(value).items() if name not in parameters and _is_fitted(name)}
            return {"object": self._described(value, parameters, fitted, where)}
        if any(map(holds_ours, _insides(value))):
            # A pipeline, search or ensemble of scikit-learn that contains one of ours.
            fitted = {name: item for name, item in vars(value).items() if name not in _LEFT_OUT}
            return {"object": self._described(value, {}, fitted, where)}
        return self._part(value, where)

    def _described(self, value, parameters, fitted, where):
        return {
            "class": public_name(type(value)),
            "parameters": {name: self.encode(item, f"{where}.{name}") for name, item in parameters.items()},
            "fitted": {name: self.encode(item, f"{where}.{name}") for name, item in fitted.items()},
        }

    def _part(self, value, where):
        self.parts.append(part_of(value, where))
        return {"part": len(self.parts) - 1}


class Decoder:
    """Makes a model from plain values, tensors and parts; nothing is imported that is not known or trusted."""

    def __init__(
        self, tensors: Mapping[str, np.ndarray], part: Callable[[int], Any], granted: Collection[str], n_bytes: int
    ):
        self.tensors, self.part, self.granted, self.n_bytes = tensors, part, granted, n_bytes

    def decode(self, value: Any) -> Any:
        if value is None or isinstance(value, (bool, str, int, float)):
            return value
        if isinstance(value, list):
            return [self.decode(item) for item in value]
        kind, content = _only(value)
        if kind not in _KINDS:
            raise ModelError(f"The model holds a value of the unknown kind {kind!r}.")
        return getattr(self, f"_{kind}")(content)

    def _tuple(self, items):
        return tuple(self.decode(item) for item in _list(items))

    def _dict(self, pairs):
        return {self.decode(key): self.decode(item) for key, item in map(_pair, _list(pairs))}

    def _bunch(self, pairs):
        return Bunch(**self._dict(pairs))

    def _float(self, name):
        return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[name]

    def _dtype(self, name):
        return np.dtype(_plain_dtype(name))

    def _number(self, content):
        dtype, number = _pair(content)
        return np.dtype(_plain_dtype(dtype)).type(self.decode(number))

    def _array(self, name):
        if name not in self.tensors:
            raise ModelError(f"The model lacks the tensor {name!r}.")
        return self.tensors[name]

    def _strings(self, content):
        dtype, items = _pair(content)
        array = np.array(items, dtype=str)
        return array.astype(dtype) if dtype[:2] in ("<U", ">U", "=U") and len(dtype) < 8 else array

    def _class(self, name):
        return find(name, self.granted)

    def _part(self, number):
        return self.part(number)

    def _object(self, content):
        kind, parameters, fitted = self._parsed(content)
        if is_net(kind) or any(base.__module__.split(".")[0] == "torch" for base in kind.__mro__):
            raise ModelError(f"The model describes {content['class']} in a way that save_model does not.")
        if not is_ours(kind):
            return self._plain(kind, parameters, fitted, content)
        for name in fitted:
            if not _is_fitted(name) or hasattr(kind, name):
                raise ModelError(f"The model sets {name!r} of a {kind.__name__}, which fitting it does not.")
        made = _make(kind, parameters)
        vars(made).update(fitted)
        return made

    def _net(self, content):
        kind, parameters, fitted = self._parsed(content)
        if not is_net(kind):
            raise ModelError(f"{content['class']} is not the estimator of a network.")
        prefix = f"{content['state']}/"
        state = {name.removeprefix(prefix): tensor for name, tensor in self.tensors.items() if name.startswith(prefix)}
        return net_from_state(kind, parameters, fitted, state, self.n_bytes)

    def _parsed(self, content):
        kind = find(content["class"], self.granted)
        if not inspect.isclass(kind):
            raise ModelError(f"{content['class']} is not a class.")
        return kind, *({k: self.decode(v) for k, v in content[group].items()} for group in ("parameters", "fitted"))

    def _plain(self, kind, parameters, fitted, content):
        """Make an estimator of scikit-learn, or a trusted one: attributes are set, its initialiser is not called."""
        if parameters or not (content["class"].startswith("sklearn.") or content["class"] in self.granted):
            raise ModelError(f"The model describes {content['class']} in a way that save_model does not.")
        made = kind.__new__(kind)
        if any(name.startswith("__") or inspect.isroutine(getattr(kind, name, None)) for name in fitted):
            raise ModelError(f"The model replaces methods of {content['class']}.")
        vars(made).update(fitted)
        return made


def names_in(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield every class or function that a tree of plain values names."""
    if depth > _DEEPEST:
        raise ModelError("The model is nested deeper than any estimator.")
    if isinstance(value, list):
        for item in value:
            yield from names_in(item, depth + 1)
    elif isinstance(value, dict):
        kind = value.get("class")
        if isinstance(kind, str):
            yield kind
        for item in value.values():
            yield from names_in(item, depth + 1)


def untrusted(names: Iterator[str]) -> set[str]:
    """Return the names that a user must trust."""
    return {name for name in names if not is_known(name)}


def is_ours(value: Any) -> bool:
    """Return whether an object, or the instances of a class, are written as parameters and fitted attributes."""
    kind = value if inspect.isclass(value) else type(value)
    return any(base.__module__.split(".")[0] in ("esc_features", "skorch") for base in kind.__mro__)


def holds_ours(value: Any, depth: int = 0) -> bool:
    """Return whether a value is or contains one of ours."""
    if is_ours(value) and not inspect.isclass(value):
        return True
    return depth < _DEEPEST and any(holds_ours(item, depth + 1) for item in _insides(value))


def _insides(value):
    if isinstance(value, (list, tuple, set)):
        return value
    if isinstance(value, np.ndarray):
        return value.ravel() if value.dtype == object else ()
    if isinstance(value, dict):
        return value.values()
    if type(value).__module__.split(".")[0] == "sklearn" or isinstance(value, BaseEstimator):
        return getattr(value, "__dict__", {}).values()
    return ()


def _is_fitted(name):
    return name.endswith("_") and not name.startswith("_") and name not in _LEFT_OUT


def _parameters(value):
    if hasattr(value, "get_params"):
        return value.get_params(deep=False)
    return {name: getattr(value, name) for name in inspect.signature(type(value)).parameters}


def _make(kind, parameters):
    try:
        return kind(**parameters)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"{kind.__name__} cannot be made with the parameters of the model: {error}. If it was saved by a newer "
            "esc_features, update this one."
        ) from error


def _plain_dtype(name):
    if np.dtype(name).hasobject or np.dtype(name).itemsize > 1 << 16:
        raise ModelError(f"The model holds the dtype {name!r}, which no model has.")
    return name


def _only(value):
    if not isinstance(value, dict) or len(value) != 1:
        raise ModelError("The model holds a value of no kind.")
    return next(iter(value.items()))


def _list(value):
    if not isinstance(value, list):
        raise ModelError("The model is damaged: a list was expected.")
    return value


def _pair(value):
    if not isinstance(value, list) or len(value) != 2:
        raise ModelError("The model is damaged: a pair was expected.")
    return value
