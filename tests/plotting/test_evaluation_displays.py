"""The displays of a leaderboard: what they draw is what they were given."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from esc_features.plotting import (
    VERMILION,
    CategoryScoresDisplay,
    ComparisonDisplay,
    ConfusionDisplay,
    LeaderboardDisplay,
    ReliabilityDisplay,
)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def dots(display):
    return [line for line in display.ax_.lines if line.get_marker() == "o"]


class TestLeaderboard:
    def test_long_names_of_published_results_stay_inside_the_figure(self):
        name = "EnvNet-v2 + augmentation + between-class learning (Tokozume 2018)"
        display = LeaderboardDisplay({"a": [70.0, 80.0]}, published=[(name, 91.4), (name, 88.0)], chance=10).plot()
        display.figure_.canvas.draw()
        (legend,) = display.figure_.legends
        box, figure = legend.get_window_extent(), display.figure_.bbox
        assert figure.x0 <= box.x0 and box.x1 <= figure.x1

    def test_equal_folds_do_not_hide_each_other(self):
        display = LeaderboardDisplay({"a": [70.0, 70.0, 70.0, 80.0], "b": [60.0] * 4}).plot()
        for line in dots(display):
            assert len(set(map(tuple, line.get_xydata().round(6)))) == 4
        assert dots(display)[0].get_xdata().tolist() == [70, 70, 70, 80]
        low, high = sorted(display.ax_.get_ylim())
        assert all(low < height < high for line in dots(display) for height in line.get_ydata())

    def test_interval_chance_published_and_marks(self):
        display = LeaderboardDisplay(
            {"a": [70.0, 80.0], "b": [60.0, 66.0]}, {"a": (75.0, 71.0, 79.0)}, pretrained=["b"], same_as_best=["b"],
            published=[("human", 95.7)], chance=25.0, title="demo\nPARTIAL",
        ).plot()  # fmt: skip
        reach = [list(line.get_xdata()) for line in display.ax_.lines if len(line.get_xdata()) == 2]
        assert [71.0, 79.0] in reach and [25.0, 25.0] in reach and [95.7, 95.7] in reach
        assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["a", "b ≈"]
        legend = [text.get_text() for text in display.figure_.legends[0].get_texts()]
        assert "chance" in legend and any("human: 95.7 (published)" in text for text in legend)
        assert "PARTIAL" in display.ax_.get_title()

    def test_numbers_of_published_results_do_not_hide_each_other(self):
        display = LeaderboardDisplay(
            {"a": [70.0]}, published=[("x", 97.0), ("y", 96.8), ("z", 96.7), ("h", 81.0)]
        ).plot()
        display.figure_.canvas.draw()
        boxes = [text.get_bbox_patch().get_window_extent() for text in display.ax_.texts if text.get_text() in "1234"]
        assert len(boxes) == 4 and not any(one.overlaps(two) for one, two in itertools.combinations(boxes, 2))

    def test_pretrained_methods_are_told_by_their_colour(self):
        display = LeaderboardDisplay({"a": [70.0], "b": [60.0], "c": [50.0]}, pretrained={"b"}).plot()
        assert [line.get_color() == VERMILION for line in dots(display)] == [False, True, False]

    def test_no_chance_line_where_it_is_not_known(self):
        display = LeaderboardDisplay({"a": [70.0]}, chance=np.nan).plot()
        assert not any(line.get_linestyle() == ":" for line in display.ax_.lines)

    def test_nothing_to_show(self):
        with pytest.raises(ValueError, match="at least one method"):
            LeaderboardDisplay({})


def test_the_colours_of_a_leaderboard_are_those_of_its_pretraining():
    """What is not known to be pretrained, or not stated, is not drawn as pretrained."""
    from types import SimpleNamespace

    from esc_features.evaluation import METRICS, Facts

    table = pd.DataFrame(
        {"method": ["a", "b", "c"], "accuracy": [0.9, 0.8, 0.7], "low": 0.6, "high": 0.95, "same_as_best": True,
         "pretraining": ["ImageNet", "none", "not stated"]}
    )  # fmt: skip
    by_fold = pd.DataFrame({"fold1": [0.9, 0.8, 0.7], "fold2": [np.nan, 0.6, 0.7]}, index=["a", "b", "c"])
    facts = Facts("noises", None, 10, 5, ("x", "y"), ("fold1",), "p")
    board = SimpleNamespace(
        metric=METRICS["accuracy"], table=table, facts=facts, by_fold=by_fold, landmarks=[], stamps=(), chance=0.5
    )
    display = LeaderboardDisplay.from_leaderboard(board)
    assert display.pretrained == {"a"} and display.chance == 50 and display.same_as_best == {"b", "c"}
    assert [values.tolist() for values in display.scores.values()] == [[90], [80, 60], [70, 70]]


class TestComparison:
    def test_colours_only_what_is_told_apart(self):
        pairs = pd.DataFrame(
            {"method": ["a", "a", "b", "b", "c", "c"], "other": ["b", "c", "a", "c", "a", "b"],
             "difference": [0.01, 0.2, -0.01, 0.19, -0.2, -0.19], "low": [-0.02, 0.1, -0.04, 0.1, -0.3, -0.28],
             "high": [0.04, 0.3, 0.02, 0.28, -0.1, -0.1]}
        )  # fmt: skip
        display = ComparisonDisplay(pairs).plot()
        shown = display.ax_.images[0].get_array()
        np.testing.assert_allclose(shown, 0.01 * np.array([[0, 0, 50], [0, 0, 48.25], [-50, -48.25, 0]]))
        assert display.ax_.images[0].get_clim() == (-1, 1)
        bold = {text.get_text().split("\n")[0] for text in display.ax_.texts if text.get_weight() == "bold"}
        assert bold == {"+20.0", "+19.0", "-20.0", "-19.0"}
        assert display.ax_.texts[0].get_text() == "+1.0\n-2.0 to 4.0"
        plain = ComparisonDisplay(pairs, is_share=False).plot()
        assert plain.ax_.texts[0].get_text() == "+0.010\n-0.020 to 0.040"


class TestReliability:
    def test_points_and_error(self):
        confidence = [0.95, 0.95, 0.95, 0.95, 0.55, 0.55]
        display = ReliabilityDisplay(confidence, [1, 1, 1, 0, 1, 0], bins=10).plot()
        (line,) = dots(display)
        np.testing.assert_allclose(line.get_xydata(), [[0.55, 0.5], [0.95, 0.75]])
        assert display.error_ == pytest.approx((4 * 0.2 + 2 * 0.05) / 6)
        assert ReliabilityDisplay([0.7], [1]).error_ == pytest.approx(0.3)
        bars = [(bar.get_x(), bar.get_width(), bar.get_height()) for bar in display.ax_.patches]
        np.testing.assert_allclose(bars, [(n / 10, 0.1, {5: 1 / 3, 9: 2 / 3}.get(n, 0)) for n in range(10)])

    def test_is_the_metric(self):
        from esc_features.evaluation import METRICS, HeldOut

        rng = np.random.default_rng(0)
        scores = rng.dirichlet(np.ones(5), 200).astype(np.float32)
        truth = rng.integers(5, size=200)
        clips = pd.DataFrame({"filename": range(200), "start": 0.0, "end": 1.0, "src_file": "a", "split": "all"})
        held = HeldOut(clips, tuple("abcde"), truth, scores.argmax(axis=1), scores, "probability")
        display = ReliabilityDisplay(scores.max(axis=1), scores.argmax(axis=1) == truth)
        assert display.error_ == pytest.approx(METRICS["ece"](held)[0])


class TestCategories:
    def test_best_first_with_intervals(self):
        recalls = pd.DataFrame(
            {"category": ["dog", "cow", "rain"], "clips": 8, "recall": [0.5, 1.0, 0.75], "low": [0.2, 0.7, 0.5],
             "high": [0.8, 1.0, 0.9]}
        )  # fmt: skip
        display = CategoryScoresDisplay(recalls).plot()
        assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["cow", "rain", "dog"]
        assert [patch.get_width() for patch in display.ax_.patches] == [100, 75, 50]
        assert all(patch.get_height() < 1 for patch in display.ax_.patches), "bars hide each other"
        ends = display.ax_.collections[0].get_segments()
        np.testing.assert_allclose([segment[:, 0] for segment in ends], [[70, 100], [50, 90], [20, 80]])


def test_means_over_seeds_have_one_decimal():
    display = ConfusionDisplay({"": [[37 + 1 / 3, 2 / 3], [0, 40]]}, ["a", "b"]).plot(named=1)
    assert [text.get_text() for text in display.ax_[0].texts] == ["37.3", "0.7", "0", "40"]
    assert display.figure_._supxlabel.get_text() == "a mistaken for b, 0.7 clips"


def test_the_largest_confusions_are_named():
    matrix = [[8, 3, 0], [1, 9, 0], [0, 5, 5]]
    display = ConfusionDisplay({"": matrix}, ["a", "b", "c"]).plot(named=2)
    assert display.figure_._supxlabel.get_text().splitlines() == [
        "c mistaken for b, 5 clips",
        "a mistaken for b, 3 clips",
    ]
