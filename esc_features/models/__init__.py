"""Networks for clips, and the scikit-learn estimators around them."""

import importlib

# Looked up on first use: importing the package must not import torch.
_HOME = {
    "ClipClassifier": "_clip_classifier",
    "ClipDataset": "_clip_loader",
    "ClipLoader": "_clip_loader",
    "ConvNet": "_conv_net",
    "ConvNetClassifier": "_conv_net_classifier",
    "DeepConvNet": "_deep_conv_net",
    "DeepConvNetClassifier": "_deep_conv_net_classifier",
    "WeightAveraging": "_weight_averaging",
    "RNN": "_rnn",
    "RNNClassifier": "_rnn_classifier",
    "ResNet": "_resnet",
    "ResNetClassifier": "_resnet_classifier",
    "restore": "_persistence",
    "state_of": "_persistence",
}

__all__ = list(_HOME)


def __getattr__(name):
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
