"""Small models over half a second of noise, fitted once."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def waveforms():
    """Eight waveforms of half a second at 16 kHz."""
    return np.random.default_rng(0).normal(0, 0.1, (8, 8000)).astype("f4")


@pytest.fixture(scope="session")
def labels():
    return np.array(["cat", "dog"] * 4)


@pytest.fixture(scope="session")
def small_net(waveforms, labels):
    """A fitted pipeline of spectrogram, standardisation and ConvNet."""
    from sklearn.pipeline import make_pipeline

    from esc_features import MelSpectrogram
    from esc_features.models import ConvNetClassifier
    from esc_features.preprocessing import Standardizer

    net = ConvNetClassifier(max_epochs=2, random_state=0, device="cpu")
    return make_pipeline(MelSpectrogram(duration=0.5, n_mels=32), Standardizer(), net).fit(waveforms, labels)
