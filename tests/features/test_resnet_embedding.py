import os
import shutil

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torchvision.models import ResNet18_Weights, resnet18
from torchvision.models.feature_extraction import create_feature_extractor

from esc_features import MelSpectrogram
from esc_features.exceptions import DownloadError
from esc_features.features import ResNetEmbedding, make_features


@pytest.fixture(scope="module")
def random_network():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = resnet18().eval()
        for module in network.modules():  # statistics that are not 0 and 1, as after training
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.8, 1.2)
    return network


@pytest.fixture(scope="module")
def weights_file(random_network, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(random_network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).normal(0, 0.1, (1, 44100)).astype(np.float32)


@pytest.mark.slow
def test_numbers_are_those_of_torchvisions_network(random_network, weights_file, noise):
    mel = torch.from_numpy(MelSpectrogram(44100, 1, fmax=None).transform(noise))
    image = torch.nn.functional.interpolate(mel[:, None] / 80 + 1, (224, 224), mode="bilinear")
    transforms = ResNet18_Weights.IMAGENET1K_V1.transforms()
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (transforms.mean, transforms.std))
    with torch.no_grad():
        maps = create_feature_extractor(random_network, ["layer4"])((image - mean) / std)["layer4"].flatten(2)
    expected = torch.cat([maps.mean(2), maps.max(2).values], dim=1).numpy()
    found = ResNetEmbedding(weights_file, duration=1).transform(noise)
    np.testing.assert_allclose(found, expected, atol=1e-3 * expected.std())


@pytest.mark.slow
def test_weights_by_name_come_from_torchs_cache(weights_file, noise, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub/checkpoints").mkdir(parents=True)
    shutil.copy(weights_file, tmp_path / "hub/checkpoints/resnet18-f37072fd.pth")
    by_name, by_file = ResNetEmbedding(duration=1), ResNetEmbedding(weights_file, duration=1)
    np.testing.assert_array_equal(by_name.transform(noise), by_file.transform(noise))
    assert by_name.fingerprint() == by_file.fingerprint()
    assert ResNetEmbedding("DEFAULT", duration=1).fingerprint() == by_file.fingerprint()


def test_weights_by_name_without_a_network_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for proxy in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    for exception in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(exception, raising=False)
    with pytest.raises(DownloadError, match=r"copy it to .*resnet18-f37072fd\.pth, or give its path") as raised:
        ResNetEmbedding().fingerprint()
    assert "https://download.pytorch.org/models/resnet18-f37072fd.pth" in str(raised.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.slow
def test_the_fingerprint_is_of_the_weights_and_not_of_their_place(weights_file, tmp_path):
    moved = tmp_path / "moved.pth"
    shutil.copy(weights_file, moved)
    feature = ResNetEmbedding(str(weights_file))
    assert ResNetEmbedding(moved).fingerprint() == feature.fingerprint()
    state = torch.load(moved, weights_only=True)
    state["layer4.1.conv2.weight"][0, 0, 0, 0] += 1
    torch.save(state, moved)
    assert ResNetEmbedding(moved).fingerprint() != feature.fingerprint()


@pytest.mark.slow
def test_weights_written_anew_are_noticed(weights_file, noise, tmp_path):
    path = tmp_path / "weights.pth"
    shutil.copy(weights_file, path)
    feature = ResNetEmbedding(path, duration=1)
    before, fingerprint = feature.transform(noise), feature.fingerprint()
    state = torch.load(path, weights_only=True)
    state["conv1.weight"] *= -1
    torch.save(state, path)
    assert feature.fingerprint() != fingerprint
    assert not np.array_equal(feature.transform(noise), before)


def test_another_file_of_the_same_size_and_time_is_noticed(tmp_path):
    for number in (1, 2):
        (tmp_path / f"{number}.pth").write_bytes(bytes([number]) * 100)
        os.utime(tmp_path / f"{number}.pth", ns=(10**18, 10**18))
    feature = ResNetEmbedding(tmp_path / "1.pth")
    before = feature.fingerprint()
    (tmp_path / "2.pth").replace(tmp_path / "1.pth")
    assert feature.fingerprint() != before


@pytest.mark.slow
def test_the_number_of_classes_does_not_matter(random_network, weights_file, noise, tmp_path):
    state = random_network.state_dict()
    state["fc.weight"], state["fc.bias"] = torch.zeros(4, 512), torch.zeros(4)
    torch.save(state, tmp_path / "four.pth")
    expected = ResNetEmbedding(weights_file, duration=1).transform(noise)
    np.testing.assert_array_equal(ResNetEmbedding(tmp_path / "four.pth", duration=1).transform(noise), expected)


def test_weights_in_a_recipe(weights_file, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f"[features.mine]\nclass = 'ResNetEmbedding'\nweights = '{weights_file.as_posix()}'\n")
    made = make_features(recipe=recipe)
    assert made["mine"].fingerprint() == clone(ResNetEmbedding(weights_file)).fingerprint()


@pytest.mark.parametrize("weights", ["IMAGENET1K_V9", "nowhere/weights.pth", None, 3])
def test_weights_that_are_nowhere(weights):
    with pytest.raises(ValueError, match=r"weights.*IMAGENET1K_V1"):
        ResNetEmbedding(weights).fingerprint()


def test_files_that_hold_no_resnet18(noise, tmp_path):
    text = tmp_path / "text.pth"
    text.write_text("no weights")
    network = tmp_path / "network.pth"
    torch.save(torch.nn.Linear(2, 2), network)
    tensor = tmp_path / "tensor.pth"
    torch.save(torch.zeros(3), tensor)
    other = tmp_path / "other.pth"
    torch.save(torch.nn.Linear(2, 2).state_dict(), other)
    for path, why in (
        (text, "torch can read safely"),
        (network, "torch can read safely"),
        (tensor, "holds a Tensor"),
        (other, "no weights of a torchvision resnet18"),
    ):
        with pytest.raises(ValueError, match=why) as raised:
            ResNetEmbedding(path, duration=1).transform(noise)
        assert str(path) in str(raised.value)
