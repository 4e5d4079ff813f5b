"""The course's ConvNet: its size, its function, and other shapes."""

import numpy as np
import pytest
import torch
from torch import nn

from esc_features import StoreArray
from esc_features.models import ConvNet, ConvNetClassifier


def test_size_of_the_course():
    net = ConvNet(n_classes=4, input_shape=(128, 157))
    assert sum(parameter.numel() for parameter in net.parameters()) == 134_020
    X = StoreArray.from_numpy(np.zeros((4, 128, 157), np.float32))
    assert ConvNetClassifier().summary(X, ["a", "b", "c", "d"]).total_params == 134_020


@pytest.mark.parametrize("shape", [(128, 157), (64, 126), (40, 501), (16, 16), (13, 5), (1, 7), (1, 1)])
def test_other_shapes_work(shape):
    X = np.random.default_rng(0).normal(size=(6, *shape)).astype(np.float32)
    net = ConvNetClassifier(max_epochs=1).fit(X, [0, 1] * 3)
    assert net.predict_proba(X).shape == (6, 2)


def test_it_is_the_plain_network_on_scaled_input():
    torch.manual_seed(0)
    net = ConvNet(n_classes=3, input_shape=(32, 48))
    plain = nn.Sequential()
    for channels, filters in [(1, 16), (16, 32), (32, 64), (64, 128)]:
        plain.extend([nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)])
    plain.extend([nn.Flatten(), nn.Linear(128 * 2 * 3, 3)])
    for ours, theirs in zip(net.parameters(), plain.parameters(), strict=True):
        theirs.data.copy_(ours)
    spectrograms = torch.randn(4, 32, 48) * 20 - 40
    scaled = (spectrograms - spectrograms.mean()) / spectrograms.std(correction=0)
    torch.testing.assert_close(net(spectrograms), plain(scaled[:, None]), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_decibels_of_any_reference_are_learnt():
    rng = np.random.default_rng(0)
    y = np.arange(32) % 2
    spectrograms = rng.normal(0, 5, (32, 16, 16)).astype(np.float32)
    spectrograms[y == 1, :4] += 10
    for reference in (-40, 0, 60):
        net = ConvNetClassifier(max_epochs=15, random_state=0).fit(spectrograms + np.float32(reference), y)
        assert net.score(spectrograms + np.float32(reference), y) == 1
