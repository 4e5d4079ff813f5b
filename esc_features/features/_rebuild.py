"""Rebuilding features from their descriptions in a store or model, importing only trusted classes."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from ._registry import FEATURES, feature_class

if TYPE_CHECKING:
    from ._base import Feature

_PREFIX = "esc_features.features."
# Limit, in bytes, of what a feature computes for one clip; above any sensible value.
_LARGEST = 1 << 30


def rebuild_feature(description: dict[str, Any], trusted: Collection[str] = ()) -> Feature:
    """Make a feature from its description in a store or model.

    Classes of this package are always made. Other classes are imported only from modules that the user trusts, so that
    no code runs just because a file names it.

    Parameters
    ----------
    description : dict
        A description, as returned by `Feature.description`.
    trusted : collection of str, default=()
        Modules or packages whose classes may be imported.

    Returns
    -------
    Feature
        The feature, with the described parameters.

    Raises
    ------
    ValueError
        If the class is not trusted, is not a transformer, does not take these parameters, or would require more than a
        gigabyte for one clip.

    Examples
    --------
    >>> from esc_features import MelSpectrogram
    >>> from esc_features.features import rebuild_feature
    >>> rebuild_feature(MelSpectrogram(n_mels=64).description())
    MelSpectrogram(n_mels=64)
    """
    from ._transformer_feature import as_feature

    name = str(description.get("class"))
    try:
        feature = as_feature(_rebuild(description, trusted))
        feature.check_parameters()
        _check_size(feature)
    except (TypeError, ImportError, AttributeError) as error:
        raise ValueError(f"{name} cannot be made by this version of esc_features: {error}") from error
    return feature


def _check_size(feature: Feature) -> None:
    sizes = {"waveform": feature.waveform().n_samples}
    if hasattr(feature, "n_fft"):  # other features would have to compute one clip to know their shape
        sizes |= {"filter bank": feature.n_mels * feature.n_fft, "output": math.prod(feature.output_shape())}
    for what, size in sizes.items():
        if 4 * size > _LARGEST:
            raise ValueError(f"{feature!r} is refused: the {what} of one clip would take {4 * size / 1e9:.1f} GB.")


def trusted_class(name: str, trusted: Collection[str]) -> type:
    """Import a transformer's class, "module:Class", if the user trusts its module or package.

    Raises ValueError if it is not trusted, does not exist or is not a transformer.
    """
    module, _, attribute = name.partition(":")
    if not is_trusted(module, trusted):
        raise ValueError(
            f"{name!r} is not imported just because a file names it: importing a module runs its code. If you trust "
            f"it, use --trust {module} on the command line, or trusted=[{module!r}] in Python."
        )
    try:
        kind = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{name!r} cannot be imported: {error}. Is its folder on PYTHONPATH?") from error
    if not isinstance(kind, type):
        raise ValueError(f"{name!r} is not a class.")
    if not callable(getattr(kind, "transform", None)) or not callable(getattr(kind, "get_params", None)):
        raise ValueError(f"{name!r} is not a transformer: a feature's class has the methods transform and get_params.")
    return kind


def is_trusted(module: str, trusted: Collection[str]) -> bool:
    """Return whether a module, or a package that contains it, is trusted."""
    names = [trusted] if isinstance(trusted, str) else trusted
    return any(module == name or module.startswith(f"{name}.") for name in names)


def _rebuild(description: dict[str, Any], trusted: Collection[str]) -> Any:
    name = str(description.get("class"))
    ours = name.removeprefix(_PREFIX)
    if name == _PREFIX + ours:
        if ours not in FEATURES:
            raise ValueError(f"{name!r} is not a feature of this version of esc_features.")
        kind: type = feature_class(ours)
    else:
        module, _, attribute = name.rpartition(".")
        kind = trusted_class(f"{module}:{attribute}", trusted)
    parameters = {key: _rebuild_value(value, trusted) for key, value in description.get("parameters", {}).items()}
    return kind(**parameters | _defaults_among(parameters, kind))


def _defaults_among(parameters: dict[str, Any], kind: type) -> dict[str, Any]:
    """Return the defaults that parameters equal: a description has 5 for 5.0, which repr would show as changed."""
    known = inspect.signature(kind).parameters
    defaults = {key: known[key].default for key in parameters if key in known}
    return {
        key: default
        for key, default in defaults.items()
        if isinstance(default, float) and type(parameters[key]) is int and parameters[key] == default
    }


def _rebuild_value(value: Any, trusted: Collection[str]) -> Any:
    if isinstance(value, dict) and value.keys() == {"class", "version", "parameters"}:
        return _rebuild(value, trusted)
    return value
