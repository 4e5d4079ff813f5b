import pickle

import numpy as np
import pytest
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from skorch.dataset import ValidSplit
from torch import nn

from esc_features.models import WeightAveraging


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))

    def forward(self, X):
        return self.layers(X)


class Recorder(Callback):
    """Keeps the weights after every optimiser step."""

    def on_train_begin(self, net, **kwargs):
        self.states_ = [self.state(net)]

    def on_batch_end(self, net, training=False, **kwargs):
        if training:
            self.states_.append(self.state(net))

    def state(self, net):
        return {k: v.numpy().copy() for k, v in net.module_.state_dict().items() if v.is_floating_point()}


def fitted(*averaging, max_epochs=4, train_split=None):
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)).astype("float32"), np.arange(40) % 2
    recorder = Recorder()
    net = NeuralNetClassifier(
        Net, criterion=nn.CrossEntropyLoss, max_epochs=max_epochs, batch_size=10, lr=0.1, train_split=train_split,
        callbacks=[("recorder", recorder), *[("averaging", a) for a in averaging]], verbose=0,
    )  # fmt: skip
    return net.fit(X, y), recorder.states_, X


@pytest.mark.parametrize("train_split", [None, ValidSplit(4)], ids=["all", "with validation"])
@pytest.mark.parametrize("decay", [0.0, 0.5, 0.97])
def test_the_average_over_training_steps_is_what_predicts(decay, train_split):
    net, states, _ = fitted(WeightAveraging(decay=decay), train_split=train_split)

    average = states[1]  # the first update copies
    for step, state in enumerate(states[2:], start=1):
        d = min(decay, (1 + step) / (10 + step))
        average = {key: d * average[key] + (1 - d) * state[key] for key in state}

    state = net.module_.state_dict()
    assert len(average) == 8  # weights, biases and running statistics
    for key, expected in average.items():
        np.testing.assert_allclose(state[key], expected, rtol=1e-4, atol=1e-6, err_msg=key)


def test_training_itself_is_not_changed():
    _, with_average, _ = fitted(WeightAveraging())
    _, without, _ = fitted()
    for a, b in zip(with_average, without, strict=True):
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])


def test_no_second_copy_of_the_weights_stays():
    averaging = WeightAveraging()
    net, _, X = fitted(averaging)
    assert not hasattr(averaging, "average_")
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again.predict_proba(X), net.predict_proba(X))


def test_no_epoch_leaves_the_weights_alone():
    net, states, _ = fitted(WeightAveraging(), max_epochs=0)
    np.testing.assert_array_equal(net.module_.state_dict()["layers.0.weight"], states[0]["layers.0.weight"])


@pytest.mark.parametrize("decay", [1.0, -0.1, 2])
def test_a_decay_out_of_range_is_an_error(decay):
    with pytest.raises(ValueError, match=r"decay must be in \[0, 1\)"):
        fitted(WeightAveraging(decay=decay))
