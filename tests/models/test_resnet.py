"""ResNet-18 over spectrograms: what is frozen stays, and where its weights come from."""

import urllib.error

import numpy as np
import pytest
import torch
from torchvision.models import resnet18

from esc_features.exceptions import DownloadError
from esc_features.models import ResNet, ResNetClassifier


@pytest.fixture(scope="module")
def clips():
    rng = np.random.default_rng(0)
    y = np.arange(12) % 2
    X = rng.normal(-40, 10, (12, 32, 40)).astype(np.float32)
    X[y == 1, :16] += 20
    return X, y


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    network = resnet18(weights=None)
    torch.save(network.state_dict(), path)
    return path


def fitted(clips, **parameters):
    return ResNetClassifier(**{"max_epochs": 2, "random_state": 0, "batch_size": 6} | parameters).fit(*clips)


@pytest.mark.slow
def test_a_frozen_backbone_stays_bit_for_bit(clips, weights_file):
    net = fitted(clips, weights=weights_file)
    original = torch.load(weights_file)
    trained = net.module_.backbone.state_dict()
    assert len(trained) == len(original) - 2  # the last layer is another
    assert all(torch.equal(trained[name], original[name]) for name in trained)
    # ... statistics of batch normalisation included, even in the midst of training.
    net.module_.train()
    assert not any(module.training for module in net.module_.backbone.modules())
    assert net.module_.head.training


@pytest.mark.slow
def test_only_the_head_is_optimised_when_frozen(clips):
    net = fitted(clips, weights=None)
    optimised = [p for group in net.optimizer_.param_groups for p in group["params"]]
    assert {id(p) for p in optimised} == {id(p) for p in net.module_.head.parameters()}
    start = fitted(clips, weights=None, max_epochs=0)
    assert not torch.equal(net.module_.head.weight, start.module_.head.weight)


@pytest.mark.slow
def test_fine_tuning_moves_everything(clips, weights_file):
    net = fitted(clips, weights=str(weights_file), freeze=False, max_epochs=1)
    original = torch.load(weights_file)
    trained = net.module_.backbone.state_dict()
    for name in ("conv1.weight", "layer4.1.conv2.weight", "bn1.running_mean"):
        assert not torch.equal(trained[name], original[name])
    net.module_.train()
    assert net.module_.backbone.bn1.training


@pytest.mark.slow
def test_the_head_sees_the_backbone_of_torchvision_on_standardised_clips(clips, weights_file):
    X = torch.from_numpy(clips[0])
    net = ResNet(n_classes=3, weights=weights_file).eval()
    reference = resnet18(weights=None)
    reference.load_state_dict(torch.load(weights_file))
    reference.fc = net.head
    images = torch.stack([(clip - clip.mean()) / clip.std() for clip in X])[:, None].repeat(1, 3, 1, 1)
    torch.testing.assert_close(net(X), reference.eval()(images), rtol=1e-4, atol=1e-4)


def test_silence_is_no_nan():
    assert torch.isfinite(ResNet(weights=None).eval()(torch.full((1, 32, 32), -80.0))).all()


@pytest.mark.slow
def test_learns_a_head(clips, weights_file):
    net = fitted(clips, weights=weights_file, max_epochs=12, batch_size=12, lr=0.02)
    assert net.score(*clips) == 1


def test_weights_that_are_neither_name_nor_file():
    with pytest.raises(ValueError, match="is neither a file nor a name of weights in torchvision: use IMAGENET1K_V1"):
        ResNet(weights="IMAGENET21K")


def test_a_file_of_something_else(tmp_path, weights_file):
    (tmp_path / "text.pth").write_text("not weights")
    with pytest.raises(ValueError, match=r"text.pth holds no weights that torch can read safely"):
        ResNet(weights=tmp_path / "text.pth")
    torch.save({"layer.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other.pth holds no weights .* missing are \['conv1.weight'"):
        ResNet(weights=tmp_path / "other.pth")


def test_without_a_connection_the_error_says_what_to_do(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))  # nothing is cached there
    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    with pytest.raises(DownloadError, match=r"no route to host.*weights='path/to/resnet18-f37072fd.pth'"):
        ResNet()
