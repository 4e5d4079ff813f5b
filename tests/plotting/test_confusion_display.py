"""Confusion matrices: the counts are scikit-learn's, every category is legible, data set and model are named."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, confusion_matrix
from sklearn.pipeline import make_pipeline

from esc_features import StoreArray
from esc_features.plotting import ConfusionDisplay

CATEGORIES = ["rain", "dog", "cow"]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def predictions():
    rng = np.random.default_rng(0)
    return {name: tuple(rng.choice(CATEGORIES, (2, clips))) for name, clips in [("training", 40), ("held out", 11)]}


def cells(ax):
    side = round(len(ax.texts) ** 0.5)
    return np.array([int(text.get_text()) for text in ax.texts]).reshape(side, side)


def test_counts_are_those_of_scikit_learn_in_the_order_given(predictions):
    display = ConfusionDisplay.from_predictions(predictions, categories=CATEGORIES)
    for ax, (name, (true, predicted)) in zip(display.ax_, predictions.items(), strict=True):
        np.testing.assert_array_equal(cells(ax), confusion_matrix(true, predicted, labels=CATEGORIES))
        assert [label.get_text() for label in ax.get_xticklabels()] == CATEGORIES
        accuracy = 100 * accuracy_score(true, predicted)
        assert ax.get_title() == f"{name}: {accuracy:.0f} % accuracy ({len(true)} clips)"
    assert [label.get_text() for label in display.ax_[0].get_yticklabels()] == CATEGORIES


def test_rows_are_the_true_categories():
    display = ConfusionDisplay.from_predictions({"": (["dog", "dog", "cow"], ["dog", "cow", "cow"])})
    np.testing.assert_array_equal(cells(display.ax_[0]), [[1, 0], [1, 1]])
    assert (display.ax_[0].get_xlabel(), display.ax_[0].get_ylabel()) == ("Predicted", "True")


def test_colours_are_shares_of_the_true_category():
    display = ConfusionDisplay({"": [[30, 10], [1, 1]]}, ["a", "b"]).plot()
    np.testing.assert_allclose(display.ax_[0].images[0].get_array(), [[0.75, 0.25], [0.5, 0.5]])
    assert display.ax_[0].images[0].get_clim() == (0, 1)


def test_categories_that_do_not_occur_are_left_out_and_the_order_is_kept(predictions):
    display = ConfusionDisplay.from_predictions(predictions, categories=["siren", *CATEGORIES, "wind"])
    assert display.categories == CATEGORIES


def test_from_estimator_draws_the_training_and_the_held_out_clips():
    folds = np.repeat([1, 2], 6)
    y = np.array(["dog", "cow", "dog", "cow", "dog", "dog", "dog", "dog", "dog", "dog", "dog", "cow"])
    X = StoreArray.from_numpy(np.zeros((12, 2)), folds=folds, dataset="demo")
    model = make_pipeline("passthrough", DummyClassifier()).fit(X[folds != 2], y[folds != 2])
    by_fold = ConfusionDisplay.from_estimator(model, X, y, held_out=2)
    by_mask = ConfusionDisplay.from_estimator(model, X, y, held_out=folds == 2, title="mine")
    assert list(by_fold.matrices) == ["training", "held out"]
    for display in (by_fold, by_mask):
        np.testing.assert_array_equal(display.matrices["held out"], [[0, 1], [0, 5]])
        np.testing.assert_array_equal(display.matrices["training"], [[0, 2], [0, 4]])
    assert by_fold.figure_.get_suptitle() == "DummyClassifier, demo"
    assert by_mask.figure_.get_suptitle() == "mine"


@pytest.mark.slow
@pytest.mark.parametrize("count", [4, 10, 50])
def test_every_category_is_legible(count):
    names = [f"category_{number}" for number in range(count)]
    y = np.repeat(names, 3)
    display = ConfusionDisplay.from_predictions({"training": (y, y), "held out": (y, np.roll(y, 1))}, title="demo")
    display.figure_.canvas.draw()
    boxes = [label.get_window_extent() for label in display.ax_[0].get_yticklabels()]
    assert len(boxes) == count
    assert all(upper.y0 >= lower.y1 - 1 for upper, lower in pairwise(boxes))
    assert bool(display.ax_[0].texts) is (count <= 12)
    colour_bars = len(display.figure_.axes) - 2
    assert colour_bars == (count > 12)


def test_draws_into_given_axes(predictions):
    figure, axes = plt.subplots(1, 2)
    display = ConfusionDisplay.from_predictions(predictions, ax=axes, title="left to the figure's owner")
    assert display.figure_ is figure
    assert figure.get_suptitle() == ""
    with pytest.raises(ValueError, match="2 axes are needed, but 1 were given"):
        ConfusionDisplay.from_predictions(predictions, ax=axes[0])


def test_refuses_what_does_not_belong_together(predictions):
    with pytest.raises(ValueError, match="one row and one column per category"):
        ConfusionDisplay({"a": [[1]]}, ["a", "b"])
    with pytest.raises(ValueError, match="categories lacks cow, dog, rain"):
        ConfusionDisplay.from_predictions(predictions, categories=["a"])
    with pytest.raises(ValueError, match="one category per clip"):
        ConfusionDisplay.from_predictions({"": (np.eye(2), np.eye(2))})
