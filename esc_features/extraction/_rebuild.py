"""Features again from what a store says about them, where that is safe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..exceptions import StoreError

if TYPE_CHECKING:
    from ..features import Feature

_PREFIX = "esc_features.features."


def features_of(features: Any, recipe: Any) -> dict[str, Feature]:
    """Return the features that the user names, none where nothing is named."""
    from ..features import make_features

    return {} if features is None and recipe is None else make_features(features, recipe)


def rebuild(description: dict[str, Any]) -> Feature:
    """Make a feature of its description in a store, if it is one of ours.

    A class of somebody else is never imported because a file says so.
    """
    from ..features._recipe import _OURS, _our_class

    name = description["class"].removeprefix(_PREFIX)
    if description["class"] != _PREFIX + name or name not in _OURS:
        raise StoreError(
            f"it is of the class {description['class']!r}, which is not of esc_features and is not imported because a "
            "file names it. Name it yourself in a recipe, class = 'module:Class'."
        )
    try:
        feature = _our_class(name)(**description["parameters"])
        feature.check_parameters()
        return feature
    except (TypeError, ValueError, ImportError) as error:
        raise StoreError(f"this version of esc_features cannot make it: {error}") from error
