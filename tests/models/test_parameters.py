"""Printed and shown in notebooks are the parameters that were set, whichever class of the net takes them."""

import inspect
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from torch import nn

from esc_features import MelSpectrogram
from esc_features.augmentation import TimeShift
from esc_features.models import (
    ClipClassifier,
    ConvNet,
    ConvNetClassifier,
    DeepConvNetClassifier,
    ResNetClassifier,
    RNNClassifier,
)
from esc_features.preprocessing import Standardizer


class Inherits(ConvNetClassifier):
    pass


class Adds(ConvNetClassifier):
    def __init__(self, module=ConvNet, *, teacher=None, lr=0.5, **kwargs):
        super().__init__(module, lr=lr, **kwargs)
        self.teacher = teacher


class Fixed(ConvNetClassifier):
    def __init__(self, lr=0.5):
        super().__init__(lr=lr, max_epochs=2)


@pytest.mark.parametrize(
    ("net", "text"),
    [
        (ConvNetClassifier(), "ConvNetClassifier()"),
        (ConvNetClassifier(max_epochs=3, device="cpu"), "ConvNetClassifier(device='cpu', max_epochs=3)"),
        (ConvNetClassifier(warm_start=True, lr=1e-3), "ConvNetClassifier(warm_start=True)"),
        (ConvNetClassifier(module__dropout=0.5), "ConvNetClassifier(module__dropout=0.5)"),
        (ConvNetClassifier(callbacks__print_log=None), "ConvNetClassifier(callbacks__print_log=None)"),
        (DeepConvNetClassifier(), "DeepConvNetClassifier()"),
        (DeepConvNetClassifier.preset("best", random_state=1), "DeepConvNetClassifier(max_epochs=250, random_state=1)"),
        (ResNetClassifier(weights=None), "ResNetClassifier(weights=None)"),
        (ClipClassifier(nn.Linear), "ClipClassifier(module=<class 'torch.nn.modules.linear.Linear'>)"),
        (Inherits(lr=0.5), "Inherits(lr=0.5)"),
        (Adds(classes=["a", "b"]), "Adds(classes=['a', 'b'])"),
        (Adds(teacher="me", lr=0.5), "Adds(teacher='me')"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_net_prints_what_was_set(net, text):
    assert repr(net) == text
    assert repr(clone(net)) == text


def test_a_pipeline_prints_what_was_set():
    text = str(make_pipeline(MelSpectrogram(n_mels=64), Standardizer(), ConvNetClassifier(lr=0.1)))
    assert " ".join(text.split()) == (
        "Pipeline(steps=[('melspectrogram', MelSpectrogram(n_mels=64)), ('standardizer', Standardizer()), "
        "('convnetclassifier', ConvNetClassifier(lr=0.1))])"
    )
    # Too long for a line, scikit-learn breaks it.
    long = ResNetClassifier(weights=None, max_epochs=33, lr=0.25, iterator_train__transforms=[TimeShift(0.1)])
    text = str(make_pipeline(MelSpectrogram(), long))
    assert text.endswith(
        """ResNetClassifier(iterator_train__transforms=[TimeShift(max_shift=0.1)],
                                  lr=0.25, max_epochs=33, weights=None))])"""
    )


@pytest.mark.parametrize("fitted", [False, True])
def test_a_notebook_shows_what_was_set_first_and_no_callbacks_of_skorch(fitted):
    net = ConvNetClassifier(lr=0.1, max_epochs=1, module__dropout=0.5)
    if fitted:
        net.fit(np.zeros((4, 16, 16), np.float32), [0, 1] * 2)
    page = make_pipeline(Standardizer(), net)._repr_html_()
    shown = re.findall(r'<tr class="(user-set|default)">(?:(?!<tr).)*class="param">(\w+)</td>', page, re.DOTALL)
    assert {name for state, name in shown if state == "user-set"} == {"lr", "max_epochs", "module__dropout"}
    assert {"batch_size", "optimizer", "warm_start"} < {name for state, name in shown if state == "default"}
    assert not any(name.startswith("callbacks__") for _, name in shown)


@pytest.mark.parametrize(
    ("net", "two", "three"),
    [(RNNClassifier(), True, False), (ConvNetClassifier(), False, True), (ClipClassifier(nn.Linear), True, True)],
)
def test_tags(net, two, three):
    tags = get_tags(net)
    assert (tags.input_tags.two_d_array, tags.input_tags.three_d_array) == (two, three)
    assert tags.target_tags.required and tags.classifier_tags.multi_label and tags.non_deterministic
    assert not get_tags(net.set_params(random_state=0)).non_deterministic


def test_signatures():
    # `help` shows what is written; what is passed on is documented in prose.
    assert list(inspect.signature(ConvNetClassifier).parameters) == [
        "module",
        "lr",
        "max_epochs",
        "batch_size",
        "kwargs",
    ]
    assert list(inspect.signature(Adds).parameters) == ["module", "teacher", "lr", "kwargs"]
    assert inspect.signature(Inherits) == inspect.signature(ConvNetClassifier)
    assert list(inspect.signature(Fixed.__init__).parameters) == ["self", "lr"]
    full = inspect.signature(Adds.__init__).parameters
    assert (full["lr"].default, full["criterion"].default, full["verbose"].default) == (0.5, "auto", 0)
    assert set(ConvNetClassifier().get_params(deep=False)) < set(full)
