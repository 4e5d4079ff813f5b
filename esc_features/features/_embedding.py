"""Base classes of the embeddings: the file of the weights, its digest, and the conversion of a sound to an image."""

import functools
import hashlib
import importlib
import threading
from pathlib import Path
from typing import Any

import numpy as np

from ._base import Feature
from ._mel_spectrogram import MelSpectrogram

# Size of the photographs that the networks were trained on, in pixels.
_IMAGE_SIZE = 224
_RANGE_DB = 80.0

_loading = threading.Lock()


class Embedding(Feature):
    """Base class of the features that are activations of a pretrained network.

    The network is not part of the instance, which has only a few parameters to pickle and clone: it is loaded once per
    process, on first use. The fingerprint covers the bytes of the weights, wherever the file is.
    """

    #: Licence of the weights, which may also apply to models trained on the embedding.
    licence: str = ""
    #: Packages whose versions are recorded in a store.
    libraries: tuple[str, ...] = ()
    #: The data that the network was pretrained on, and what is known about clips that they share with ESC-50.
    pretraining = "not stated"
    overlap = ""
    _outputs: tuple[tuple[str, int], ...] = ()

    def output_shape(self) -> tuple[int, ...]:
        """Return the shape of the embedding of one clip.

        Returns
        -------
        tuple of int
            ``(numbers,)``
        """
        return (sum(count for _, count in self._outputs),)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the numbers.

        Parameters
        ----------
        input_features : ignored
            Not used; present for scikit-learn.

        Returns
        -------
        ndarray of str objects
            The names.
        """
        return np.array([f"{prefix}_{i}" for prefix, count in self._outputs for i in range(count)], dtype=object)

    def description(self) -> dict[str, Any]:
        """Return everything that determines the numbers, including the digest of the weights.

        Returns
        -------
        dict
            The description, which can be written as JSON. The weights appear as their SHA-256, not as a name or path.

        Raises
        ------
        ImportError
            If the package that holds the weights is not installed.
        """
        return {**super().description(), "weights": f"sha256:{_digest(self._weights_file())}"}

    def _weights_file(self) -> Path:
        raise NotImplementedError


class ImageEmbedding(Embedding):
    """Base class of the embeddings that take the mel spectrogram as an image."""

    def compute(self, waveforms: np.ndarray) -> np.ndarray:
        """Compute the embeddings of waveforms of the right sample rate and length.

        Parameters
        ----------
        waveforms : ndarray of shape (n, samples), float32
            Waveforms at ``sample_rate``, each ``duration`` long.

        Returns
        -------
        ndarray of shape (n, numbers)
            The embeddings, of ``dtype``.

        Raises
        ------
        ImportError
            If a package that the network requires is not installed.
        """
        from ._forward import steady_forward

        self.check_parameters()
        network = _network(type(self), self._weights_file())
        embeddings = np.empty((len(waveforms), *self.output_shape()), self.dtype)
        # One clip at a time: in a larger batch the last digits differ, and on a CPU it is no faster.
        with steady_forward():
            for waveform, row in zip(waveforms, embeddings, strict=True):
                row[:] = self._embed(network, waveform)
        return embeddings

    def check_parameters(self) -> None:
        super().check_parameters()
        self._mel().check_parameters()

    def _mel(self):
        return MelSpectrogram(self.sample_rate, self.duration, fmax=None, top_db=_RANGE_DB)

    def _computed_from(self):
        return self._mel().description()

    def _embed(self, network, waveform):
        import torch

        decibels = torch.from_numpy(self._mel().compute(waveform[np.newaxis]))
        brightness = decibels[:, np.newaxis] / _RANGE_DB + 1  # 0 is silence, 1 the maximum
        size = (_IMAGE_SIZE, _IMAGE_SIZE)
        grey = torch.nn.functional.interpolate(brightness, size=size, mode="bilinear", align_corners=False)
        image = self._normalize(grey.expand(1, 3, *size)).contiguous(memory_format=torch.channels_last)
        maps = self._feature_maps(network, image)
        return torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)[0].numpy()

    @classmethod
    def _load(cls, path):
        """Return the network with the weights in a file."""
        raise NotImplementedError

    def _normalize(self, image):
        """Scale an image from the range 0 to 1 to the range that the network was trained with."""
        raise NotImplementedError

    def _feature_maps(self, network, image):
        """Return the last maps of the network before pooling: (1, channels, height, width)."""
        raise NotImplementedError


def import_package(module: str, extra: str, who: str):
    """Import a package of an extra; if it is missing, raise an ImportError that says what to install."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise missing_package(module, extra, who) from error


def missing_package(module: str, extra: str, who: str) -> ImportError:
    """Return the error for a package that is not installed."""
    return ImportError(f'{who} requires the package {module}: pip install "esc_features[{extra}]".', name=module)


def _network(kind, path):
    with _loading:
        return _load_network(kind, path, _identity(path))


@functools.lru_cache(maxsize=4)
def _load_network(kind, path, identity):
    import torch

    return kind._load(path).eval().requires_grad_(False).to(memory_format=torch.channels_last)


def _digest(path):
    return _sha256(path, _identity(path))


@functools.lru_cache(maxsize=64)
def _sha256(path, identity):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _identity(path):
    """Return values that change when a file does, without reading it."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino
