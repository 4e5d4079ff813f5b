"""Embeddings of spectrograms by ResNet18."""

import os

from .._resnet_weights import find_resnet18_weights, load_resnet18_backbone
from ._embedding import ImageEmbedding

# Mean and standard deviation of red, green and blue in the photographs, with which torchvision trains.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class ResNetEmbedding(ImageEmbedding):
    """Embedding of a spectrogram by ResNet18, a network trained on photographs: 1024 numbers.

    It is a common baseline for any scikit-learn classifier, and takes weights of your own. Its input is the mel
    spectrogram (128 bands up to half the sample rate, 80 dB down from the maximum of the clip) as an image of 224×224
    pixels in three channels, normalised as in torchvision; the embedding is the mean and the maximum of each of the
    last 512 feature maps.

    Parameters
    ----------
    weights : str or path, default="IMAGENET1K_V1"
        A name of torchvision's ``ResNet18_Weights``, downloaded once to torch's cache (45 MB), or a file with the
        ``state_dict()`` of a ``resnet18`` with any number of classes. The fingerprint depends on the content of the
        file, not on its path.
    sample_rate : int, default=44100
        Sample rate of the waveform, in Hz.
    duration : float, default=5.0
        Length of the waveform, in seconds.
    dtype : {"float32", "float16"}, default="float32"
        Data type of the output.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016.

    Examples
    --------
    >>> from esc_features.features import ResNetEmbedding
    >>> feature = ResNetEmbedding(weights="IMAGENET1K_V1")
    >>> feature.output_shape()
    (1024,)
    >>> feature.transform(["dog.wav"])  # doctest: +SKIP
    """

    name = "resnet"
    libraries = ("torch", "torchvision")
    pretraining = "ImageNet photographs (or the weights given)"
    overlap = "none known: no sound"
    _outputs = (("mean", 512), ("max", 512))
    _described_elsewhere = ("weights",)

    def __init__(
        self,
        weights: str | os.PathLike = "IMAGENET1K_V1",
        sample_rate: int = 44100,
        duration: float = 5.0,
        dtype: str = "float32",
    ):
        self.weights = weights
        self.sample_rate = sample_rate
        self.duration = duration
        self.dtype = dtype

    def _weights_file(self):
        return find_resnet18_weights(self.weights)

    @classmethod
    def _load(cls, path):
        import torch
        from torchvision.models import resnet18

        with torch.device("meta"):  # draws no initial weights, so the caller's random state does not change
            network = resnet18()
        network.fc = network.avgpool = torch.nn.Identity()
        load_resnet18_backbone(network, path, assign=True)
        return network

    def _normalize(self, image):
        import torch

        mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (_MEAN, _STD))
        return (image - mean) / std

    def _feature_maps(self, network, image):
        x = network.maxpool(network.relu(network.bn1(network.conv1(image))))
        return network.layer4(network.layer3(network.layer2(network.layer1(x))))
