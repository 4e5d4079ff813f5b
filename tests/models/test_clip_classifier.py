"""What every estimator does: labels, parameters, seeds, lazy reading, saving, and errors that say what to do."""

import io
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch.callbacks import Callback, Checkpoint, EarlyStopping, EpochScoring
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import nn

from esc_features import StoreArray
from esc_features.augmentation import Gain, Mixup, TimeShift
from esc_features.exceptions import SourceLeakWarning
from esc_features.model_selection import FoldSplit, HoldOutFold
from esc_features.models import (
    ClipClassifier,
    ClipDataset,
    ConvNet,
    ConvNetClassifier,
    DeepConvNetClassifier,
    ResNetClassifier,
    RNNClassifier,
)
from esc_features.preprocessing import Standardizer

NAMES = np.array(["cat", "cow", "dog", "hen"])
CLIPS, BANDS, FRAMES = 40, 8, 12


def rows():
    """Clips of four classes that a small net tells apart: each has a band of its own."""
    rng = np.random.default_rng(0)
    target = np.arange(CLIPS) % 4
    array = rng.normal(-40, 5, (CLIPS, BANDS, FRAMES)).astype(np.float32)
    array[np.arange(CLIPS), 2 * target] += 20
    return array, target


def lazy(array=None, **known):
    made, target = rows()
    known = {"folds": np.arange(CLIPS) // 4 % 5 + 1, "y": NAMES[target], "target": target} | known
    X = StoreArray.from_numpy(made if array is None else array, **known)
    X.byte_limit = 0  # whatever asks for all of it at once fails
    return X


@pytest.fixture(name="X")
def lazy_clips():
    return lazy()


def small(**parameters):
    return ConvNetClassifier(**{"max_epochs": 2, "batch_size": 8, "lr": 3e-3, "random_state": 0} | parameters)


class Linear(nn.Module):
    """A module of a user's own, with an argument of its own."""

    def __init__(self, input_size, n_classes, scale=0.01):
        super().__init__()
        self.scale = scale
        self.linear = nn.Linear(input_size, n_classes)

    def forward(self, x):
        return self.linear(x.flatten(1) * self.scale)


# scikit-learn's own checks. For three-dimensional X it has one check only, so that the estimators of spectrograms are
# told here that they take two dimensions, and are given a network for these: everything but the network is their own.
class Rows(nn.Module):
    """A linear network for two-dimensional rows; it takes the arguments of any network of the package."""

    def __init__(self, input_size, n_classes, weights=None, freeze=False):
        super().__init__()
        self.layers = nn.Sequential(nn.BatchNorm1d(input_size), nn.Linear(input_size, n_classes))

    def forward(self, x):
        return self.layers(x)


class ConvNetOnRows(ConvNetClassifier):
    _ndim_ = 2


class DeepConvNetOnRows(DeepConvNetClassifier):
    _ndim_ = 2


class ResNetOnRows(ResNetClassifier):
    _ndim_ = 2


def expected_failures(estimator):
    failures = {"check_no_attributes_set_in_init": "skorch sets history_, initialized_ and virtual_params_"}
    if type(estimator) is ClipClassifier:
        failures["check_do_not_raise_errors_in_init_or_set_params"] = "skorch makes the callbacks in set_params"
    return failures


LEARNS = {"max_epochs": 15, "lr": 0.1, "random_state": 0}


@pytest.mark.slow
@parametrize_with_checks(
    [
        RNNClassifier(max_epochs=10, lr=0.03, random_state=0),
        ClipClassifier(Rows, **LEARNS),
        ConvNetOnRows(Rows, **LEARNS),
        DeepConvNetOnRows(Rows, **LEARNS, iterator_train__transforms=[Gain(0.1), Mixup(0.1)]),
        ResNetOnRows(Rows, **LEARNS),
        *(ConvNetClassifier(), DeepConvNetClassifier(), ResNetClassifier(weights=None)),
    ],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# Labels


@pytest.mark.parametrize(
    "labels",
    [
        NAMES,
        np.array([10, 11, 13, 40]),
        pytest.param(np.array([-3, -1, 0, 2]), marks=pytest.mark.slow),
        pytest.param(np.array([0.0, 1.0, 2.0, 3.0]), marks=pytest.mark.slow),
        np.array(["rooster", "a", "b", "c"], dtype=object),
        np.array([True, False]),
    ],
    ids=["names", "integers", "negative", "floats", "object", "bool"],
)
def test_any_labels(X, labels):
    y = labels[np.arange(CLIPS) % len(labels)]
    net = small(max_epochs=6, lr=0.01).fit(X, y)
    np.testing.assert_array_equal(net.classes_, np.unique(y))
    assert set(net.predict(X).tolist()) <= set(y.tolist())
    if len(labels) == 4:
        assert net.score(X, y) == 1
    assert net.predict_proba(X).shape == (CLIPS, len(labels))


def test_y_may_be_a_list_or_a_tensor(X):
    expected = small().fit(X, X.target).predict_proba(X)
    np.testing.assert_array_equal(small().fit(X, X.target.tolist()).predict_proba(X), expected)
    np.testing.assert_array_equal(small().fit(X, torch.from_numpy(X.target)).predict_proba(X), expected)


def test_probabilities_sum_to_one_and_follow_classes(X):
    net = small().fit(X, X.y)
    probabilities = net.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(net.classes_[probabilities.argmax(axis=1)], net.predict(X))


# Parameters


@pytest.mark.parametrize("kind", [ConvNetClassifier, RNNClassifier, ResNetClassifier])
def test_fit_leaves_parameters_alone(kind, X):
    extra = {"weights": None} if kind is ResNetClassifier else {}
    data = lazy(rows()[0].reshape(CLIPS, -1)) if kind is RNNClassifier else X
    data = data[:8]
    net = kind(max_epochs=1, random_state=0, **extra)
    before = net.get_params(deep=False)
    net.fit(data, data.y)
    after = net.get_params(deep=False)
    assert before.keys() == after.keys()
    assert all(before[name] is after[name] or before[name] == after[name] for name in before)
    copy = clone(net).get_params(deep=False)
    assert repr(copy) == repr(before)
    assert not hasattr(clone(net), "classes_")


def test_clone_of_a_fitted_net_fits_other_shapes_and_classes(X):
    net = clone(small().fit(X, X.y))
    half = X.map(halve)
    net.fit(half, X.target % 2)
    assert net.predict_proba(half).shape == (CLIPS, 2)


def halve(batch):
    return batch[:, :, : FRAMES // 2]


def test_nested_parameters_can_be_set_before_and_after_fit(X):
    net = small().set_params(module__dropout=0.5, optimizer__weight_decay=0.3, iterator_train__drop_last=True)
    net.fit(X, X.y)
    assert net.module_.dropout.p == 0.5
    assert net.optimizer_.param_groups[0]["weight_decay"] == 0.3
    net.set_params(iterator_train__transforms=[TimeShift()], iterator_train__drop_last=False, module__dropout=0.1)
    net.fit(X, X.y)
    assert net.module_.dropout.p == 0.1
    with pytest.raises(ValueError, match="iterator_train__shuffle"):
        net.set_params(iterator_train_shuffle=True)


def test_a_module_of_the_users_own_gets_what_the_data_decide(X):
    net = ClipClassifier(Linear, max_epochs=30, lr=0.01, random_state=0, module__scale=0.02).fit(X, X.y)
    assert net.module_.linear.in_features == BANDS * FRAMES
    assert net.module_.scale == 0.02
    assert net.score(X, X.y) == 1


def test_module_instances_are_refused():
    with pytest.raises(TypeError, match="module=ConvNet, and its arguments"):
        ConvNetClassifier(ConvNet()).fit(*rows())


def test_loss_of_probabilities_is_refused():
    with pytest.raises(ValueError, match="CrossEntropyLoss"):
        ConvNetClassifier(criterion=nn.NLLLoss).fit(*rows())


def test_wrong_number_of_outputs_says_so(X):
    with pytest.raises(ValueError, match="Leave out module__n_classes"):
        small(module__n_classes=7).fit(X, X.y)


# Seeds and devices


def test_random_state_repeats_whatever_was_drawn_before(X):
    net = small(module__dropout=0.5, iterator_train__transforms=[TimeShift(), Mixup()])
    first = clone(net).fit(X, X.y).predict_proba(X)
    torch.manual_seed(12345)
    np.testing.assert_array_equal(clone(net).fit(X, X.y).predict_proba(X), first)
    assert not np.array_equal(clone(net).set_params(random_state=1).fit(X, X.y).predict_proba(X), first)


def test_a_seeded_fit_leaves_the_global_generator_alone(X):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    small().fit(X, X.y)
    assert torch.equal(torch.rand(3), expected)


def test_without_random_state_the_global_seed_decides(X):
    def fitted():
        torch.manual_seed(3)
        return small(random_state=None).fit(X, X.y).predict_proba(X)

    np.testing.assert_array_equal(fitted(), fitted())


def test_random_state_instance_goes_on(X):
    state = np.random.RandomState(0)
    one = small(random_state=state).fit(X, X.y).predict_proba(X)
    two = small(random_state=state).fit(X, X.y).predict_proba(X)
    assert not np.array_equal(one, two)


@pytest.mark.slow
def test_grid_in_worker_processes_repeats_and_agrees(X):
    X = X[X.folds < 4]
    net = small(max_epochs=4, iterator_train__transforms=[TimeShift(0.2)])

    def search(n_jobs):
        grid = {"lr": [3e-3, 1e-5]}
        return GridSearchCV(net, grid, cv=FoldSplit(), n_jobs=n_jobs, scoring="neg_log_loss", error_score="raise").fit(
            X, X.y
        )

    parallel, serial = search(2), search(None)
    assert parallel.best_params_["lr"] == 3e-3
    scores = [f"split{fold}_test_score" for fold in range(3)]
    # Bit for bit where the number of threads is the same; another number sums in another order.
    np.testing.assert_array_equal(*([found.cv_results_[score] for score in scores] for found in (parallel, search(2))))
    np.testing.assert_allclose(
        *([found.cv_results_[score] for score in scores] for found in (parallel, serial)), rtol=1e-3
    )


def test_device_auto_stays_a_parameter(X):
    net = small().fit(X, X.y)
    assert net.device == "auto"
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert next(net.module_.parameters()).device.type == expected
    assert pickle.loads(pickle.dumps(net)).device == "auto"
    assert net.set_params(device="cpu").fit(X, X.y).device == "cpu"


# Data


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32"])
def test_other_types_of_numbers_are_cast_batch_by_batch(dtype):
    array, target = rows()
    array = np.round(array)
    expected = small().fit(array, target).predict_proba(array)
    X = lazy(array.astype(dtype))
    np.testing.assert_allclose(small().fit(X, target).predict_proba(X), expected, rtol=1e-5)


def test_int16_waveforms_are_of_full_scale_32768():
    array = (rows()[0].reshape(CLIPS, -1) * 300).astype(np.int16)
    net = RNNClassifier(max_epochs=3, random_state=0).fit(lazy(array), rows()[1])
    scaled = array / np.float32(32768)
    np.testing.assert_allclose(net.predict_proba(lazy(array)), net.predict_proba(scaled), rtol=1e-6)


def test_batches_are_fetched_whole(X, monkeypatch):
    sizes = []
    take = StoreArray.take
    monkeypatch.setattr(
        StoreArray, "take", lambda self, rows, out=None: sizes.append(len(rows)) or take(self, rows, out)
    )
    monkeypatch.setattr(StoreArray, "__getitem__", None)
    net = small(max_epochs=1, batch_size=16).fit(X, X.y)
    assert sizes == [16, 16, 8]
    net.predict(X)
    assert sizes == [16, 16, 8] * 2


def test_float32_arrays_reach_the_network_without_a_second_copy(monkeypatch):
    array, target = rows()
    read = []
    monkeypatch.setattr("esc_features.models._clip_loader.take_rows", lambda X, rows: read.append(X[rows]) or read[-1])
    batch = ClipDataset(array, target).__getitems__([3, 1]).X
    assert np.shares_memory(batch.numpy(), read[0])
    np.testing.assert_array_equal(batch, array[[3, 1]])


def test_a_plain_loader_of_pytorch_works_too(X):
    from torch.utils.data import DataLoader

    net = small(iterator_train=DataLoader, iterator_valid=DataLoader)
    np.testing.assert_array_equal(net.fit(X, X.y).predict(X), small().fit(X, X.y).predict(X))


def test_batch_size_minus_one_takes_all(X):
    net = small(batch_size=-1, max_epochs=2).fit(X, X.y)
    assert net.history[:, "train_batch_count"] == [1, 1]


def test_dropping_every_batch_warns(X):
    with pytest.warns(UserWarning, match="drop_last drops every batch: 40 clips"):
        small(batch_size=64, iterator_train__drop_last=True).fit(X, X.y)


def test_nothing_of_x_is_kept(X):
    net = small(max_epochs=1, train_split=HoldOutFold()).fit(X, X.y)
    net.predict(X)
    kept = pickle.dumps(net)
    assert not any(row.tobytes()[:64] in kept for row in rows()[0])
    assert b"StoreArray" not in kept


# Training


def test_training_equals_a_plain_loop_of_pytorch(X):
    net = small(iterator_train__shuffle=False, max_epochs=3).fit(X, X.y)
    start = small(max_epochs=0).fit(X, X.y)
    module = start.module_.train()
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3)
    clips, target = (torch.from_numpy(a) for a in rows())
    for _ in range(3):
        for batch in range(0, CLIPS, 8):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(clips[batch : batch + 8]), target[batch : batch + 8]).backward()
            optimizer.step()
    with torch.no_grad():
        expected = module.eval()(clips).softmax(dim=1)
    np.testing.assert_allclose(net.predict_proba(X), expected, atol=1e-5)


def test_history_has_losses_and_accuracies(X):
    net = small(train_split=HoldOutFold(), iterator_train__shuffle=False).fit(X, X.y)
    held_out = X[X.folds == 5]
    assert net.history[-1, "valid_acc"] == accuracy_score(held_out.y, net.predict(held_out))
    logits = torch.from_numpy(net.predict_proba(held_out)).log()
    loss = nn.functional.cross_entropy(logits, torch.from_numpy(held_out.target))
    assert net.history[-1, "valid_loss"] == pytest.approx(loss.item(), abs=1e-4)
    assert net.history[-1, "train_acc"] > net.history[0, "train_acc"]


def test_early_stopping_on_a_held_out_fold(X):
    stop = EarlyStopping(patience=2, threshold=10)  # no epoch is that much better
    net = small(max_epochs=20, train_split=HoldOutFold(3), callbacks=[stop]).fit(X, X.y)
    assert len(net.history) == 3


@pytest.mark.parametrize("use_caching", [True, False])
def test_scoring_callbacks_agree_with_predict(X, use_caching):
    score = EpochScoring("f1_macro", lower_is_better=False, use_caching=use_caching)
    train = EpochScoring("accuracy", name="t", on_train=True, use_caching=False)
    while_training = EpochScoring("accuracy", name="w", on_train=True)  # of the outputs that were trained on
    callbacks = [score, train, while_training]
    net = small(max_epochs=6, train_split=HoldOutFold(), callbacks=callbacks).fit(X, X.y)
    np.testing.assert_allclose(net.history[:, "w"], net.history[:, "train_acc"])
    assert net.history[-1, "t"] == net.score(X[X.folds != 5], X.y[X.folds != 5])
    assert net.history[-1, "f1_macro"] == 1
    assert net.predict(X)[0] == "cat"


def test_class_weights_are_those_of_scikit_learn(X):
    y = np.where(X.target == 0, "rare", "common")
    net = small(class_weight="balanced", max_epochs=1).fit(X, y)
    expected = compute_class_weight("balanced", classes=net.classes_, y=y)
    np.testing.assert_allclose(net.criterion_.weight, expected, rtol=1e-6)
    net = small(class_weight={"rare": 5}, max_epochs=1).fit(X, y)
    np.testing.assert_allclose(net.criterion_.weight, [1, 5])
    assert net.get_params()["class_weight"] == {"rare": 5}
    with pytest.raises(ValueError, match="not both"):
        small(class_weight="balanced", criterion__weight=torch.ones(2)).fit(X, y)


@pytest.mark.slow
def test_partial_fit_goes_on_and_knows_its_classes(X):
    net = small(max_epochs=1)
    for _ in range(3):
        net.partial_fit(X, X.y)
    assert len(net.history) == 3
    some = X[X.target < 2]
    with pytest.raises(ValueError, match=r"does not know: \['dog', 'hen'\]"):
        small(max_epochs=1).partial_fit(some, some.y).partial_fit(X, X.y)
    net = small(max_epochs=15).partial_fit(some, some.y, classes=NAMES).partial_fit(X, X.y)
    assert net.score(X, X.y) == 1


def test_warm_start_goes_on_and_fit_starts_anew(X):
    net = small(max_epochs=2, warm_start=True).fit(X, X.y).fit(X, X.y)
    assert len(net.history) == 4
    net = small(max_epochs=2).fit(X, X.y)
    first = net.predict_proba(X)
    np.testing.assert_array_equal(net.fit(X, X.y).predict_proba(X), first)


def test_epochs_in_two_parts_see_other_orders(X):
    """A second partial_fit must not repeat the order and the augmentation of the first."""
    orders = []

    class Recording(ClipDataset):
        def __getitems__(self, indices):
            orders.append(list(indices))
            return super().__getitems__(indices)

    small(max_epochs=1, batch_size=40, dataset=Recording).partial_fit(X, X.y).partial_fit(X, X.y)
    assert orders[0] != orders[1]


def test_groups_reach_the_split_only(X):
    def split(dataset, y=None, groups=None):
        inside = np.asarray(groups) == 1
        subset = torch.utils.data.Subset
        return subset(dataset, np.flatnonzero(~inside)), subset(dataset, np.flatnonzero(inside))

    net = small(train_split=split).fit(X, X.y, groups=X.folds)
    assert "valid_loss" in net.history[-1]
    with pytest.raises(TypeError, match="class_weight"):
        small().fit(X, X.y, sample_weight=np.ones(CLIPS))
    with pytest.raises(TypeError, match="weights_"):
        small().fit(X, X.y, weights_=1)


def test_verbose_is_off_by_default(X, capsys):
    small(max_epochs=1).fit(X, X.y).set_params(module__dropout=0.2).fit(X, X.y)
    assert capsys.readouterr().out == ""
    small(max_epochs=1, verbose=1).fit(X, X.y)
    assert "train_loss" in capsys.readouterr().out


class Ending(nn.Module):
    """A linear network with something behind it."""

    def __init__(self, input_size, num_classes, end=nn.Identity):
        super().__init__()
        self.linear = nn.Linear(input_size, num_classes)
        self.end = end

    def forward(self, x):
        return self.end(self.linear(x.flatten(1) * 0.01))


def softmax(logits):
    return logits.softmax(dim=1)


def renamed_softmax(logits):
    return logits.softmax(dim=1).clone()


def with_embedding(logits):
    return logits, logits * 2


@pytest.mark.parametrize("end", [softmax, renamed_softmax, torch.sigmoid])
def test_a_network_that_ends_in_probabilities_is_noticed(X, end):
    with pytest.raises(ValueError, match="ends in a softmax or a sigmoid"):
        ClipClassifier(Ending, module__end=end).fit(X, X.y)


def test_a_network_that_ends_in_log_probabilities_learns_the_same(X):
    nets = [ClipClassifier(Ending, random_state=0, max_epochs=2, module__end=end) for end in (log_softmax, plain)]
    np.testing.assert_allclose(*(net.fit(X, X.y).predict_proba(X) for net in nets), rtol=1e-4)


def log_softmax(logits):
    return logits.log_softmax(dim=1)


def plain(logits):
    return logits


def test_num_classes_is_filled_in_and_the_first_of_several_outputs_is_the_logits(X):
    nets = [ClipClassifier(Ending, random_state=0, max_epochs=2, module__end=end) for end in (with_embedding, plain)]
    one, other = (net.set_params(train_split=HoldOutFold()).fit(X, X.y) for net in nets)
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))
    assert one.history[:, "valid_acc"] == other.history[:, "valid_acc"]
    logits, twice = one.forward(X)
    torch.testing.assert_close(twice, 2 * logits)


@pytest.mark.slow
def test_a_predefined_split_has_labels_like_those_of_fit(X):
    held_out = X[X.folds == 5]
    for labels in (X.y, X.target * 10):
        validation = ClipDataset(held_out, labels[X.folds == 5])
        net = small(train_split=predefined_split(validation)).fit(X[X.folds < 5], labels[X.folds < 5])
        expected = small(train_split=HoldOutFold()).fit(X, labels)
        assert net.history[:, "valid_loss"] == expected.history[:, "valid_loss"]
        assert net.history[:, "valid_acc"] == expected.history[:, "valid_acc"]
        theirs = small(train_split=predefined_split(Dataset(held_out, labels[X.folds == 5])))
        assert theirs.fit(X[X.folds < 5], labels[X.folds < 5]).history[:, "valid_loss"] == net.history[:, "valid_loss"]
    tens = X.target * 10
    again = small(train_split=predefined_split(ClipDataset(X, tens)), lr=0.0).fit(X, tens)  # on the training clips
    assert again.history[-1, "valid_acc"] == again.score(X, tens)
    strange = ClipDataset(held_out, ["wolf"] * len(held_out))
    with pytest.raises(ValueError, match=r"does not know: \['wolf'\]"):
        small(train_split=predefined_split(strange)).fit(X, X.y)


def test_classes_mean_the_same_while_training(X):
    seen = []

    class Watch(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append((net.classes_.tolist(), net.device, set(net.predict(X).tolist()) <= set(NAMES)))

    small(max_epochs=1, callbacks=[Watch()]).fit(X, X.y)
    assert seen == [(NAMES.tolist(), "auto", True)]


# Around scikit-learn


def test_tables_keep_the_names_of_their_columns():
    table = pd.DataFrame(rows()[0][:, :, 0]).add_prefix("band")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net = ClipClassifier(Linear, max_epochs=1).fit(table, rows()[1]).partial_fit(table, rows()[1])
        net.predict(table)
    assert net.feature_names_in_.tolist() == table.columns.tolist()


@pytest.mark.slow
def test_cross_validation_over_a_lazy_x(X):
    scores = cross_val_score(small(max_epochs=6), X, X.y, cv=FoldSplit(), error_score="raise")
    assert len(scores) == 5
    assert scores.mean() > 0.8
    predicted = cross_val_predict(make_pipeline(Standardizer(), small(max_epochs=6)), X, X.y, cv=FoldSplit())
    assert accuracy_score(X.y, predicted) > 0.8


def test_nested_search_needs_no_groups(X):
    X = X[X.folds < 4]
    search = GridSearchCV(small(max_epochs=1), {"lr": [1e-5, 3e-3]}, cv=FoldSplit(), error_score="raise")
    assert cross_val_score(search, X, X.y, cv=FoldSplit(), error_score="raise").shape == (3,)


def test_source_leak_warns_and_folds_do_not():
    # Two clips a recording, in one fold here.
    X = lazy(folds=np.ones(CLIPS, int), sources=np.arange(CLIPS) // 2)
    net = small(max_epochs=1).fit(X[::2], X.y[::2])
    with pytest.warns(SourceLeakWarning, match="20 of the 20"):
        net.score(X[1::2], X.y[1::2])
    with pytest.warns(SourceLeakWarning):
        net.predict_proba(X[1::2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.predict(X[::2])
        small(max_epochs=1, train_split=HoldOutFold()).fit(lazy(), lazy().y)


def test_partial_fits_are_all_remembered():
    X = lazy(folds=np.ones(CLIPS, int), sources=np.arange(CLIPS) // 2)
    net = small(max_epochs=1).partial_fit(X[:8], X.y[:8]).partial_fit(X[8:16:2], X.y[8:16:2])
    assert len(net.fitted_clips_.clips) == 12
    with pytest.warns(SourceLeakWarning):
        net.predict(X[9:16:2])


def test_a_new_fit_forgets_the_clips_of_the_one_before(X):
    net = small(max_epochs=1).fit(X[X.folds == 1], X.y[X.folds == 1])
    assert net.fit(X[X.folds == 2], X.y[X.folds == 2]).fitted_clips_.folds == {2}


# Saving


def test_pickle_and_joblib(X, tmp_path):
    net = small().fit(X, X.y)
    joblib.dump(net, tmp_path / "net.joblib")
    for loaded in (pickle.loads(pickle.dumps(net)), joblib.load(tmp_path / "net.joblib")):
        np.testing.assert_array_equal(loaded.classes_, NAMES)
        np.testing.assert_array_equal(loaded.predict_proba(X), net.predict_proba(X))
        loaded.fit(X, X.y)


@pytest.mark.slow
def test_skops(X, tmp_path):
    skops = pytest.importorskip("skops.io")
    net = small(max_epochs=2).fit(X, X.y)
    skops.dump(net, tmp_path / "net.skops")
    trusted = skops.get_untrusted_types(file=tmp_path / "net.skops")
    loaded = skops.load(tmp_path / "net.skops", trusted=trusted)
    np.testing.assert_array_equal(loaded.classes_, NAMES)
    np.testing.assert_array_equal(loaded.predict(X), net.predict(X))


@pytest.mark.parametrize("safetensors", [False, True])
def test_saved_weights_keep_their_labels(X, tmp_path, safetensors):
    if safetensors:
        pytest.importorskip("safetensors")
    net = small().fit(X, X.y)
    net.save_params(f_params=tmp_path / "net.pt", f_history=tmp_path / "history.json", use_safetensors=safetensors)
    loaded = small()
    loaded.load_params(f_params=tmp_path / "net.pt", use_safetensors=safetensors)
    np.testing.assert_array_equal(loaded.predict(X), net.predict(X))
    np.testing.assert_array_equal(loaded.predict_proba(X), net.predict_proba(X))
    file = io.BytesIO()
    net.save_params(file, use_safetensors=safetensors)
    file.seek(0)
    other = small().fit(X, X.target % 2)  # of another number of classes
    other.load_params(file, use_safetensors=safetensors)
    np.testing.assert_array_equal(other.predict(X), net.predict(X))


def test_checkpoint_of_skorch(X, tmp_path):
    checkpoint = Checkpoint(monitor="valid_loss_best", dirname=str(tmp_path), load_best=True)
    net = small(train_split=HoldOutFold(), callbacks=[checkpoint]).fit(X, X.y)
    other = small()
    other.load_params(f_params=tmp_path / "params.pt")
    np.testing.assert_array_equal(other.predict_proba(X), net.predict_proba(X))
    net.load_params(checkpoint=checkpoint)
    np.testing.assert_array_equal(other.predict_proba(X), net.predict_proba(X))


# Looking


def test_summary_counts_parameters_before_and_after_fit(X):
    before = small().summary(X)
    net = small(max_epochs=1).fit(X, X.y)
    counted = sum(parameter.numel() for parameter in net.module_.parameters())
    assert before.total_params == net.summary(X).total_params == counted
    assert "Conv2d" in str(before)
    assert small().summary(rows()[0], ["a", "b"] * 20).total_params != counted
    net = small()
    net.summary(X)
    assert not hasattr(net, "classes_")
    with pytest.raises(ValueError, match="requires y"):
        net.summary(rows()[0])


# Errors


WRONG = {
    "a waveform": (lambda X: (X.map(flatten), X.y), ValueError, "look like waveforms.*MelSpectrogram"),
    "one clip": (lambda X: (X.map(first_band), X.y), ValueError, "3D array, got 2D"),
    "one class": (lambda X: (X, ["dog"] * CLIPS), ValueError, "one class only, .*'dog'"),
    "no labels": (lambda X: (X, None), ValueError, "requires y"),
    "too few labels": (lambda X: (X, X.y[:-1]), ValueError, "40 clips and y has 39 labels"),
    "NaN labels": (lambda X: (X, np.where(X.target == 1, np.nan, X.target)), ValueError, "y contains NaN"),
    "infinite labels": (lambda X: (X, np.where(X.target == 1, np.inf, X.target)), ValueError, "y contains infinity"),
    "missing names": (lambda X: (X, np.where(X.target == 1, None, X.y)), ValueError, "y contains NaN"),
    "numbers to regress": (lambda X: (X, X.target + 0.5), ValueError, "[Uu]nknown label type|continuous"),
    "a matrix of something else": (lambda X: (X, np.full((CLIPS, 2), 3)), ValueError, "must be an indicator matrix"),
    "lists of labels": (lambda X: (X, [["dog"], ["dog", "cat"]] * 20), ValueError, "MultiLabelBinarizer"),
    "pd.NA": (lambda X: (X, pd.array([pd.NA, "dog"] * 20)), ValueError, "y contains NaN"),
    "no clips": (lambda X: (X[:0], X.y[:0]), ValueError, "X is empty"),
    "paths": (lambda X: (np.array(["a.wav", "b.wav"]), ["a", "b"]), TypeError, "Put a feature in front"),
    "NaN": (lambda X: (X.map(spoil), X.y), ValueError, "X contains NaN"),
}


def flatten(batch):
    return batch.reshape(len(batch), -1)


def first_band(batch):
    return batch[:, 0]


def spoil(batch):
    return np.where(batch > -30, np.nan, batch).astype(np.float32)


@pytest.mark.parametrize("what", WRONG)
def test_wrong_training_data_says_what_to_do(what, X):
    make, error, message = WRONG[what]
    with pytest.raises(error, match=message):
        small().fit(*make(X))


def test_recordings_and_datasets_are_refused_with_advice(tiny_store, X):
    with pytest.raises(TypeError, match=r"make_pipeline\(MelSpectrogram\(\), ConvNetClassifier\(\)\)"):
        small().fit(tiny_store.audio, tiny_store.y)
    with pytest.raises(TypeError, match=r"X is a whole store: give store\['mel'\]"):
        small().fit(tiny_store, tiny_store.y)
    with pytest.raises(TypeError, match="not a Dataset"):
        small().fit(ClipDataset(X), X.y)


def test_spectrograms_to_the_rnn(X):
    with pytest.raises(ValueError, match=r"look like spectrograms.*store\['waveform'\]"):
        RNNClassifier().fit(X, X.y)


def test_prediction_checks(X):
    with pytest.raises(NotFittedError, match="call fit"):
        small().predict(X)
    with pytest.raises(NotFittedError, match="call fit"):
        small().initialize().predict(X)
    net = small(max_epochs=1).fit(X, X.y)
    with pytest.raises(ValueError, match=r"clips of shape \(8, 6\).*fitted on clips of shape\s\(8, 12\)"):
        net.predict(X.map(halve))
    with pytest.raises(ValueError, match=r"one clip.*X\[np.newaxis\]"):
        net.predict(X[0])
    with pytest.raises(ValueError, match="X is empty"):
        net.predict(X[:0])
    with pytest.raises(ValueError, match="NaN"):
        net.predict(X.map(spoil))


def test_diverging_training_says_so(X):
    with pytest.raises(ValueError, match="lower lr"):
        small(lr=1e30, optimizer=torch.optim.SGD).fit(X, X.y)
