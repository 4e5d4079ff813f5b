"""Stores of each format version, as the code of their time wrote them: they open, and hold what they held."""

import sys
from pathlib import Path

import numpy as np
import pytest

from esc_features import open_store

GOLDEN = Path(__file__).with_name("golden")
sys.path.insert(0, str(GOLDEN))
import make  # noqa: E402


@pytest.fixture(scope="module", params=[1, 2])
def store(request):
    return open_store(GOLDEN / f"format{request.param}")


@pytest.fixture(scope="module")
def clips(store):
    return make.clip_table("")


@pytest.fixture(scope="module")
def tones():
    return np.array([make.tone(number) / np.float32(32768) for number in range(12)], np.float32)


def test_waveforms_are_the_samples_of_the_recordings(store, tones):
    np.testing.assert_array_equal(store["waveform"].to_numpy(), tones)
    np.testing.assert_array_equal(store["waveform"].take([11, 0, 5]), tones[[11, 0, 5]])


def test_spectrograms_are_those_of_librosa(store, tones):
    librosa = pytest.importorskip("librosa")
    spectra = librosa.feature.melspectrogram(y=tones, sr=make.SAMPLE_RATE, n_fft=256, hop_length=128, n_mels=16)
    wanted = np.array([librosa.power_to_db(spectrum, ref=np.max) for spectrum in spectra])
    np.testing.assert_allclose(store["mel"].to_numpy(), wanted, atol=1e-3)


def test_statistics(store, tones):
    librosa = pytest.importorskip("librosa")
    wanted = [
        librosa.feature.mfcc(y=tone, sr=make.SAMPLE_RATE, n_mfcc=5, n_mels=16, n_fft=256, hop_length=128)[1:].mean(
            axis=1
        )
        for tone in tones
    ]
    assert store["mfcc"].shape == (12, 10)
    np.testing.assert_allclose(store["mfcc"].to_numpy()[:, :4], wanted, atol=0.05)


def test_labels_sources_and_folds(store, clips):
    for column in ("filename", "fold", "target", "category", "src_file", "take"):
        assert store.clips[column].tolist() == clips[column].tolist()
        assert store["mel"][[7, 2]].clips[column].tolist() == clips[column][[7, 2]].tolist()
    assert store.categories == list(make.CATEGORIES)
    assert store.y.tolist() == clips["category"].tolist() and store.folds.tolist() == clips["fold"].tolist()
    assert store.dataset == "golden" and store.audio_folder == "/tmp/golden_recordings"


def test_parameters_and_facts(store):
    assert list(store) == ["mel", "mfcc", "waveform"] and not store.unfinished
    assert store["mel"].parameters == {
        "sample_rate": 4000, "duration": 0.25, "n_fft": 256, "hop_length": 128, "n_mels": 16, "fmin": 0, "fmax": None,
        "reference": "max", "top_db": 80, "dtype": "float32",
    }  # fmt: skip
    assert store.clips["original_sample_rate"].eq(4000).all() and store.clips["original_samples"].eq(1000).all()


def test_the_features_of_today_find_their_output(store):
    for name, feature in make.features().items():
        assert store.audio.precomputed(feature).feature_name == name
