"""Making features from names, recipe files, or a user's own transformers."""

import inspect
import os
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from .._suggest import did_you_mean
from ._base import Feature
from ._rebuild import trusted_class
from ._registry import FEATURE_NAMES, FEATURES, feature_class
from ._transformer_feature import as_feature


def make_features(
    features: Any = None, recipe: str | os.PathLike | None = None, trusted: Collection[str] = ()
) -> dict[str, Feature]:
    """Make features from names, instances or a recipe file.

    Parameters
    ----------
    features : str, list, dict or Feature, default=None
        Names (``"waveform,mel"`` or a list), instances, a list of both, or a dict from names in the store to names or
        instances. None means all features of the recipe, or ``waveform`` and ``mel`` if there is no recipe.
    recipe : path, default=None
        A TOML file. Each table ``[features.NAME]`` has a ``class``, either one of this package (``"MelSpectrogram"``)
        or ``"module:Class"`` of a trusted module, and its parameters.
    trusted : collection of str, default=()
        Modules or packages from which a recipe may import classes. Importing a module runs its code, so it is not
        enough that a recipe names it.

    Returns
    -------
    dict of str to Feature
        Maps names in the store to features, in the given order.

    Raises
    ------
    ValueError
        If a name, class or parameter is unknown, or a module is not trusted; the message says what to use.
    TypeError
        If an instance is not a transformer.

    Examples
    --------
    >>> from esc_features import MelSpectrogram
    >>> from esc_features.features import make_features
    >>> make_features("waveform,mel")
    {'waveform': Waveform(), 'mel': MelSpectrogram()}
    >>> make_features({"mel64": MelSpectrogram(n_mels=64)})
    {'mel64': MelSpectrogram(n_mels=64)}
    """
    known = {} if recipe is None else _read_recipe(recipe, trusted)
    if features is None:
        features = list(known) or ["waveform", "mel"]
    if isinstance(features, str):
        features = [name.strip() for name in features.split(",") if name.strip()]
    if isinstance(features, Mapping):
        made = {_check_name(name): _make(feature, known) for name, feature in features.items()}
    else:
        made = _from_list(features, known)
    if not made:
        raise ValueError("No feature was named: name at least one, such as 'waveform,mel'.")
    return made


def _from_list(features: Any, known: Mapping[str, Feature]) -> dict[str, Feature]:
    if isinstance(features, Feature) or hasattr(features, "transform") or not isinstance(features, Iterable):
        features = [features]
    made = {}
    for feature in features:
        instance = _make(feature, known)
        name = feature if isinstance(feature, str) else instance.name
        if name in made:
            raise ValueError(
                f"Two features are called {name!r}: give them different names, "
                f"{{'{name}': ..., '{name}_2': ...}} in Python or [features.{name}_2] in a recipe."
            )
        made[_check_name(name)] = instance
    return made


def _make(feature: Any, known: Mapping[str, Feature]) -> Feature:
    if not isinstance(feature, str):
        return as_feature(feature)
    if feature in known:
        return known[feature]
    try:
        return feature_class(feature)()
    except KeyError:
        names = [*known, *FEATURE_NAMES]
        raise ValueError(
            f"There is no feature {feature!r}.{did_you_mean(feature, names)} The features are {', '.join(names)}."
        ) from None


def _check_name(name: Any) -> str:
    plain = isinstance(name, str) and name.replace("_", "").replace("-", "").isalnum() and name.isascii()
    if not plain:
        raise ValueError(f"The name of a feature becomes a folder: use letters, digits, - and _, not {name!r}.")
    return name


def _read_recipe(path: str | os.PathLike, trusted: Collection[str]) -> dict[str, Feature]:
    path = Path(path)
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ValueError(f"There is no recipe file {str(path)!r}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{str(path)!r} is not a TOML file: {error}.") from error
    unknown = [table for table in tables if table != "features"]
    features = tables.get("features")
    if unknown or not isinstance(features, dict) or not features:
        detail = f"it has {', '.join(unknown)}" if unknown else "it has none"
        raise ValueError(f"{str(path)!r} must hold tables [features.NAME] and nothing else: {detail}.")
    return {_check_name(name): _from_table(name, table, path, trusted) for name, table in features.items()}


def _from_table(name: str, table: Any, path: Path, trusted: Collection[str]) -> Feature:
    where = f"[features.{name}] of {str(path)!r}"
    if not isinstance(table, dict) or not isinstance(table.get("class"), str):
        raise ValueError(f'{where} needs a line such as class = "MelSpectrogram".')
    try:
        kind = _class(table["class"], trusted)
        parameters = {key: value for key, value in table.items() if key != "class"}
        _check_names_of_parameters(table["class"], kind, parameters)
        feature = as_feature(kind(**parameters))
        feature.check_parameters()
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    return feature


def _class(name: str, trusted: Collection[str]) -> type:
    if ":" in name:
        return trusted_class(name, trusted)
    if name not in FEATURES:
        raise ValueError(
            f"There is no class {name!r}.{did_you_mean(name, FEATURES)} The classes of esc_features are "
            f"{', '.join(FEATURES)}; write a class of your own as 'module:Class'."
        )
    return feature_class(name)


def _check_names_of_parameters(name: str, kind: type, parameters: Iterable[str]) -> None:
    allowed = list(inspect.signature(kind).parameters)
    for key in parameters:
        if key not in allowed:
            raise ValueError(
                f"{name} has no parameter {key!r}.{did_you_mean(key, allowed)} "
                f"Its parameters are {', '.join(allowed) or 'none'}."
            )
