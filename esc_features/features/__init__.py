"""How one clip becomes one array: scikit-learn transformers from a recording to a feature."""

import importlib

# Public class -> the module that holds it. Looked up on first use, so that a feature which needs
# torch costs nothing to those who use another.
_HOME = {
    "Feature": "_base",
    "Waveform": "_waveform",
    "MelSpectrogram": "_mel_spectrogram",
    "MFCCStatistics": "_mfcc_statistics",
    "ResNetEmbedding": "_resnet_embedding",
    "EfficientNetLiteEmbedding": "_efficientnet_lite_embedding",
    "BirdNETEmbedding": "_birdnet_embedding",
    "make_features": "_recipe",
    "as_feature": "_recipe",
    "fingerprint_of": "_base",
}

__all__ = [*_HOME]


def __getattr__(name):
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
