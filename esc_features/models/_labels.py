"""What labels mean to a network: the one place that knows whether a clip has one label or several."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.metrics import accuracy_score, average_precision_score
from sklearn.utils import compute_class_weight
from torch import nn
from torch.utils.data import Subset

from ._clip_loader import ClipDataset


class BinaryCrossEntropy(nn.BCEWithLogitsLoss):
    """Binary cross-entropy of logits, averaged over clips and classes, with label smoothing.

    A smoothed label is (1 - s) y + s / 2, as in `torch.nn.CrossEntropyLoss` for two classes.
    """

    def __init__(self, *args: Any, label_smoothing: float = 0.0, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing must be from 0 to 1, not {label_smoothing!r}.")
        self.label_smoothing = label_smoothing

    def forward(self, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return super().forward(logits, torch.lerp(y, torch.full_like(y, 0.5), self.label_smoothing))


class LabelCodec(ABC):
    """Converts labels between a user's form, what the loss takes, and the outputs of a network.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        All of them, in the order of the network's outputs.
    """

    kind: ClassVar[str]
    criterion: ClassVar[type[nn.Module]]

    def __init__(self, classes: np.ndarray):
        self.classes = classes

    def __len__(self) -> int:
        return len(self.classes)

    @abstractmethod
    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return what the loss takes: int64 class numbers (clips,), or float32 (clips, classes)."""

    @abstractmethod
    def labels(self, encoded: Any) -> np.ndarray:
        """Return the labels that were encoded, the strongest ones if they were mixed."""

    @abstractmethod
    def decode(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the predictions for probabilities (clips, classes)."""

    @abstractmethod
    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the probability of each class for logits (clips, classes)."""

    @abstractmethod
    def accuracy(self, logits: torch.Tensor, encoded: torch.Tensor) -> float:
        """Return the accuracy on a batch, for the history."""

    @abstractmethod
    def class_weights(self, class_weight: Any, y: np.ndarray) -> dict[str, np.ndarray]:
        """Return the weights of `class_weight` as arguments of the loss, float32 (classes,)."""

    @abstractmethod
    def score(self, y: np.ndarray, probabilities: np.ndarray, sample_weight: Any = None) -> float:
        """Return what `score` of the net returns."""

    def describe(self) -> dict[str, Any]:
        """Return a description from which `codec_from` makes the same codec; it can be written as JSON."""
        return {"kind": self.kind, "classes": self.classes.tolist(), "dtype": self.classes.dtype.str}


class OneLabel(LabelCodec):
    """A clip is of one class: cross-entropy, the most probable class, accuracy."""

    kind = "one label"
    criterion = nn.CrossEntropyLoss

    def encode(self, y: np.ndarray) -> np.ndarray:
        if y.ndim != 1:
            raise ValueError(
                f"y has the shape {y.shape}, and the net was fitted on one label per clip: give y of shape (clips,)."
            )
        codes = np.minimum(np.searchsorted(self.classes, y), len(self.classes) - 1).astype(np.int64)
        unknown = np.unique(y[self.classes[codes] != y])
        if len(unknown):
            raise ValueError(
                f"y has labels that the net does not know: {unknown[:5].tolist()}; it knows "
                f"{self.classes.tolist()}. Fit again, or name all labels first: classes=[...]."
            )
        return codes

    def labels(self, encoded: Any) -> np.ndarray:
        codes = np.asarray(encoded)
        return self.classes[codes.argmax(axis=1) if codes.ndim == 2 else codes]

    def decode(self, probabilities: np.ndarray) -> np.ndarray:
        return self.classes[probabilities.argmax(axis=1)]

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.softmax(dim=1)

    def accuracy(self, logits: torch.Tensor, encoded: torch.Tensor) -> float:
        guess = logits.detach().argmax(dim=1).to(encoded.device)
        if encoded.ndim == 2:  # mixed labels: the share of the label that was guessed
            return encoded.gather(1, guess[:, None]).mean().item()
        return (guess == encoded).float().mean().item()

    def class_weights(self, class_weight: Any, y: np.ndarray) -> dict[str, np.ndarray]:
        present = np.unique(y)
        weights = np.ones(len(self), np.float32)
        weights[np.searchsorted(self.classes, present)] = compute_class_weight(class_weight, classes=present, y=y)
        return {"weight": weights}

    def score(self, y: np.ndarray, probabilities: np.ndarray, sample_weight: Any = None) -> float:
        return float(accuracy_score(y, self.decode(probabilities), sample_weight=sample_weight))


class SeveralLabels(LabelCodec):
    """A clip is of any number of classes, none included: one binary cross-entropy per class, average precision."""

    kind = "several labels"
    criterion = BinaryCrossEntropy

    def __init__(self, classes: np.ndarray, answer: Any = np.int8):
        super().__init__(classes)
        self.answer = np.dtype(answer)  # of the matrix fitted on, and so of the predictions

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "answer": self.answer.str}

    def encode(self, y: np.ndarray) -> np.ndarray:
        if y.shape[1:] != (len(self),):
            raise ValueError(
                f"y has the shape {y.shape}, and the net was fitted on several labels per clip: give an indicator "
                f"matrix of shape (clips, {len(self)}), as store.y is."
            )
        return y.astype(np.float32)

    def labels(self, encoded: Any) -> np.ndarray:
        return (np.asarray(encoded) >= 0.5).astype(self.answer)

    def decode(self, probabilities: np.ndarray) -> np.ndarray:
        return self.labels(probabilities)

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.sigmoid()

    def accuracy(self, logits: torch.Tensor, encoded: torch.Tensor) -> float:
        guess = (logits.detach() >= 0).to(encoded.device)
        return (guess == (encoded >= 0.5)).float().mean().item()

    def class_weights(self, class_weight: Any, y: np.ndarray) -> dict[str, np.ndarray]:
        if class_weight == "balanced":
            return self._balanced(y)
        if not isinstance(class_weight, dict):
            raise ValueError(f"class_weight must be 'balanced', a dict by class or None, not {class_weight!r}.")
        classes = self.classes.tolist()
        unknown = [label for label in class_weight if label not in classes]
        if unknown:
            raise ValueError(f"class_weight names unknown classes: {unknown[:5]}. The classes are {classes}.")
        return {"weight": np.array([class_weight.get(label, 1) for label in classes], np.float32)}

    @staticmethod
    def _balanced(y: np.ndarray) -> dict[str, np.ndarray]:
        # scikit-learn's n / (2 n_k), separately for the two answers of each class.
        positives = y.sum(axis=0, dtype=np.float64)
        negatives = len(y) - positives
        both = (positives > 0) & (negatives > 0)
        weight, pos_weight = np.ones(len(positives)), np.ones(len(positives))
        weight[both] = len(y) / (2 * negatives[both])
        pos_weight[both] = negatives[both] / positives[both]
        return {"weight": weight.astype(np.float32), "pos_weight": pos_weight.astype(np.float32)}

    def score(self, y: np.ndarray, probabilities: np.ndarray, sample_weight: Any = None) -> float:
        """Return the macro average precision: the mean over the classes that occur in y."""
        present: np.ndarray = np.asarray(y.any(axis=0))
        if not present.any():
            raise ValueError("No clip of y has a label: average precision needs a positive of at least one class.")
        if not present.all():
            warnings.warn(
                f"{(~present).sum()} of {len(present)} classes have no positive among these clips: average precision "
                f"is not defined for them, and the score is the mean of the other {present.sum()}.",
                stacklevel=3,
            )
        return float(
            average_precision_score(
                y[:, present], probabilities[:, present], average="macro", sample_weight=sample_weight
            )
        )


def learn_labels(y: np.ndarray, classes: Any = None) -> LabelCodec:
    """Return the codec of checked labels; `classes` are all labels that may occur, or the names of y's columns."""
    if y.ndim == 2:
        names = np.arange(y.shape[1]) if classes is None else np.asarray(classes)
        if names.shape != (y.shape[1],):
            raise ValueError(
                f"classes has {len(names)} names and y has {y.shape[1]} columns: give one name per column."
            )
        return SeveralLabels(names, y.dtype)
    learnt = np.unique(y if classes is None else np.asarray(classes))
    if len(learnt) < 2:
        raise ValueError(
            f"y has one class only, {learnt[0]!r}: a classifier needs at least two. Check which clips were "
            "selected; a fold of one class needs classes=[...] with all the labels."
        )
    return OneLabel(learnt)


def codec_from(description: dict[str, Any]) -> LabelCodec:
    """Return the codec that `LabelCodec.describe` described."""
    classes = np.asarray(description["classes"], np.dtype(description["dtype"]))
    if description["kind"] == OneLabel.kind:
        return OneLabel(classes)
    if description["kind"] == SeveralLabels.kind:
        return SeveralLabels(classes, description["answer"])
    raise ValueError(f"labels of the kind {description['kind']!r} are not known")


def callback_labels(codec: LabelCodec, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a skorch callback with labels as a user wrote them instead of encoded ones."""
    found = dict(arguments)
    if "batch" in found:
        X, y = found["batch"]
        found["batch"] = X, codec.labels(y.cpu())
    for name in ("dataset_train", "dataset_valid"):
        if name in found:
            found[name] = _labelled(codec, found[name])
    return found


def _labelled(codec: LabelCodec, dataset: Any) -> Any:
    if isinstance(dataset, Subset):
        return Subset(_labelled(codec, dataset.dataset), dataset.indices)
    if getattr(dataset, "y", None) is None:
        return dataset
    return ClipDataset(dataset.X, codec.labels(dataset.y))
