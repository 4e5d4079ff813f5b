"""Classify spectrograms with a small convolutional network."""

from __future__ import annotations

from ._clip_classifier import ClipClassifier
from ._conv_net import ConvNet


class ConvNetClassifier(ClipClassifier):
    """Classify spectrograms with `ConvNet`, the course's four convolutions.

    A good first network for a few hundred clips or more: it trains in a minute on a CPU. It scales its input itself,
    so decibels need no `Standardizer`.

    Parameters
    ----------
    module : type, default=ConvNet
        The network; its class, not an instance.
    lr : float, default=1e-3
        Learning rate of AdamW.
    max_epochs : int, default=30
        Passes over the training clips.
    batch_size : int, default=32
        Clips per batch.
    **kwargs
        Any other parameter of `ClipClassifier`: `module__dropout=0.5`, `optimizer__weight_decay=0.1`,
        `iterator_train__transforms=[TimeShift()]`, `train_split=HoldOutFold()`, `random_state=0`, ...

    See Also
    --------
    ClipClassifier : What all estimators have in common, attributes included.

    Examples
    --------
    >>> from esc_features import open_store
    >>> from esc_features.models import ConvNetClassifier
    >>> store = open_store("stores/demo")
    >>> model = ConvNetClassifier(max_epochs=1, random_state=0).fit(store["mel"], store.y)
    >>> model.predict(store["mel"][:3]).shape
    (3,)
    """

    _ndim_ = 3
    _takes_ = "spectrograms (clips, bands, frames)"

    def __init__(self, module=ConvNet, *, lr=1e-3, max_epochs=30, batch_size=32, **kwargs):
        super().__init__(module, lr=lr, max_epochs=max_epochs, batch_size=batch_size, **kwargs)
