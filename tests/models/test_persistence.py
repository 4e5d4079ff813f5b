"""What a fitted net has learnt goes into files and comes back: the same net, and plain weights for a plain module."""

import json
import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Checkpoint, EarlyStopping, LoadInitState, TrainEndCheckpoint
from torch import nn

from esc_features import StoreArray
from esc_features.exceptions import SourceLeakWarning
from esc_features.model_selection import HoldOutFold
from esc_features.models import (
    ClipClassifier,
    ConvNet,
    ConvNetClassifier,
    DeepConvNetClassifier,
    ResNetClassifier,
    RNNClassifier,
    restore,
    state_of,
)

RNG = np.random.default_rng(0)
SPECTROGRAMS = RNG.normal(-40, 5, (40, 16, 16)).astype(np.float32)
NAMES = np.array(["cat", "cow", "dog", "hen"])[np.arange(40) % 4]
SEVERAL = (RNG.random((40, 3)) < 0.4).astype(np.int8)


class Normalised(nn.Module):
    """A module of a user's own, with buffers."""

    def __init__(self, input_size, num_classes, width=4):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(input_size, width), nn.BatchNorm1d(width))
        self.head = nn.Linear(width, num_classes)

    def forward(self, x):
        return self.head(self.layers(x))


def lazy():
    return StoreArray.from_numpy(SPECTROGRAMS, folds=np.arange(40) // 4 % 5 + 1, y=NAMES)


def convnet(**parameters):
    return ConvNetClassifier(**{"max_epochs": 1, "random_state": 0, "batch_size": 8} | parameters)


NETS = {
    "ConvNet": convnet,
    "DeepConvNet": lambda: DeepConvNetClassifier(max_epochs=1, module__width=4, random_state=0),
    "ResNet": lambda: ResNetClassifier(weights=None, max_epochs=1, batch_size=20, random_state=0),
    "a user's module": lambda: ClipClassifier(Normalised, max_epochs=2, module__width=5, random_state=0),
}


LABELS = {"names": NAMES, "numbers": np.arange(40) % 3 * 10, "several labels": SEVERAL}


@pytest.mark.parametrize("kind, labels", [*(("ConvNet", each) for each in LABELS), *((each, "names") for each in NETS)])
def test_a_restored_net_is_the_same_bit_for_bit(kind, labels):
    y = LABELS[labels]
    net = NETS[kind]().fit(SPECTROGRAMS, y)
    tensors, config = state_of(net)
    again = restore(NETS[kind](), {n: t.clone() for n, t in tensors.items()}, json.loads(json.dumps(config)))
    np.testing.assert_array_equal(again.predict_proba(SPECTROGRAMS), net.predict_proba(SPECTROGRAMS))
    predicted = again.predict(SPECTROGRAMS)
    np.testing.assert_array_equal(predicted, net.predict(SPECTROGRAMS))
    assert predicted.dtype == net.predict(SPECTROGRAMS).dtype
    np.testing.assert_array_equal(again.classes_, net.classes_)
    assert again.classes_.dtype == net.classes_.dtype
    assert not hasattr(again, "optimizer_")  # which takes longer to import than a network to answer
    again.partial_fit(SPECTROGRAMS, y)  # it can be trained further
    trained = [name for name, value in again.module_.named_parameters() if not torch.equal(value, tensors[name])]
    assert trained == [name for name, value in again.module_.named_parameters() if value.requires_grad]


def test_a_restored_net_is_trained_with_the_parameters_that_were_set():
    net = convnet().fit(SPECTROGRAMS, NAMES)
    again = restore(convnet(), *state_of(net)).set_params(optimizer__weight_decay=0.3, lr=0.5)
    (group,) = pickle.loads(pickle.dumps(again)).partial_fit(SPECTROGRAMS, NAMES).optimizer_.param_groups
    assert (group["weight_decay"], group["lr"]) == (0.3, 0.5)


def test_waveforms_too():
    waveforms = SPECTROGRAMS.reshape(40, -1)
    net = RNNClassifier(max_epochs=1, module__frame_length=64, random_state=0).fit(waveforms, NAMES)
    again = restore(RNNClassifier(module__frame_length=64), *state_of(net))
    np.testing.assert_array_equal(again.predict_proba(waveforms), net.predict_proba(waveforms))
    assert again.n_features_in_ == net.n_features_in_


def test_the_state_is_a_copy_and_what_a_plain_module_takes():
    net = convnet().fit(SPECTROGRAMS, NAMES)
    tensors, _ = state_of(net)
    expected = net.predict_proba(SPECTROGRAMS)
    module = ConvNet(n_classes=4, input_shape=(16, 16))
    module.load_state_dict(tensors)
    with torch.no_grad():
        plain = module.eval()(torch.from_numpy(SPECTROGRAMS)).softmax(dim=1)
    np.testing.assert_allclose(plain, expected, atol=1e-6)
    for value in tensors.values():
        value.zero_()
    np.testing.assert_array_equal(net.predict_proba(SPECTROGRAMS), expected)


def test_class_weights_and_fitted_clips_come_back():
    X = lazy()
    some = StoreArray.from_numpy(SPECTROGRAMS, folds=np.ones(40, int), sources=np.arange(40) // 2)
    net = convnet(class_weight={"cat": 3}).fit(some[::2], NAMES[::2])
    again = restore(convnet(class_weight={"cat": 3}), *state_of(net))
    assert again.fitted_clips_ == net.fitted_clips_
    with pytest.warns(SourceLeakWarning, match="20 of the 20"):
        again.predict(some[1::2])
    torch.testing.assert_close(again.criterion_.weight, net.criterion_.weight)
    assert state_of(convnet().fit(SPECTROGRAMS, NAMES))[1]["fitted_clips"] is None
    assert len(state_of(convnet().fit(X, NAMES))[1]["fitted_clips"]["clips"]) == 40


@pytest.mark.slow
def test_no_weights_are_downloaded_to_restore(monkeypatch):
    net = ResNetClassifier(weights=None, max_epochs=1, random_state=0).fit(SPECTROGRAMS[:8], NAMES[:8])
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", None)
    again = restore(ResNetClassifier(), *state_of(net))
    assert again.weights == "DEFAULT"
    np.testing.assert_array_equal(again.predict_proba(SPECTROGRAMS), net.predict_proba(SPECTROGRAMS))


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors, config: tensors.pop("linear.bias"),
        lambda tensors, config: tensors.update(more=torch.zeros(1)),
        lambda tensors, config: tensors.update({"linear.bias": torch.zeros(5)}),
        lambda tensors, config: config["labels"]["classes"].append("wolf"),
        lambda tensors, config: config.update(input_shape=[10**6, 10**6]),
        lambda tensors, config: config["labels"].update(kind="other"),
        lambda tensors, config: config.pop("labels"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(change):
    tensors, config = state_of(convnet().fit(SPECTROGRAMS, NAMES))
    change(tensors, config)
    net = convnet()
    before = dict(vars(net))
    with pytest.raises(ValueError, match="not the state of a ConvNetClassifier with these parameters"):
        restore(net, tensors, config)
    assert vars(net) == before


# Files


@pytest.mark.parametrize("safetensors", [False, True])
@pytest.mark.parametrize("y", [NAMES, SEVERAL], ids=["one label", "several"])
def test_a_plain_module_loads_saved_weights(tmp_path, safetensors, y):
    net = convnet().fit(SPECTROGRAMS, y)
    net.save_params(tmp_path / "net", use_safetensors=safetensors)
    if safetensors:
        from safetensors.torch import load_file

        state = load_file(tmp_path / "net")
    else:
        state = torch.load(tmp_path / "net", weights_only=True)
    module = ConvNet(n_classes=y.shape[1] if y.ndim == 2 else 4, input_shape=(16, 16))
    module.load_state_dict(state)
    assert torch.equal(module.linear.weight, net.module_.linear.weight)
    again = convnet()
    again.load_params(tmp_path / "net", use_safetensors=safetensors)
    np.testing.assert_array_equal(again.predict(SPECTROGRAMS), net.predict(SPECTROGRAMS))


def test_weights_of_0_1_are_read(tmp_path):
    net = convnet().fit(SPECTROGRAMS, NAMES)
    about = json.dumps({"classes": net.classes_.tolist(), "shape": [16, 16]}).encode()
    note = torch.frombuffer(bytearray(about), dtype=torch.uint8)
    torch.save({**net.module_.state_dict(), "esc_features.about": note}, tmp_path / "net.pt")
    again = convnet()
    again.load_params(tmp_path / "net.pt")
    np.testing.assert_array_equal(again.predict_proba(SPECTROGRAMS), net.predict_proba(SPECTROGRAMS))


def test_loaded_weights_bring_their_labels_over_as_many_others(tmp_path):
    """Survivor M04: a net of other labels, as many, took the weights and kept its own labels."""
    net = convnet().fit(SPECTROGRAMS, NAMES)
    net.save_params(tmp_path / "net.pt")
    other = convnet().fit(SPECTROGRAMS, np.char.upper(NAMES))
    other.load_params(tmp_path / "net.pt")
    assert other.classes_.tolist() == ["cat", "cow", "dog", "hen"]
    np.testing.assert_array_equal(other.predict(SPECTROGRAMS), net.predict(SPECTROGRAMS))


def test_loading_into_a_net_of_the_same_labels_keeps_its_optimizer():
    net = convnet(max_epochs=3).fit(SPECTROGRAMS, NAMES)
    import io

    file = io.BytesIO()
    net.save_params(file)
    file.seek(0)
    optimizer = net.optimizer_
    net.load_params(file)
    assert net.optimizer_ is optimizer
    assert len(net.history) == 3


# Checkpoints of skorch, in a new net


def at_the_second_epoch(net):
    return len(net.history) == 2


def trained(tmp_path, **parameters):
    checkpoint = Checkpoint(at_the_second_epoch, dirname=str(tmp_path), f_params="epoch{last_epoch[epoch]}.pt")
    net = convnet(max_epochs=3, train_split=HoldOutFold(), callbacks=[("checkpoint", checkpoint)], **parameters)
    return net.fit(lazy(), NAMES), checkpoint


def test_a_checkpoint_loads_into_a_new_net(tmp_path):
    net, checkpoint = trained(tmp_path, class_weight="balanced")
    again = convnet(class_weight="balanced")
    again.load_params(checkpoint=checkpoint)
    assert [row["train_loss"] for row in again.history] == [row["train_loss"] for row in net.history][:2]
    weights = torch.load(tmp_path / "epoch2.pt", weights_only=True)
    torch.testing.assert_close(dict(again.module_.state_dict()), dict(weights), rtol=0, atol=0)
    moments = again.optimizer_.state_dict()["state"]
    assert moments[0]["step"] == 2 * 4


def test_training_goes_on_from_a_checkpoint_by_load_init_state(tmp_path):
    _, checkpoint = trained(tmp_path)
    again = convnet(
        max_epochs=1, train_split=HoldOutFold(), callbacks=[("load", LoadInitState(checkpoint))], warm_start=True
    ).fit(lazy(), NAMES)
    saved = json.loads((tmp_path / "history.json").read_text())
    assert len(again.history) == len(saved) + 1
    assert again.history[-1, "train_loss"] < saved[0]["train_loss"]


def test_training_in_two_runs_equals_one(tmp_path):
    """The end of a run is kept, and the next one goes on: as if it had not been interrupted."""
    end = TrainEndCheckpoint(dirname=str(tmp_path))
    convnet(max_epochs=2, callbacks=[("end", end)]).fit(lazy(), NAMES)
    new_end = TrainEndCheckpoint(dirname=str(tmp_path)).initialize()
    again = convnet(max_epochs=2, callbacks=[("load", LoadInitState(new_end))]).fit(lazy(), NAMES)
    # The same seeds are drawn for what comes after two epochs.
    twice = convnet(max_epochs=2).fit(lazy(), NAMES).partial_fit(lazy(), NAMES)
    np.testing.assert_array_equal(again.predict_proba(SPECTROGRAMS), twice.predict_proba(SPECTROGRAMS))
    assert len(again.history) == 4


def test_early_stopping_and_checkpoints_without_validation_name_hold_out_fold():
    for callback in (EarlyStopping(), Checkpoint()):
        with pytest.raises(ValueError, match=r"no clips are held out.*train_split=HoldOutFold\(\)"):
            convnet(callbacks=[callback]).fit(SPECTROGRAMS, NAMES)
    convnet(callbacks=[EarlyStopping(monitor="train_loss")]).fit(SPECTROGRAMS, NAMES)
