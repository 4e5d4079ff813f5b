"""The list of the features of this package, for imports, names, recipes and stored descriptions."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._base import Feature

# Class -> its module, and its name in a store. Modules are imported on first use, so that features that require torch
# do not slow down the others.
FEATURES = {
    "Waveform": ("_waveform", "waveform"),
    "MelSpectrogram": ("_mel_spectrogram", "mel"),
    "MFCCStatistics": ("_mfcc_statistics", "mfcc"),
    "ResNetEmbedding": ("_resnet_embedding", "resnet"),
    "EfficientNetLiteEmbedding": ("_efficientnet_lite_embedding", "efficientnet"),
    "BirdNETEmbedding": ("_birdnet_embedding", "birdnet"),
}
FEATURE_NAMES = tuple(name for _, name in FEATURES.values())


def feature_class(name: str) -> type[Feature]:
    """Return the class of a feature of this package.

    Parameters
    ----------
    name : str
        The name of the class (``"MelSpectrogram"``) or the name in a store (``"mel"``).

    Returns
    -------
    type
        The class.

    Raises
    ------
    KeyError
        If there is no feature of this name.

    Examples
    --------
    >>> from esc_features.features import feature_class
    >>> feature_class("mel")()
    MelSpectrogram()
    """
    for kind, (module, in_store) in FEATURES.items():
        if name in (kind, in_store):
            return getattr(importlib.import_module(f"{__package__}.{module}"), kind)
    raise KeyError(name)
