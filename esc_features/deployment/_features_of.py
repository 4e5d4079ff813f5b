"""What a model takes and returns: its features, the clips that they take, its categories and probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..exceptions import ModelError


def features_in(model: Any) -> list[Any]:
    """Return the features of a model, at any depth of pipelines and ensembles, in the order of their steps."""
    from ..features import Feature

    found: list[Any] = []

    def look(value, depth):
        if isinstance(value, Feature):
            found.append(value)
        elif depth < 20 and isinstance(value, (list, tuple)):
            for item in value:
                look(item, depth + 1)
        elif depth < 20 and hasattr(value, "get_params") and not hasattr(value, "initialize_module"):
            for item in value.get_params(deep=False).values():
                look(item, depth + 1)

    look(model, 0)
    return found


def steps_of(model: Any) -> list[Any]:
    """Return the steps of a pipeline; anything else is one step."""
    return [step for _, step in model.steps] if hasattr(model, "steps") else [model]


def clip_of(model: Any) -> tuple[int, float]:
    """Return the sample rate and duration of the clips that a model takes."""
    wanted = {(int(feature.sample_rate), float(feature.duration)) for feature in features_in(model)}
    if not wanted:
        raise ModelError(
            f"This {type(model).__name__} does not start with a feature, so it cannot take recordings. "
            "Fit a pipeline that does, such as make_pipeline(MelSpectrogram(), ...), on store.audio."
        )
    if len(wanted) > 1:
        clips = ", ".join(f"{duration:g} s at {rate} Hz" for rate, duration in sorted(wanted))
        raise ModelError(
            f"The features of this model take different clips: {clips}. Give all of them one sample_rate and one "
            "duration, and fit again."
        )
    return wanted.pop()


def categories_of(model: Any) -> list[str]:
    """Return the names of a model's classes, in the order of its probabilities."""
    card = getattr(model, "card_", None)
    if card is not None:
        return list(card.categories)
    return [str(name) for name in classes_of(model).tolist()]


def classes_of(model: Any) -> np.ndarray:
    """Return the labels that a model was fitted on."""
    try:
        classes = model.classes_
        # On several labels, scikit-learn's trees and neighbours list the classes of each label.
        return np.arange(len(classes)) if isinstance(classes, list) else np.asarray(classes)
    except (AttributeError, NotImplementedError, ValueError) as error:
        raise ModelError(
            f"{type(model).__name__} has no classes_: it is not a fitted classifier. Call fit(X, y) first."
        ) from error


def has_several_labels(model: Any) -> bool:
    """Return whether a fitted model gives each clip any number of categories."""
    last = steps_of(model)[-1]
    binarizer = getattr(last, "_label_binarizer", None)
    return (
        isinstance(getattr(last, "classes_", None), list)
        or bool(getattr(last, "multilabel_", False))
        or getattr(getattr(last, "codec_", None), "kind", "") == "several labels"
        or str(getattr(binarizer, "y_type_", "")).startswith("multilabel")
    )


def probabilities_of(model: Any, waveforms: np.ndarray) -> np.ndarray:
    """Return probabilities (clips, classes), float32; 0 and 1 if a model gives none."""
    if hasattr(model, "predict_proba"):
        probabilities = model.predict_proba(waveforms)
        if isinstance(probabilities, list):  # a forest on several labels: two columns for each
            probabilities = np.stack([pair[:, -1] for pair in probabilities], axis=1)
        return np.asarray(probabilities, np.float32)
    predicted = np.asarray(model.predict(waveforms))
    if predicted.ndim == 2:
        return predicted.astype(np.float32)
    return (predicted[:, np.newaxis] == classes_of(model)).astype(np.float32)
