import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from esc_features.models import DeepConvNet


def spectrograms(n=3, bands=64, frames=126):
    return torch.randn(n, bands, frames, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("n_classes", "n_parameters"), [(50, 664_826), (10, 657_106)])
def test_number_of_parameters(n_classes, n_parameters):
    assert sum(p.numel() for p in DeepConvNet(n_classes=n_classes).parameters()) == n_parameters


@pytest.mark.parametrize("shape", [(64, 126), (128, 157), (40, 33), (7, 7)])
def test_takes_any_size(shape):
    assert DeepConvNet(n_classes=4).eval()(spectrograms(2, *shape)).shape == (2, 4)


def test_equals_the_same_network_written_with_functions():
    torch.manual_seed(0)
    net = DeepConvNet(n_classes=5, width=4)
    norms = [layer for layer in net.features if isinstance(layer, nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.running_mean.uniform_(-0.1, 0.1)
            norm.running_var.uniform_(0.5, 2)
    net.eval()
    weights = [layer.weight for layer in net.features if isinstance(layer, nn.Conv2d)]
    assert [tuple(w.shape) for w in weights] == [
        (4, 1, 5, 5), (8, 4, 3, 3), (8, 8, 3, 3), (16, 8, 3, 3), (16, 16, 3, 3), (32, 16, 3, 3), (32, 32, 3, 3)
    ]  # fmt: skip

    h = spectrograms()[:, None]
    for number, (weight, norm) in enumerate(zip(weights, norms, strict=True)):
        stem = number == 0
        h = functional.conv2d(h, weight, stride=2 if stem else 1, padding=2 if stem else 1)
        h = functional.relu(functional.batch_norm(h, norm.running_mean, norm.running_var, norm.weight, norm.bias))
        if number in (2, 4):
            h = functional.avg_pool2d(h, 2)
    h = h.mean(2)
    expected = functional.linear(h.mean(2) + h.max(2).values, net.classifier.weight, net.classifier.bias)

    torch.testing.assert_close(net(spectrograms()), expected, rtol=1e-4, atol=1e-5)


def test_a_prediction_does_not_depend_on_the_other_clips():
    net = DeepConvNet(n_classes=4).eval()
    X = spectrograms(8)
    np.testing.assert_allclose(net(X)[3].detach(), net(X[3:4])[0].detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("bfloat16", "in_training"), [(True, torch.bfloat16), (False, torch.float32)])
def test_bfloat16_is_for_training_only(bfloat16, in_training):
    net = DeepConvNet(n_classes=4, bfloat16=bfloat16)
    seen = []
    net.features[0].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))

    logits = [net.train()(spectrograms()), net.eval()(spectrograms())]

    assert seen == [in_training, torch.float32]
    assert [x.dtype for x in logits] == [torch.float32, torch.float32]


def test_every_parameter_gets_a_gradient():
    net = DeepConvNet(n_classes=4)
    net(spectrograms()).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_dropout_acts_in_training_only():
    net = DeepConvNet(n_classes=4, dropout=0.5, bfloat16=False)
    X = spectrograms()
    assert not torch.equal(net.train()(X), net.train()(X))
    assert torch.equal(net.eval()(X), net.eval()(X))
