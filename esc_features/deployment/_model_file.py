"""A fitted model in one file without pickle."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import os
import platform
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from .._files import now
from ..datasets import OFFICIAL_DATASETS, official_name
from ..exceptions import ModelError
from ._archive import write_archive
from ._features_of import classes_of, features_in, has_several_labels, steps_of
from ._known_classes import is_trusted
from ._model_card import FORMAT, FORMAT_VERSION, ModelCard, card_from, read_model
from ._parts import load_part, untrusted_in
from ._structure import Decoder, Encoder, names_in, untrusted

if TYPE_CHECKING:
    from ..store import Store

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "torchvision", "skorch", "soxr", "librosa", "skops")
# More than a gigabyte per clip: no feature needs that.
_MOST_NUMBERS = 1 << 28
# Another minor version of these may give other numbers, or not load the model at all.
_DECIDING = ("scikit-learn", "torch", "skorch")


def save_model(
    model: Any,
    path: str | os.PathLike,
    *,
    store: Store | None = None,
    categories: Sequence[str] | None = None,
    figures: Mapping[str, float] | None = None,
    licence: str | None = None,
    about: str = "",
    limits: str | None = None,
) -> ModelCard:
    """Save a fitted estimator or pipeline to one file, which can be loaded on any machine without trusting its author.

    The file is a zip without pickle: ``model.json`` (structure and every parameter), ``card.md`` (for people),
    ``tensors.safetensors``, and one ``.skops`` file per part that belongs to scikit-learn. The predictions of a loaded
    model are the same, bit for bit; the state of its optimiser and the names of the clips that it was fitted on are
    left out. Of a search such as GridSearchCV, the best estimator is saved.

    Parameters
    ----------
    model : estimator
        A fitted estimator. A pipeline that starts with a feature predicts from recordings after it is loaded.
    path : path-like
        The file, such as ``dogs.esc``; an existing one is replaced.
    store : Store, optional
        The store that it was fitted on, for the card: data set, categories, and a digest that identifies the store.
    categories : sequence of str, optional
        Names of the classes; by default those of `store`, or the labels that the model was fitted on.
    figures : dict of str to float, optional
        Cross-validated scores, such as ``{"accuracy": 0.83}``.
    licence : str, optional
        Licence of the training data, for the card; by default that of the official data set, if `store` holds all of
        it.
    about, limits : str, optional
        Further remarks for the card, and what the model must not be used for.

    Returns
    -------
    ModelCard
        What was written about the model.

    Raises
    ------
    ModelError
        If the model is not fitted, contains what cannot be saved without pickle (a lambda, a class of a notebook), or
        the file cannot be written.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from esc_features import MFCCStatistics, load_model, save_model
    >>> noise = np.random.default_rng(0).normal(0, 0.1, (4, 220500))
    >>> model = make_pipeline(MFCCStatistics(), LogisticRegression()).fit(noise, ["cat", "dog", "cat", "dog"])
    >>> save_model(model, "pets.esc").categories
    ['cat', 'dog']
    >>> load_model("pets.esc").predict(noise[:2])
    array(['cat', 'dog'], dtype='<U3')
    """
    path = Path(path)
    model = getattr(model, "best_estimator_", model)
    encoder = Encoder()
    structure = encoder.encode(model)
    parts = {f"parts/{number}.skops": part for number, part in enumerate(encoder.parts)}
    card = dataclasses.replace(
        _card_of(model, path, store, categories),
        figures={name: float(value) for name, value in (figures or {}).items()},
        about=about,
        needs=sorted(_asked_by(structure, parts, path)),
    )
    given = {"licence": licence, "limits": limits}
    card = dataclasses.replace(card, **{name: text for name, text in given.items() if text is not None})
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "card": vars(card),
        "features": [_described(feature) for feature in features_in(model)],
        "model": structure,
    }
    entries = {"model.json": _as_json(document), "card.md": card.text().encode()}
    if encoder.tensors:
        from safetensors.numpy import save

        entries["tensors.safetensors"] = save(encoder.tensors)
    write_archive(path, entries | parts)
    return card


def load_model(path: str | os.PathLike, *, trusted: Sequence[str] = ()) -> Any:
    """Load a model that `save_model` wrote.

    The file is not trusted: no code in it runs, and classes are imported only from esc_features, PyTorch, skorch and
    scikit-learn. If a model uses any other class or function, the error lists its name; to load such a model, you must
    trust that code, which you have installed yourself.

    Parameters
    ----------
    path : path-like
        The file.
    trusted : sequence of str, default=()
        Further classes and functions that may be imported, by their names or those of their modules:
        ``["mine.LogTransform"]``, ``["mine"]``.

    Returns
    -------
    estimator
        The fitted estimator; its attribute `card_` is the `ModelCard`.

    Raises
    ------
    ModelError
        If the file is damaged, forged, of a newer format, or needs names that are not trusted, which are then listed.
    TypeError
        If `trusted` is a string instead of a list.

    Examples
    --------
    >>> from esc_features import load_model
    >>> load_model("dogs.esc").predict(["my_dog.wav"])  # doctest: +SKIP
    """
    if isinstance(trusted, str):
        raise TypeError(f"trusted must be a list of names: trusted=[{trusted!r}].")
    entries, document, n_bytes = read_model(path)
    card = card_from(document.get("card"), str(path))
    parts = {name: content for name, content in entries.items() if name.startswith("parts/")}
    asked = _asked_by(document.get("model"), parts, path)
    granted = {name for name in asked if is_trusted(name, trusted)}
    _check_trust(path, asked - granted)
    _warn_of_versions(card, path)

    def part(number):
        name = f"parts/{number}.skops"
        if name not in parts:
            raise ModelError(f"{path} is damaged: it lacks {name}.")
        return load_part(parts[name], f"{name} in {path}", granted)

    decoder = Decoder(_tensors(entries, path), part, granted, n_bytes)
    try:
        model = decoder.decode(document.get("model"))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError, OverflowError) as error:
        if isinstance(error, ModelError):
            raise ModelError(f"{path}: {error}") from error.__cause__
        raise ModelError(f"{path} is damaged: {type(error).__name__}: {error}. Get the file again.") from error
    if not hasattr(model, "predict"):
        raise ModelError(f"{path} holds a {type(model).__name__}, which cannot predict.")
    _check_features(model, document, path)
    model.card_ = card
    return model


def _asked_by(structure, parts, path):
    """Return the names of code that whoever loads a model must trust."""
    asked = untrusted(names_in(structure))
    return asked.union(*(untrusted_in(content, f"{name} in {path}") for name, content in parts.items()))


def _check_trust(path, asked):
    if asked:
        names = ", ".join(repr(name) for name in sorted(asked))
        raise ModelError(
            f"{path} asks for code that is not known to be harmless, and none of it was imported: {names}. If you know "
            f"this code and trust whoever gave you the model, load it with trusted=[{names}] (--trust NAME on the "
            "command line)."
        )


def _tensors(entries, path):
    if "tensors.safetensors" not in entries:
        return {}
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(entries["tensors.safetensors"])
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ModelError(f"{path} is damaged: tensors.safetensors: {error}. Get the file again.") from error


def _warn_of_versions(card, path):
    there = _versions()
    other = [
        f"{name} {card.versions[name]} (here {there.get(name, 'missing')})"
        for name in _DECIDING
        if name in card.versions and _minor(card.versions[name]) != _minor(there.get(name, ""))
    ]
    if other:
        warnings.warn(
            f"{path} was saved with {', '.join(other)}: probabilities may differ in their last digits. Compare them on "
            "a few clips, or install these versions.",
            stacklevel=3,
        )


def _check_features(model, document, path):
    """Refuse features that have changed since: another version or other weights would give other numbers."""
    described = document.get("features")
    features = features_in(model)
    if not isinstance(described, list) or len(described) != len(features):
        raise ModelError(f"{path} is damaged: it does not describe its {len(features)} features.")
    for feature, before in zip(features, described, strict=True):
        _check_extent(feature, path)
        now = _described(feature)
        if not isinstance(before, dict) or now["fingerprint"] != before.get("fingerprint"):
            raise ModelError(
                f"{path} was trained on another {type(feature).__name__}: its algorithm or its weights have changed "
                "since. Install the versions that the card names (esc_features show), or train again."
            )


def _check_extent(feature, path):
    """Refuse forged parameters, which would take all memory for the first clip."""
    try:
        feature.check_parameters()
        extents = [feature.waveform().n_samples, *(int(np.prod(feature.output_shape(), dtype=object)),)]
        extents.append(int(getattr(feature, "n_mels", 1)) * int(getattr(feature, "n_fft", 1)))
    except (ValueError, TypeError, OverflowError) as error:
        raise ModelError(f"{path}: its {type(feature).__name__} has impossible parameters: {error}") from error
    if max(extents) > _MOST_NUMBERS:
        raise ModelError(
            f"{path}: its {type(feature).__name__} would compute {max(extents):,} numbers per clip: refused."
        )


def _described(feature):
    try:
        description = feature.description()
    except ValueError as error:
        raise ModelError(f"{feature!r} cannot be described for a file: {error}") from error
    return {"description": description, "fingerprint": feature.fingerprint()}


def _card_of(model, path, store, categories):
    features = features_in(model)
    fitted = _fitted_clips(model)
    names, several = _categories(model, store, categories)
    official = official_name(store.clips) if store is not None else None
    return ModelCard(
        name=path.stem,
        categories=names,
        several_labels=several,
        sample_rate=int(features[0].sample_rate) if features else None,
        duration=float(features[0].duration) if features else None,
        structure=[" ".join(repr(step).split()) for step in steps_of(model)],
        dataset=store.dataset if store is not None else fitted.dataset if fitted else "",
        store_id=_store_id(store) if store is not None else "",
        licence=OFFICIAL_DATASETS[official].licence if official else "",
        weights_licence=", ".join(f"{type(f).__name__}: {f.licence}" for f in features if getattr(f, "licence", "")),
        n_clips=len(fitted.clips) if fitted else None,
        n_sources=len(fitted.sources) if fitted else None,
        folds=sorted(int(fold) for fold in fitted.folds) if fitted else [],
        created=now(),
        versions=_versions(),
    )


def _categories(model, store, categories):
    classes = classes_of(model)
    several = has_several_labels(model)
    if categories is not None:
        names = [str(name) for name in categories]
    elif several and store is not None:
        names = [str(name) for name in store.categories]
    else:
        names = [str(name) for name in classes.tolist()]
    if len(names) != len(classes):
        raise ModelError(
            f"{len(names)} categories were given, and the model has {len(classes)} classes: name each of them."
        )
    return names, several


def _fitted_clips(model):
    for step in [model, *steps_of(model)]:
        fitted = getattr(step, "fitted_clips_", None)
        if fitted is not None:
            return fitted
    return None


def _store_id(store):
    """Return a digest of the clips of a store with their labels and folds, which identifies the store."""
    clips = store.clips
    digest = hashlib.blake2b(digest_size=16)
    for column in sorted(set(clips.columns) - {"path"}):
        digest.update(f"{column}: {clips[column].tolist()!r}\n".encode())
    return digest.hexdigest()


def _versions():
    versions = {"python": platform.python_version(), "esc_features": __version__}
    for name in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def _minor(version):
    return version.split(".")[:2]


def _as_json(document):
    return json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False).encode()
