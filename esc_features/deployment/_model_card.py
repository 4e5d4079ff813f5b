"""The model card: a description of a model, for people."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..exceptions import ModelError
from ._archive import read_archive

FORMAT = "esc_features model"
FORMAT_VERSION = 1
_LARGEST = 1 << 34
_LIMITS = (
    "It knows its categories and nothing else: any other sound, silence included, is assigned to the nearest one. It "
    "was not made to protect people or property, and recordings of people need their consent."
)


@dataclass(frozen=True)
class ModelCard:
    """What a model recognises, what it was trained on, how good it is, and what it must not be used for.

    `save_model` writes it into the model's file and `load_model` puts it on the estimator, as `card_`.

    Parameters
    ----------
    name : str
        Name of the model: that of its file, without the suffix.
    categories : list of str
        Its categories, in the order of its probabilities.
    several_labels : bool, default=False
        Whether a clip may have several of them; probabilities then do not sum to 1.
    sample_rate, duration : int and float, optional
        Hz and seconds of the clips that it takes; unknown if it does not start with a feature.
    structure : list of str
        The steps from recording to label, one line each.
    dataset, store_id, licence : str
        What it was trained on, the digest of that store's clips, features and labels, and the licence of the data.
    weights_licence : str
        Licences of the pretrained weights in it.
    n_clips, n_sources : int, optional
        Clips that it was fitted on, and recordings that they come from.
    folds : list of int
        Official folds that it was fitted on.
    figures : dict of str to float
        Cross-validated scores, such as ``{"accuracy": 0.83}``.
    about, limits : str
        Further remarks, and what the model must not be used for.
    needs : list of str
        Classes and functions of other packages that must be installed and trusted to load it.
    created : str
        When it was saved, in UTC.
    versions : dict of str to str
        Versions of the packages that it was saved with.

    Examples
    --------
    >>> from esc_features.deployment import ModelCard
    >>> print(ModelCard(name="pets", categories=["cat", "dog"], figures={"accuracy": 0.9}).text().splitlines()[0])
    # pets
    """

    name: str
    categories: list[str]
    several_labels: bool = False
    sample_rate: int | None = None
    duration: float | None = None
    structure: list[str] = field(default_factory=list)
    dataset: str = ""
    store_id: str = ""
    licence: str = ""
    weights_licence: str = ""
    n_clips: int | None = None
    n_sources: int | None = None
    folds: list[int] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    about: str = ""
    limits: str = _LIMITS
    needs: list[str] = field(default_factory=list)
    created: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """Return the card as Markdown.

        Returns
        -------
        str
        """
        return "\n\n".join([f"# {self.name}", *filter(None, self._paragraphs())]) + "\n"

    def __str__(self) -> str:
        return self.text()

    def _paragraphs(self):
        yield self.about
        yield f"**Recognises** {len(self.categories)} categories{self._clips()}: {', '.join(self.categories)}."
        yield "A clip may have several of them, or none." if self.several_labels else ""
        yield f"**Trained on** {self._training()}"
        yield f"**Licence of the data:** {self.licence or 'not stated: ask whoever trained the model.'}"
        yield f"**Licence of the pretrained weights:** {self.weights_licence}" if self.weights_licence else ""
        yield f"**Scores:** {self._figures()}"
        yield f"**Limits:** {self.limits}"
        yield "**Steps:**\n\n" + "\n".join(f"    {line}" for line in self.structure) if self.structure else ""
        yield f"**Loads only if you trust:** {', '.join(self.needs)}" if self.needs else ""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        yield f"Saved {self.created or 'at an unknown time'} with {versions}." if versions else ""

    def _clips(self):
        if self.duration is None:
            return ""
        return f" in clips of {self.duration:g} s at {self.sample_rate:,} Hz"

    def _training(self):
        if not self.dataset:
            return "data that is not stated."
        clips = f", {self.n_clips:,} clips" if self.n_clips is not None else ""
        clips += f" of {self.n_sources:,} recordings" if self.n_sources is not None else ""
        folds = (
            f", {'folds' if len(self.folds) > 1 else 'fold'} {', '.join(map(str, self.folds))}" if self.folds else ""
        )
        return f"{self.dataset}{clips}{folds}" + (f" (store {self.store_id})." if self.store_id else ".")

    def _figures(self):
        if not self.figures:
            return "not stated. Evaluate it on recordings that it was not trained on before you rely on it."
        return ", ".join(f"{name} {value:.3g}" for name, value in self.figures.items()) + " (cross-validated)."


def read_card(path: str | os.PathLike) -> ModelCard:
    """Read the card of a model file, without loading the model or importing its libraries.

    Parameters
    ----------
    path : path-like
        A file that `save_model` wrote.

    Returns
    -------
    ModelCard

    Raises
    ------
    ModelError
        If the file is not a model, is damaged, or is refused.

    Examples
    --------
    >>> from esc_features.deployment import read_card
    >>> print(read_card("dogs.esc"))  # doctest: +SKIP
    """
    _, document, _ = read_model(path)
    return card_from(document.get("card"), str(path))


def read_model(path: str | os.PathLike) -> tuple[dict[str, bytes], dict[str, Any], int]:
    """Read and check a model file; return its entries, its document and its length in bytes."""
    path = Path(path)
    content = _content(path)
    entries = read_archive(content, str(path))
    if "model.json" not in entries:
        raise ModelError(f"{path} is a zip, but save_model did not write it: it has no model.json.")
    document = parse_json(entries["model.json"], f"model.json in {path}")
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ModelError(f"{path} is not a model that save_model wrote.")
    version = document.get("format_version")
    if type(version) is not int or version < 1:
        raise ModelError(f"{path} is damaged: its format_version is {version!r}.")
    if version > FORMAT_VERSION:
        raise ModelError(
            f"{path} has format {version}, but this esc_features reads only {FORMAT_VERSION} and earlier: update it."
        )
    return entries, document, len(content)


def card_from(value: Any, where: str) -> ModelCard:
    """Return a card made of plain values, after checking the type of each."""
    value = value if isinstance(value, Mapping) else {}
    fields = {each.name: each for each in dataclasses.fields(ModelCard)}
    known = {name: item for name, item in value.items() if name in fields}
    wrong = [name for name, item in known.items() if not _fits(item, str(fields[name].type))]
    if wrong or not {"name", "categories"} <= known.keys():
        raise ModelError(f"{where} is damaged: its card has no usable {', '.join(wrong) or 'name and categories'}.")
    return ModelCard(**known)


def parse_json(content: bytes, where: str) -> Any:
    """Parse strict JSON: NaN and infinities are refused."""

    def refuse(name):
        raise ModelError(f"{where} holds {name}, which is not JSON.")

    try:
        return json.loads(content.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{where} is damaged: {error}. Get the file again.") from error


_KINDS: dict[str, Any] = {"str": str, "bool": bool, "int": int, "float": (int, float)}


def _fits(value, annotation):
    optional = annotation.endswith(" | None")
    annotation = annotation.removesuffix(" | None")
    if value is None:
        return optional
    if annotation.startswith("list["):
        return isinstance(value, list) and all(_fits(item, annotation[5:-1]) for item in value)
    if annotation.startswith("dict["):
        wanted = annotation[5:-1].split(", ")[1]
        return isinstance(value, dict) and all(_fits(item, wanted) for item in value.values())
    return isinstance(value, _KINDS[annotation]) and (annotation == "bool" or not isinstance(value, bool))


def _content(path):
    try:
        if not path.is_file():
            raise ModelError(f"There is no model file {path}: save one with save_model(model, {str(path)!r}).")
        if path.stat().st_size > _LARGEST:
            raise ModelError(f"{path} is larger than 16 GB: this is not a model.")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}.") from error
