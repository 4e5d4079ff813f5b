"""A fitted model in one file without pickle."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import os
import platform
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..exceptions import ModelError
from ._archive import write_archive
from ._features_of import classes_of, features_in, has_several_labels
from ._model_card import FORMAT, FORMAT_VERSION, ModelCard, card_from, read_model
from ._parts import load_part, untrusted_in
from ._structure import Decoder, Encoder, names_in, untrusted

if TYPE_CHECKING:
    from ..store import Store

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "torchvision", "skorch", "soxr", "librosa", "skops")
# More than a gigabyte for one clip is no feature.
_MOST_NUMBERS = 1 << 28
# Those whose next minor version may give other numbers, or not load at all.
_DECIDING = ("scikit-learn", "torch", "skorch")


def save_model(
    model: Any,
    path: str | os.PathLike,
    *,
    store: Store | None = None,
    categories: Sequence[str] | None = None,
    figures: Mapping[str, float] | None = None,
    licence: str = "",
    about: str = "",
    limits: str | None = None,
) -> ModelCard:
    """Save a fitted estimator or pipeline to one file, to be loaded on any machine and by people who do not trust you.

    The file is a zip of plain parts and holds no pickle: ``model.json`` (structure and every parameter), ``card.md``
    (for people), ``tensors.safetensors``, and a ``.skops`` file for each part that scikit-learn made. A model loads
    with the same bits; the state of its optimiser and the names of the clips that it was fitted on stay behind. Of a
    search such as GridSearchCV, the best estimator is saved.

    Parameters
    ----------
    model : estimator
        Fitted. A pipeline that starts with a feature predicts from recordings after it is loaded.
    path : path-like
        The file, ``dogs.esc`` say; replaced if it is there.
    store : Store, optional
        What it was fitted on, for the card: data set, categories, and the digest that tells stores apart.
    categories : sequence of str, optional
        Names of the classes; by default those of `store`, or the labels that the model was fitted on.
    figures : dict of str to float, optional
        How good it is in cross-validation, ``{"accuracy": 0.83}``.
    licence : str, optional
        Of the training data, for the card.
    about, limits : str, optional
        What else the card should say, and what the model must not be used for.

    Returns
    -------
    ModelCard
        What was written about the model.

    Raises
    ------
    ModelError
        The model is not fitted, holds what cannot be kept without pickle (a lambda, a class of a notebook), or the
        file cannot be written.

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
    card = _card_of(model, path, store, categories)
    card = _replace(card, figures=dict(figures or {}), licence=licence, about=about, limits=limits)
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
    entries |= {f"parts/{number}.skops": part.content for number, part in enumerate(encoder.parts)}
    write_archive(path, entries)
    return card


def load_model(path: str | os.PathLike, *, trusted: Sequence[str] = ()) -> Any:
    """Load a model that `save_model` wrote.

    Nothing of the file is believed: no code in it runs, and classes are imported from esc_features, PyTorch, skorch and
    scikit-learn only. Where a model uses a class or function of somebody else, the error lists its name, and loading it
    means to trust that code, which you have installed yourself.

    Parameters
    ----------
    path : path-like
        The file.
    trusted : sequence of str, default=()
        Names of further classes and functions that may be imported, ``["mine.LogTransform"]``.

    Returns
    -------
    estimator
        Fitted, with the bits that were saved; its attribute `card_` is the `ModelCard`.

    Raises
    ------
    ModelError
        The file is damaged, forged, of a newer format, or asks for names that are not trusted: it lists them.

    Examples
    --------
    >>> from esc_features import load_model
    >>> load_model("dogs.esc").predict(["my_dog.wav"])  # doctest: +SKIP
    """
    if isinstance(trusted, str):
        raise TypeError(f"trusted is a list of names: trusted=[{trusted!r}].")
    entries, document, n_bytes = read_model(path)
    card = card_from(document.get("card"), str(path))
    parts = {name: content for name, content in entries.items() if name.startswith("parts/")}
    _check_trust(path, document.get("model"), parts, trusted)
    _warn_of_versions(card, path)

    def part(number):
        name = f"parts/{number}.skops"
        if name not in parts:
            raise ModelError(f"{path} is damaged: it lacks {name}.")
        return load_part(parts[name], f"{name} in {path}", trusted)

    decoder = Decoder(_tensors(entries, path), part, tuple(trusted), n_bytes)
    try:
        model = decoder.decode(document.get("model"))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError, OverflowError) as error:
        if isinstance(error, ModelError):
            raise ModelError(f"{path}: {error}") from error.__cause__
        raise ModelError(f"{path} is damaged: {type(error).__name__}: {error}. Get the file again.") from error
    if not hasattr(model, "predict"):
        raise ModelError(f"{path} holds a {type(model).__name__}, which predicts nothing.")
    _check_features(model, document, path)
    model.card_ = card
    return model


def _check_trust(path, structure, parts, trusted):
    asked = untrusted(names_in(structure))
    for name, content in parts.items():
        asked |= untrusted_in(content, f"{name} in {path}")
    asked -= set(trusted)
    if asked:
        names = ", ".join(repr(name) for name in sorted(asked))
        raise ModelError(
            f"{path} asks for code that is not known to be harmless, and none of it was imported: {names}. If you know "
            f"it, have it installed and trust whoever gave you the model, load it with trusted=[{names}]."
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
    """Each feature must still be what it was: another version, or other weights, would give other numbers."""
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
    """A forged parameter must not take all memory when the first clip is heard."""
    try:
        feature.check_parameters()
        extents = [feature.waveform().n_samples, *(int(np.prod(feature.output_shape(), dtype=object)),)]
        extents.append(int(getattr(feature, "n_mels", 1)) * int(getattr(feature, "n_fft", 1)))
    except (ValueError, TypeError, OverflowError) as error:
        raise ModelError(f"{path}: its {type(feature).__name__} makes no sense: {error}") from error
    if max(extents) > _MOST_NUMBERS:
        raise ModelError(
            f"{path}: its {type(feature).__name__} would make {max(extents):,} numbers of a clip: refused."
        )


def _described(feature):
    try:
        description = feature.description()
    except ValueError as error:
        raise ModelError(f"{feature!r} has no lasting description: {error}") from error
    return {"description": description, "fingerprint": feature.fingerprint()}


def _card_of(model, path, store, categories):
    features = features_in(model)
    fitted = _fitted_clips(model)
    names, several = _categories(model, store, categories)
    return ModelCard(
        name=path.stem,
        categories=names,
        several_labels=several,
        sample_rate=int(features[0].sample_rate) if features else None,
        duration=float(features[0].duration) if features else None,
        structure=[" ".join(repr(step).split()) for _, step in getattr(model, "steps", [("", model)])],
        dataset=store.dataset if store is not None else fitted.dataset if fitted else "",
        store_id=_store_id(store) if store is not None else "",
        n_clips=len(fitted.clips) if fitted else None,
        n_sources=len(fitted.sources) if fitted else None,
        folds=sorted(int(fold) for fold in fitted.folds) if fitted else [],
        created=_now(),
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
    for step in [model, *(step for _, step in getattr(model, "steps", []))]:
        fitted = getattr(step, "fitted_clips_", None)
        if fitted is not None:
            return fitted
    return None


def _store_id(store):
    """Digest of what a store holds: clips with their audio, labels and folds, and the features' fingerprints."""
    clips = store.clips
    digest = hashlib.blake2b(digest_size=16)
    for column in sorted(set(clips.columns) - {"path"}):
        digest.update(f"{column}: {clips[column].tolist()!r}\n".encode())
    return digest.hexdigest()


def _replace(card, limits, **changes):
    import dataclasses

    changes["figures"] = {name: float(value) for name, value in changes["figures"].items()}
    return dataclasses.replace(card, **changes, **({} if limits is None else {"limits": limits}))


def _versions():
    versions = {"python": platform.python_version(), "esc_features": _version("esc_features")}
    return {name: version for name, version in versions.items() if version} | {
        name: version for name in _LIBRARIES if (version := _version(name))
    }


def _version(name):
    if name == "esc_features":
        from .. import __version__

        return __version__
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _minor(version):
    return version.split(".")[:2]


def _now():
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    now = (
        datetime.datetime.fromtimestamp(int(seconds), datetime.UTC) if seconds else datetime.datetime.now(datetime.UTC)
    )
    return f"{now:%Y-%m-%dT%H:%M:%SZ}"


def _as_json(document):
    import json

    return json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False).encode()
