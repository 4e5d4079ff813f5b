"""Classify spectrograms with a small convolutional network."""

from __future__ import annotations

from ._base import ClipClassifier
from ._conv_net import ConvNet


class ConvNetClassifier(ClipClassifier):
    def __init__(self, module=ConvNet, *, lr=1e-3, max_epochs=30, batch_size=32, **kwargs):
        super().__init__(module, lr=lr, max_epochs=max_epochs, batch_size=batch_size, **kwargs)

    _ndim_ = 3
    _takes_ = "spectrograms (clips, bands, frames)"
