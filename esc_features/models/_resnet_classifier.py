"""Classify spectrograms with a network that was pretrained on images."""

from __future__ import annotations

from typing import Any, ClassVar

from ._clip_classifier import ClipClassifier
from ._resnet import ResNet


class ResNetClassifier(ClipClassifier):
    """Classify spectrograms with `ResNet`: a ResNet-18 pretrained on ImageNet, whose last layer is trained.

    Use it for few clips, or as a start for fine-tuning. While the backbone is frozen and nothing is augmented, its
    output for a clip never changes: the feature `ResNetEmbedding` in a store, followed by a linear scikit-learn
    classifier, then does the same in a fraction of the time.

    Parameters
    ----------
    module : type, default=ResNet
        The network; its class, not an instance.
    weights : str, path or None, default="DEFAULT"
        Name of torchvision's weights ("DEFAULT" is "IMAGENET1K_V1"), downloaded once by torchvision; or a file with the
        state dict of a torchvision ResNet-18; or None for random weights.
    freeze : bool, default=True
        Whether to train only the last layer. False fine-tunes everything, which needs a smaller `lr` such as 1e-4.
    lr : float, default=1e-3
        Learning rate of AdamW.
    max_epochs : int, default=10
        Passes over the training clips.
    batch_size : int, default=32
        Clips per batch.
    **kwargs
        Any other parameter of `ClipClassifier`: `random_state=0`, `iterator_train__transforms=[TimeShift()]`, ...

    See Also
    --------
    ClipClassifier : What all estimators have in common, attributes included.

    Examples
    --------
    >>> from esc_features import open_store
    >>> from esc_features.models import ResNetClassifier
    >>> store = open_store("stores/demo")
    >>> model = ResNetClassifier(weights=None, max_epochs=1, random_state=0).fit(store["mel"][:8], store.y[:8])
    >>> model.predict_proba(store["mel"][:3]).shape
    (3, 4)
    """

    _ndim_ = 3
    _takes_ = "spectrograms (clips, bands, frames)"
    _pretrained_: ClassVar[dict[str, Any]] = {"weights": None}

    def __init__(
        self, module=ResNet, *, weights="DEFAULT", freeze=True, lr=1e-3, max_epochs=10, batch_size=32, **kwargs
    ):
        super().__init__(module, lr=lr, max_epochs=max_epochs, batch_size=batch_size, **kwargs)
        self.weights = weights
        self.freeze = freeze

    def _inferred(self) -> dict[str, Any]:
        return {**super()._inferred(), "weights": self.weights, "freeze": self.freeze}
