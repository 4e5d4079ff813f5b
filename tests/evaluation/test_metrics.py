"""Each metric against scikit-learn, whose `sample_weight` is what a resampling is."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from esc_features.evaluation import METRICS, HeldOut
from esc_features.evaluation._metrics import choose_metrics


def held_out(truth, scores, predicted=None, splits=None, kind="probability"):
    truth, scores = np.asarray(truth), np.asarray(scores, np.float32)
    several = truth.ndim == 2
    if predicted is None:
        predicted = (scores > 0.5).astype(np.int8) if several else scores.argmax(axis=1)
    names = [f"{row}.wav" for row in range(len(truth))]
    clips = pd.DataFrame({"filename": names, "start": 0.0, "end": np.inf, "src_file": names})
    clips["split"] = "fold1" if splits is None else splits
    categories = tuple("abcdefghij"[: scores.shape[1]])
    return HeldOut(clips, categories, truth.astype(np.int8 if several else np.int64), predicted, scores, kind)


@st.composite
def one_label(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    clips, categories = draw(st.integers(4, 40)), draw(st.integers(2, 7))
    truth = rng.integers(categories, size=clips)
    scores = rng.dirichlet(np.ones(categories), clips).astype(np.float32)
    if draw(st.booleans()):  # many ties, as k-NN has them
        scores = np.float32(rng.multinomial(8, np.ones(categories) / categories, clips) / 8)
    return truth, scores, rng.integers(0, 4, size=(3, clips)).astype(float)


@st.composite
def several_labels(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    clips, categories = draw(st.integers(4, 40)), draw(st.integers(2, 6))
    truth = (rng.random((clips, categories)) < 0.4).astype(np.int8)
    scores = rng.random((clips, categories)).astype(np.float32)
    if draw(st.booleans()):
        scores = np.round(scores, 1)
    return truth, scores, rng.integers(0, 4, size=(3, clips)).astype(float)


def one_by_one(truth, scores, weights, metric):
    """Mean over the categories that have clips with it and without it, as sample_weight counts them."""
    found = []
    for category in range(truth.shape[1]):
        true, there = truth[:, category], weights > 0
        if true[there].any() and (metric is reference.average_precision_score or not true[there].all()):
            found.append(metric(true[there], scores[there, category], sample_weight=weights[there]))
    return np.mean(found) if found else np.nan


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The y_prob values")  # float32
@settings(deadline=None, max_examples=30)
@given(one_label())
def test_one_label_per_clip(data):
    truth, scores, weights = data
    held, predicted, rows = held_out(truth, scores), scores.argmax(axis=1), range(len(weights))
    matrix, labels = np.eye(scores.shape[1])[truth], np.arange(scores.shape[1])
    weights[:, 0] += 1  # something is drawn
    for name, function in {
        "accuracy": lambda w: reference.accuracy_score(truth, predicted, sample_weight=w),
        "log_loss": lambda w: reference.log_loss(truth, scores.astype(float), sample_weight=w, labels=labels),
        "map": lambda w: one_by_one(matrix, scores, w, reference.average_precision_score),
        "macro_auc": lambda w: one_by_one(matrix, scores, w, reference.roc_auc_score),
    }.items():
        found = METRICS[name](held, weights)
        np.testing.assert_allclose(found, [function(weights[row]) for row in rows], rtol=1e-5, err_msg=name)
    for row in rows:
        there = weights[row] > 0
        kept = {"y_true": truth[there], "y_pred": predicted[there], "sample_weight": weights[row][there]}
        assert METRICS["macro_f1"](held, weights)[row] == pytest.approx(reference.f1_score(**kept, average="macro"))
        present = np.unique(truth[there])
        recall = reference.recall_score(**kept, labels=present, average="macro", zero_division=0)
        assert METRICS["macro_recall"](held, weights)[row] == pytest.approx(recall)


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(several_labels())
def test_several_labels_per_clip(data):
    truth, scores, weights = data
    weights[:, 0] += 1
    held, said = held_out(truth, scores), (scores > 0.5).astype(int)
    for row, w in enumerate(weights):
        assert METRICS["map"](held, weights)[row] == pytest.approx(
            one_by_one(truth, scores, w, reference.average_precision_score), nan_ok=True, rel=1e-5
        )
        assert METRICS["macro_auc"](held, weights)[row] == pytest.approx(
            one_by_one(truth, scores, w, reference.roc_auc_score), nan_ok=True, rel=1e-5
        )
        there = w > 0
        f1 = reference.f1_score(truth[there], said[there], sample_weight=w[there], average=None, zero_division=np.nan)
        wanted = np.nanmean(f1) if (~np.isnan(f1)).any() else np.nan
        assert METRICS["macro_f1"](held, weights)[row] == pytest.approx(wanted, nan_ok=True)
        assert METRICS["accuracy"](held, weights)[row] == pytest.approx(
            reference.accuracy_score(truth, said, sample_weight=w)
        )
        losses = [
            reference.log_loss(truth[:, c], scores[:, c].astype(float), sample_weight=w, labels=[0, 1])
            for c in range(truth.shape[1])
        ]
        assert METRICS["log_loss"](held, weights)[row] == pytest.approx(np.mean(losses), rel=1e-5)


def test_top5_is_scikit_learns_where_nothing_ties():
    rng = np.random.default_rng(0)
    truth, scores = rng.integers(10, size=200), rng.dirichlet(np.ones(10), 200)
    wanted = reference.top_k_accuracy_score(truth, scores, k=5, labels=np.arange(10))
    assert METRICS["top5"](held_out(truth, scores))[0] == pytest.approx(wanted)


def test_top5_of_ties_is_the_mean_over_their_orders():
    """The true category ties with five others for two places that are left: two of six."""
    scores = np.zeros((1, 10))
    scores[0, :3], scores[0, 3:9] = 0.2, 0.05
    assert METRICS["top5"](held_out([8], scores))[0] == pytest.approx(2 / 6)
    scores = np.full((1, 10), 0.1)
    assert METRICS["top5"](held_out([3], scores))[0] == pytest.approx(0.5)


def test_calibration_error_by_hand():
    """Two bins: of four clips said at 0.9 two are right, of two said at 0.6 both: (4 * 0.4 + 2 * 0.4) / 6."""
    scores = np.array([[0.9, 0.1]] * 4 + [[0.6, 0.4]] * 2)
    held = held_out([0, 0, 1, 1, 0, 0], scores)
    assert METRICS["ece"](held)[0] == pytest.approx(0.4, abs=1e-6)
    weights = np.array([[1.0, 1, 0, 0, 0, 0]])
    assert METRICS["ece"](held, weights)[0] == pytest.approx(0.1, abs=1e-6)


def test_calibrated_probabilities_have_little_error_and_sharpened_ones_have_much():
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(4), 20_000)
    truth = (scores.cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    sharp = scores**3 / (scores**3).sum(axis=1, keepdims=True)
    assert METRICS["ece"](held_out(truth, scores))[0] < 0.015
    assert METRICS["ece"](held_out(truth, sharp))[0] > 0.1


def test_folds_count_the_same_whatever_their_size():
    """Three of four right on one fold, none of one on the other; macro F1 pools them."""
    truth, predicted = np.array([0, 0, 1, 1, 0]), np.array([0, 0, 1, 0, 1])
    held = held_out(truth, np.eye(2)[predicted], predicted, ["fold1"] * 4 + ["fold2"])
    assert METRICS["accuracy"](held)[0] == pytest.approx((0.75 + 0) / 2)
    assert METRICS["macro_f1"](held)[0] == pytest.approx(reference.f1_score(truth, predicted, average="macro"))


def test_what_a_method_does_not_say_is_not_a_number():
    held = held_out([0, 1], [[0.5, -3], [0, 2]], kind="decision")
    assert np.isnan(METRICS["log_loss"](held)[0]) and METRICS["macro_auc"](held)[0] == 1.0
    held = held_out([0, 1], [[1, 0], [0, 1]], kind="none")
    assert np.isnan(METRICS["map"](held)[0]) and METRICS["accuracy"](held)[0] == 1.0


def test_defaults_and_mistakes():
    assert choose_metrics(None, True, 4)[0].name == "map"
    assert "top5" in [metric.name for metric in choose_metrics(None, False, 50)]
    assert choose_metrics(None, False, 4)[0].name == "accuracy"
    with pytest.raises(ValueError, match="one category each"):
        choose_metrics("top5", True, 50)
    with pytest.raises(ValueError, match="Did you mean 'macro_f1'"):
        choose_metrics("macrof1", False, 4)
