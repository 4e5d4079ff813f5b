"""Features by name, from a recipe file, or made of a user's own transformer."""

import difflib
import importlib
import inspect
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ._base import Feature, check_number, class_name, describe_parameters, describe_value

# Our features: class -> (module, default name). Those that need torch are imported only when asked for.
_OURS = {
    "Waveform": ("_waveform", "waveform"),
    "MelSpectrogram": ("_mel_spectrogram", "mel"),
    "MFCCStatistics": ("_mfcc_statistics", "mfcc"),
    "ResNetEmbedding": ("_resnet_embedding", "resnet"),
    "EfficientNetLiteEmbedding": ("_efficientnet_lite_embedding", "efficientnet"),
    "BirdNETEmbedding": ("_birdnet_embedding", "birdnet"),
}


def make_features(features: Any = None, recipe: str | os.PathLike | None = None) -> dict[str, Feature]:
    """Make features of names, instances or a recipe file.

    Parameters
    ----------
    features : str, list, dict or Feature, default=None
        Names (``"waveform,mel"`` or a list), instances, a mix of both in a list, or a dict from the name in the store
        to a name or instance. None takes all features of the recipe, or ``waveform`` and ``mel`` without one.
    recipe : path, default=None
        A TOML file. Each table ``[features.NAME]`` has a ``class``, one of ours (``"MelSpectrogram"``) or
        ``"module:Class"``, and its parameters.

    Returns
    -------
    dict of str to Feature
        Name in the store -> feature, in the order given.

    Raises
    ------
    ValueError
        An unknown name, class or parameter; the message lists what there is.

    Examples
    --------
    >>> from esc_features import MelSpectrogram
    >>> from esc_features.features import make_features
    >>> make_features("waveform,mel")
    {'waveform': Waveform(), 'mel': MelSpectrogram()}
    >>> make_features({"mel64": MelSpectrogram(n_mels=64)})
    {'mel64': MelSpectrogram(n_mels=64)}
    """
    known = {} if recipe is None else _read_recipe(recipe)
    if features is None:
        features = list(known) or ["waveform", "mel"]
    if isinstance(features, str):
        features = [name.strip() for name in features.split(",") if name.strip()]
    if isinstance(features, Mapping):
        made = {_check_name(name): _make(feature, known) for name, feature in features.items()}
    else:
        made = _from_list(features, known)
    if not made:
        raise ValueError("no feature was named: give at least one, such as 'waveform,mel'")
    return made


def as_feature(transformer: Any) -> Feature:
    """Take a scikit-learn transformer of waveforms as a feature.

    Parameters
    ----------
    transformer : Feature or transformer
        An instance with ``transform`` of a float32 array ``(n, samples)``, of a class in an importable module. Its
        ``sample_rate`` (Hz) and ``duration`` (s) say which waveforms it gets; 16000 and 5.0 if it has none. It must
        need no fitting.

    Returns
    -------
    Feature
        The transformer itself if it is a feature already.

    Raises
    ------
    TypeError
        It has no ``transform`` or no ``get_params``, or is a class and not an instance.

    Examples
    --------
    >>> from sklearn.preprocessing import Normalizer
    >>> from esc_features.features import as_feature
    >>> as_feature(Normalizer()).output_shape()
    (80000,)
    """
    if isinstance(transformer, type):
        raise TypeError(f"give an instance, {transformer.__name__}(), not the class {transformer.__name__}")
    if isinstance(transformer, Feature):
        return transformer
    if not hasattr(transformer, "transform") or not hasattr(transformer, "get_params"):
        raise TypeError(
            f"{transformer!r} is no feature: it needs the methods transform and get_params of a scikit-learn "
            "transformer (inherit from sklearn.base.BaseEstimator and TransformerMixin)"
        )
    return TransformerFeature(transformer)


class TransformerFeature(Feature):
    """A user's transformer of waveforms, as a feature; made by `as_feature`."""

    def __init__(self, transformer):
        self.transformer = transformer

    @property
    def name(self):
        return getattr(self.transformer, "name", type(self.transformer).__name__.lower())

    @property
    def sample_rate(self):
        return getattr(self.transformer, "sample_rate", 16000)

    @property
    def duration(self):
        return getattr(self.transformer, "duration", 5.0)

    @property
    def dtype(self):
        return self._of_silence().dtype.name

    def output_shape(self):
        return self._of_silence().shape[1:]

    def compute(self, waveforms):
        # One clip at a time: a transformer may compute a row differently in another batch.
        computed = [np.asarray(self.transformer.transform(waveform[np.newaxis])) for waveform in waveforms]
        for rows in computed:
            if rows.ndim < 1 or len(rows) != 1:
                raise ValueError(
                    f"{self.transformer!r} made an array of shape {rows.shape} of one waveform: "
                    "the first axis must be 1"
                )
        return np.concatenate(computed) if computed else np.empty((0, *self.output_shape()), self.dtype)

    def check_parameters(self):
        check_number(self, "sample_rate", at_least=1, whole=True)
        check_number(self, "duration", above=0)

    def description(self):
        return {
            "class": class_name(type(self.transformer)),
            "version": describe_value("version", getattr(self.transformer, "version", 1)),
            "parameters": describe_parameters(self.transformer),
            "computed_from": self._computed_from(),
        }

    def _of_silence(self):
        return self.compute(np.zeros((1, self.waveform().n_samples), np.float32))


def _from_list(features, known):
    if isinstance(features, Feature) or hasattr(features, "transform") or not isinstance(features, Iterable):
        features = [features]
    made = {}
    for feature in features:
        instance = _make(feature, known)
        name = feature if isinstance(feature, str) else instance.name
        if name in made:
            raise ValueError(
                f"two features are called {name!r}: give them names of their own, "
                f"{{'{name}': ..., '{name}_2': ...}} in Python or [features.{name}_2] in a recipe"
            )
        made[_check_name(name)] = instance
    return made


def _make(feature, known):
    if not isinstance(feature, str):
        return as_feature(feature)
    if feature in known:
        return known[feature]
    for ours, (_, name) in _OURS.items():
        if feature in (name, ours):
            return _our_class(ours)()
    names = [*known, *(name for _, name in _OURS.values())]
    raise ValueError(f"there is no feature {feature!r}{_did_you_mean(feature, names)}; there are: {', '.join(names)}")


def _our_class(name):
    return getattr(importlib.import_module(f"{__package__}.{_OURS[name][0]}"), name)


def _check_name(name):
    plain = isinstance(name, str) and name.replace("_", "").replace("-", "").isalnum() and name.isascii()
    if not plain:
        raise ValueError(f"a feature's name becomes a folder: use letters, digits, - and _; got {name!r}")
    return name


def _read_recipe(path):
    path = Path(path)
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ValueError(f"there is no recipe file {str(path)!r}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{str(path)!r} is no TOML file: {error}") from error
    unknown = [table for table in tables if table != "features"]
    features = tables.get("features")
    if unknown or not isinstance(features, dict) or not features:
        detail = f"it has {', '.join(unknown)}" if unknown else "it has none"
        raise ValueError(f"{str(path)!r} must hold tables [features.NAME] and nothing else; {detail}")
    return {_check_name(name): _from_table(name, table, path) for name, table in features.items()}


def _from_table(name, table, path):
    where = f"[features.{name}] of {str(path)!r}"
    if not isinstance(table, dict) or not isinstance(table.get("class"), str):
        raise ValueError(f'{where} needs a line such as class = "MelSpectrogram"')
    kind = _find_class(table["class"], where)
    parameters = {key: value for key, value in table.items() if key != "class"}
    allowed = list(inspect.signature(kind).parameters)
    for key in parameters:
        if key not in allowed:
            raise ValueError(
                f"{where}: {table['class']} has no parameter {key!r}{_did_you_mean(key, allowed)}; "
                f"it has: {', '.join(allowed) or 'none'}"
            )
    feature = as_feature(kind(**parameters))
    try:
        feature.check_parameters()
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    return feature


def _find_class(name, where):
    module, colon, attribute = name.partition(":")
    if not colon:
        if name in _OURS:
            return _our_class(name)
        raise ValueError(
            f"{where}: there is no class {name!r}{_did_you_mean(name, _OURS)}; ours are: {', '.join(_OURS)}, "
            "your own is written 'module:Class'"
        )
    try:
        kind = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{where}: cannot import {name!r}: {error}") from error
    if not isinstance(kind, type):
        raise ValueError(f"{where}: {name!r} is not a class")
    return kind


def _did_you_mean(name, names):
    close = difflib.get_close_matches(str(name), list(names), n=1)
    return f", did you mean {close[0]!r}?" if close else ""
