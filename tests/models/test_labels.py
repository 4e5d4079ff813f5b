"""One label per clip and several: what the codec promises, against scikit-learn, closed forms and a plain loop."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_multilabel_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, label_ranking_average_precision_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from esc_features import StoreArray
from esc_features.augmentation import BatchTransform, Mixup
from esc_features.model_selection import FoldSplit, HoldOutFold
from esc_features.models import ClipClassifier, ConvNetClassifier
from esc_features.models._labels import BinaryCrossEntropy, OneLabel, SeveralLabels, learn_labels

CLIPS = 60
FOLDS = np.arange(CLIPS) % 5 + 1


def make_clips(n_classes=4):
    """Spectrograms in which every class that a clip has lights up a band of its own; the first clips have none."""
    rng = np.random.default_rng(0)
    y = (rng.random((CLIPS, n_classes)) < 0.4).astype(np.int8)
    y[:5] = 0
    X = rng.normal(-40, 3, (CLIPS, 2 * n_classes, 10)).astype(np.float32)
    X[:, ::2] += 25 * y[:, :, None]
    return X, y


X, Y = make_clips()
LAZY = StoreArray.from_numpy(X, folds=FOLDS)


def small(**parameters):
    return ConvNetClassifier(**{"max_epochs": 25, "batch_size": 16, "lr": 5e-3, "random_state": 0} | parameters)


class Linear(nn.Module):
    def __init__(self, input_size, n_classes):
        super().__init__()
        self.linear = nn.Linear(input_size, n_classes)

    def forward(self, x):
        return self.linear(x.flatten(1) / 40 + 1)


def linear(**parameters):
    defaults = {"max_epochs": 3, "batch_size": 20, "lr": 0.01, "random_state": 0, "iterator_train__shuffle": False}
    return ClipClassifier(Linear, **(defaults | parameters))


def plain_loop(y, loss):
    """The training of `linear`, written out."""
    start = linear(max_epochs=0).fit(X, y)
    module = start.module_.train()
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.01)
    clips, target = torch.from_numpy(X), torch.from_numpy(start.codec_.encode(y))
    for _ in range(3):
        for rows in torch.arange(CLIPS).split(20):
            optimizer.zero_grad()
            loss(module(clips[rows]), target[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        return module.eval()(clips)


class TestSeveralLabels:
    def test_the_columns_are_the_categories_of_x_where_it_has_as_many(self):
        rows, matrix = np.zeros((4, 8, 8), np.float32), np.eye(4, dtype=np.int8)
        for names, wanted in (
            (["cow", "dog", "hen", "rain"], ["cow", "dog", "hen", "rain"]),
            (["cow"] * 4, [0, 1, 2, 3]),
        ):
            net = small(max_epochs=1).fit(StoreArray.from_numpy(rows, y=names), matrix)
            assert net.classes_.tolist() == wanted

    @pytest.mark.slow
    def test_learns_what_each_clip_has_and_the_silent_ones_too(self):
        net = small().fit(LAZY, Y)
        predicted = net.predict(LAZY)
        assert predicted.dtype == np.int8 and predicted.shape == Y.shape
        assert (predicted == Y).mean() > 0.97
        assert (predicted[:5] == 0).mean() > 0.9
        probabilities = net.predict_proba(LAZY)
        np.testing.assert_array_equal(probabilities >= 0.5, predicted)
        assert net.score(LAZY, Y) == pytest.approx(average_precision_score(Y, probabilities, average="macro"))
        assert label_ranking_average_precision_score(Y, probabilities) > 0.97

    @pytest.mark.parametrize(
        "give",
        [
            lambda y: y.astype(bool),
            lambda y: y.astype(np.float64),
            lambda y: y.tolist(),
            lambda y: torch.from_numpy(y),
            lambda y: scipy.sparse.csr_matrix(y),
            lambda y: pd.DataFrame(y),
            lambda y: y.astype(object),
        ],
        ids=["bool", "float", "list", "tensor", "sparse", "DataFrame", "object"],
    )
    def test_any_indicator_matrix(self, give):
        expected = linear().fit(X, Y).predict_proba(X)
        np.testing.assert_array_equal(linear().fit(X, give(Y)).predict_proba(X), expected)

    def test_training_equals_a_plain_loop(self):
        expected = plain_loop(Y, nn.functional.binary_cross_entropy_with_logits).sigmoid()
        np.testing.assert_allclose(linear().fit(LAZY, Y).predict_proba(LAZY), expected, atol=1e-6)

    def test_balanced_weights_equal_those_of_scikit_learn_for_each_class(self):
        def loss(logits, y):
            total = 0.0
            for column in range(y.shape[1]):
                no, yes = compute_class_weight("balanced", classes=np.array([0, 1]), y=Y[:, column])
                weights = torch.where(y[:, column] == 1, yes, no)
                entropy = nn.functional.binary_cross_entropy_with_logits(
                    logits[:, column], y[:, column], reduction="none"
                )
                total = total + (weights * entropy).mean()
            return total / y.shape[1]

        expected = plain_loop(Y, loss).sigmoid()
        np.testing.assert_allclose(linear(class_weight="balanced").fit(X, Y).predict_proba(X), expected, atol=1e-5)

    def test_weights_by_class_multiply_its_share_of_the_loss(self):
        weights = torch.tensor([1.0, 5.0, 1.0, 1.0])
        expected = plain_loop(Y, nn.BCEWithLogitsLoss(weight=weights)).sigmoid()
        np.testing.assert_allclose(linear(class_weight={1: 5}).fit(X, Y).predict_proba(X), expected, atol=1e-6)
        named = linear(class_weight={"cow": 5}, classes=["cat", "cow", "dog", "hen"]).fit(X, Y)
        np.testing.assert_allclose(named.predict_proba(X), expected, atol=1e-6)
        with pytest.raises(ValueError, match=r"unknown classes: \['wolf'\]"):
            linear(class_weight={"wolf": 5}).fit(X, Y)

    def test_a_class_that_all_or_no_clips_have_is_weighed_like_any(self):
        y = Y.copy()
        y[:, 0], y[:, 1] = 0, 1
        weights = SeveralLabels(np.arange(4)).class_weights("balanced", y)
        assert weights["weight"][:2].tolist() == weights["pos_weight"][:2].tolist() == [1, 1]
        assert np.isfinite(linear(class_weight="balanced").fit(X, y).predict_proba(X)).all()

    def test_label_smoothing(self):
        def loss(logits, y):
            return nn.functional.binary_cross_entropy_with_logits(logits, 0.8 * y + 0.1)

        expected = plain_loop(Y, loss).sigmoid()
        net = linear(criterion__label_smoothing=0.2).fit(X, Y)
        np.testing.assert_allclose(net.predict_proba(X), expected, atol=1e-6)
        with pytest.raises(ValueError, match="label_smoothing"):
            BinaryCrossEntropy(label_smoothing=2)

    def test_mixed_labels_are_mixed_by_the_share_of_the_clips(self):
        seen = []

        class Watch(BatchTransform):
            def change(self, X, y, generator):
                seen.append((X, y))
                return X, y

        constant = np.repeat(Y[:, :, None], 5, axis=2).astype(np.float32)  # clips that are their own labels
        net = ClipClassifier(
            Linear, max_epochs=1, batch_size=20, random_state=0, iterator_train__transforms=[Mixup(1.0), Watch()]
        )
        net.fit(constant, Y)
        assert len(seen) == 3
        for clips, labels in seen:
            torch.testing.assert_close(clips[:, :, 0], labels)
            assert ((labels > 0) & (labels < 1)).any()

    def test_history_counts_right_decisions(self):
        net = small(max_epochs=8, train_split=HoldOutFold()).fit(LAZY, Y)
        held_out = LAZY[FOLDS == 5]
        assert net.history[-1, "valid_acc"] == pytest.approx((net.predict(held_out) == Y[FOLDS == 5]).mean())

    def test_names_of_the_columns(self):
        names = ["cat", "cow", "dog", "hen"]
        assert linear(classes=names).fit(X, Y).classes_.tolist() == names
        assert linear().partial_fit(X, Y, classes=names).classes_.tolist() == names
        assert linear().fit(X, Y).classes_.tolist() == [0, 1, 2, 3]
        with pytest.raises(ValueError, match="classes has 3 names and y has 4 columns"):
            linear(classes=names[:3]).fit(X, Y)

    def test_the_other_kind_of_labels_is_refused(self):
        net = linear().fit(X, Y)
        with pytest.raises(ValueError, match=r"indicator matrix of shape \(clips, 4\)"):
            net.partial_fit(X, Y[:, 0])
        with pytest.raises(ValueError, match="fitted on several labels"):
            net.score(X, Y[:, 0])
        with pytest.raises(ValueError, match="fitted on several labels"):
            net.partial_fit(X, Y[:, :2])
        with pytest.raises(ValueError, match="fitted on one label per clip"):
            linear().fit(X, Y[:, 0]).partial_fit(X, Y)

    @pytest.mark.slow
    def test_around_scikit_learn(self):
        scores = cross_val_score(small(max_epochs=8), LAZY, Y, cv=FoldSplit(), error_score="raise")
        assert scores.mean() > 0.8
        probabilities = cross_val_predict(small(max_epochs=2), LAZY, Y, cv=FoldSplit(), method="predict_proba")
        assert probabilities.shape == Y.shape
        search = GridSearchCV(
            small(max_epochs=8), {"lr": [1e-6, 5e-3]}, cv=FoldSplit(), scoring="average_precision", error_score="raise"
        )
        assert search.fit(LAZY, Y).best_params_ == {"lr": 5e-3}

    def test_scikit_learns_own_take_arrays_of_a_store(self):
        vectors = StoreArray.from_numpy(X.mean(axis=2), folds=FOLDS)
        for model in (OneVsRestClassifier(LogisticRegression()), KNeighborsClassifier(3)):
            predicted = cross_val_predict(model, vectors, Y, cv=FoldSplit())
            assert (predicted == Y).mean() > 0.9

    def test_score_weighs_clips(self):
        net, twice = linear().fit(X, Y), np.r_[np.arange(CLIPS), np.arange(20)]
        weights = np.where(np.arange(CLIPS) < 20, 2, 1)
        assert net.score(X, Y, sample_weight=weights) == pytest.approx(net.score(X[twice], Y[twice]))
        assert net.score(X, Y, sample_weight=weights) != pytest.approx(net.score(X, Y), abs=1e-6)
        y = np.arange(CLIPS) % 4
        net = linear().fit(X, y)
        assert net.score(X, y, sample_weight=weights) == pytest.approx(net.score(X[twice], y[twice]))

    def test_score_leaves_out_classes_without_a_positive_and_says_so(self):
        net = linear().fit(X, Y)
        y = Y.copy()
        y[:, 2] = 0
        probabilities = net.predict_proba(X)
        expected = np.mean([average_precision_score(y[:, c], probabilities[:, c]) for c in (0, 1, 3)])
        with pytest.warns(UserWarning, match="1 of 4 classes have no positive .* mean of the other 3"):
            assert net.score(X, y) == pytest.approx(expected)
        with pytest.raises(ValueError, match="No clip of y has a label"):
            net.score(X, np.zeros_like(y))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            net.score(X, Y)


class TestOneLabel:
    @pytest.mark.parametrize("strange", ["ant", "cow", "wolf"])  # before, between and behind those it knows
    def test_labels_that_it_does_not_know_are_named(self, strange):
        codec = OneLabel(np.array(["bee", "dog"]))
        np.testing.assert_array_equal(codec.encode(np.array(["dog", "bee"])), [1, 0])
        with pytest.raises(ValueError, match=rf"does not know: \['{strange}'\]; it knows \['bee', 'dog'\]"):
            codec.encode(np.array(["dog", strange]))

    @given(st.data())
    @settings(max_examples=25, deadline=None)
    def test_encode_and_decode_are_the_inverse_of_each_other(self, data):
        labels = data.draw(st.sampled_from([st.text(max_size=3), st.integers(-5, 5), st.booleans()]))
        y = np.array(data.draw(st.lists(labels, min_size=2)))
        if len(np.unique(y)) < 2:
            return
        codec = learn_labels(y)
        codes = codec.encode(y)
        np.testing.assert_array_equal(codes, np.unique(y, return_inverse=True)[1])
        np.testing.assert_array_equal(codec.labels(codes), y)
        np.testing.assert_array_equal(codec.decode(np.eye(len(codec))[codes]), y)

    def test_class_weights_stand_at_their_classes_where_some_have_no_clip(self):
        """Survivor M02: weights of the classes that are present, not of the first ones."""
        codec = OneLabel(np.array(["cat", "cow", "dog", "hen"]))
        y = np.array(["hen", "cow", "hen", "hen"])
        assert codec.class_weights({"hen": 7, "cow": 3}, y)["weight"].tolist() == [1, 3, 1, 7]
        balanced = codec.class_weights("balanced", y)["weight"]
        np.testing.assert_allclose(balanced, [1, 4 / 2 / 1, 1, 4 / 2 / 3])

    def test_weights_of_classes_reach_the_loss(self):
        y = np.array(["cow", "hen", "hen"])[np.arange(CLIPS) % 3]

        def loss(logits, codes):
            return nn.functional.cross_entropy(logits, codes, weight=torch.tensor([1.0, 2.0, 5.0]))

        def codes(kind):
            return {"cat": 0, "cow": 1, "hen": 2}[kind]

        start = linear(max_epochs=0, classes=["cat", "cow", "hen"]).fit(X, y)
        module = start.module_.train()
        optimizer = torch.optim.AdamW(module.parameters(), lr=0.01)
        target = torch.tensor([codes(kind) for kind in y])
        for _ in range(3):
            for rows in torch.arange(CLIPS).split(20):
                optimizer.zero_grad()
                loss(module(torch.from_numpy(X)[rows]), target[rows]).backward()
                optimizer.step()
        with torch.no_grad():
            expected = module.eval()(torch.from_numpy(X)).softmax(dim=1)
        net = linear(class_weight={"cow": 2, "hen": 5}, classes=["cat", "cow", "hen"]).fit(X, y)
        np.testing.assert_allclose(net.predict_proba(X), expected, atol=1e-6)

    @pytest.mark.parametrize("class_weight", [None, {1: 3}])
    def test_mixed_labels_reach_the_loss(self, class_weight):
        class WithTheNext(BatchTransform):
            mixes_labels = True

            def change(self, X, y, generator):
                return X, 0.7 * y + 0.3 * y.roll(1, dims=0)

        def loss(logits, codes):
            shares = nn.functional.one_hot(codes, 4).float()
            shares = 0.7 * shares + 0.3 * shares.roll(1, dims=0)
            weights = torch.tensor([1.0, 3.0, 1.0, 1.0]) if class_weight else torch.ones(4)
            return -(logits.log_softmax(dim=1) * shares * weights).sum(dim=1).mean()

        y = np.random.default_rng(0).integers(4, size=CLIPS)
        net = linear(class_weight=class_weight, iterator_train__transforms=WithTheNext()).fit(X, y)
        np.testing.assert_allclose(net.predict_proba(X), plain_loop(y, loss).softmax(dim=1), atol=1e-6)

    def test_accuracy_of_mixed_labels_is_the_share_that_was_guessed(self):
        """Survivor M09: not whether the strongest label was guessed."""
        logits, shares = torch.tensor([[5.0, 0, 0], [0, 9.0, 0]]), torch.tensor([[0.7, 0.3, 0], [0, 0.2, 0.8]])
        assert OneLabel(np.arange(3)).accuracy(logits, shares) == pytest.approx((0.7 + 0.2) / 2)

    def test_history_of_mixed_labels_is_that_share(self):
        net = linear(max_epochs=1, batch_size=CLIPS, iterator_train__transforms=[Mixup(1.0)], lr=0.0)
        seen = []

        class Watch(BatchTransform):
            def change(self, X, y, generator):
                seen.append((X, y))
                return X, y

        y = np.arange(CLIPS) % 4
        net.set_params(iterator_train__transforms=[Mixup(1.0), Watch()]).fit(X, y)
        (clips, shares), module = seen[0], net.module_
        guess = module(clips).argmax(dim=1)
        assert net.history[0, "train_acc"] == pytest.approx(shares[torch.arange(CLIPS), guess].mean().item(), abs=1e-6)


@pytest.mark.slow
def test_make_multilabel_classification_as_well_as_logistic_regression():
    vectors, y = make_multilabel_classification(200, 10, n_classes=3, random_state=0)
    vectors = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0) * 40 - 40  # undone in the module
    net = linear(max_epochs=60, lr=0.02, optimizer__weight_decay=0).fit(vectors[:150], y[:150])
    theirs = OneVsRestClassifier(LogisticRegression()).fit(vectors[:150] / 40 + 1, y[:150])
    expected = average_precision_score(y[150:], theirs.predict_proba(vectors[150:] / 40 + 1), average="macro")
    assert net.score(vectors[150:], y[150:]) == pytest.approx(expected, abs=0.02)
