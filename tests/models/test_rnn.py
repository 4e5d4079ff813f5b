"""The course's LSTM: its size, its steps, and clips that do not mix."""

import numpy as np
import pytest
import torch

from esc_features import StoreArray
from esc_features.models import RNN, RNNClassifier


def count(net):
    return sum(parameter.numel() for parameter in net.parameters())


def test_size_of_the_course():
    net = RNN(input_size=80000, hidden_size=16)
    assert count(net) == 5_121_324
    assert net(torch.zeros(3, 80000)).shape == (3, 4)


def test_estimator_builds_the_size_of_the_course():
    X = StoreArray.from_numpy(np.zeros((4, 80000), np.float32))
    assert RNNClassifier().summary(X, ["dog", "cow", "chirping_birds", "vacuum_cleaner"]).total_params == 5_121_324


@pytest.mark.parametrize("frame_length", [None, 10, 7])
def test_each_clip_is_its_own_sequence(frame_length):
    X = np.random.default_rng(0).normal(size=(9, 40)).astype(np.float32)
    net = RNNClassifier(max_epochs=2, module__frame_length=frame_length, random_state=0).fit(X, np.arange(9) % 3)
    together = net.predict_proba(X)
    for i in range(9):
        np.testing.assert_allclose(net.predict_proba(X[i : i + 1])[0], together[i], rtol=1e-5)
    shuffled = np.random.default_rng(1).permutation(9)
    np.testing.assert_allclose(net.predict_proba(X[shuffled]), together[shuffled], rtol=1e-5)


def test_frames_are_steps_of_an_lstm_in_order():
    torch.manual_seed(0)
    net = RNN(input_size=10, hidden_size=3, n_classes=2, frame_length=4)
    waveforms = torch.randn(2, 10)
    padded = torch.cat([waveforms, torch.zeros(2, 2)], dim=1)
    for clip, logits in zip(padded, net(waveforms), strict=True):
        hidden = cell = torch.zeros(1, 3)
        step = torch.nn.LSTMCell(4, 3)
        step.load_state_dict({name.removesuffix("_l0"): value for name, value in net.lstm.state_dict().items()})
        for frame in clip.split(4):
            hidden, cell = step(frame[None], (hidden, cell))
        expected = net.linear2(torch.relu(net.linear1(hidden)))[0]
        torch.testing.assert_close(logits, expected)


def test_frame_length_is_checked():
    with pytest.raises(ValueError, match="frame_length must be from 1 to the clip's 40 samples"):
        RNN(input_size=40, frame_length=41)
