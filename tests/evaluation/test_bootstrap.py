"""Intervals against closed forms, and against simulations whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from esc_features.evaluation import METRICS, HeldOut
from esc_features.evaluation._bootstrap import difference, interval, resample_scores

ACCURACY = METRICS["accuracy"]


def held_out(right, sources):
    right = np.asarray(right).astype(np.int64)
    names = [f"{row}.wav" for row in range(len(right))]
    clips = pd.DataFrame({"filename": names, "start": 0.0, "end": np.inf, "src_file": np.asarray(sources, object)})
    scores = np.eye(2, dtype=np.float32)[right]
    return HeldOut(clips.assign(split="all"), ("a", "b"), np.ones(len(right), np.int64), right, scores, "probability")


def resampled(right, sources, resamplings=2000):
    return resample_scores({"m": [held_out(right, sources)]}, ACCURACY, resamplings)["m"]


@pytest.mark.slow
def test_the_spread_is_that_of_the_mean_where_clips_are_independent():
    right = np.random.default_rng(0).random(300) < 0.7
    scores = resampled(right, [f"s{row}" for row in range(300)], 20_000)
    assert scores[0] == pytest.approx(right.mean())
    assert scores[1:].std() == pytest.approx(right.std() / np.sqrt(300), rel=0.03)
    found = interval(scores, 300, True)
    reach = 1.96 * right.std() / np.sqrt(300)
    assert (found.low, found.high) == pytest.approx((right.mean() - reach, right.mean() + reach), abs=0.006)


def test_clips_of_one_recording_are_drawn_together():
    """Four clips per recording that are right or wrong together know no more than one."""
    per_source = np.random.default_rng(0).random(100) < 0.7
    right, sources = np.repeat(per_source, 4), np.repeat([f"s{row}" for row in range(100)], 4)
    assert resampled(right, sources, 20_000)[1:].std() == pytest.approx(per_source.std() / 10, rel=0.03)


def test_recordings_of_different_size_are_a_ratio():
    """The linearised standard error of a ratio (Cochran, 1977, section 2.11) for clusters of any size."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 8, 150)
    hits = rng.binomial(sizes, rng.beta(3, 1, 150))
    right = np.concatenate([np.r_[np.ones(hit), np.zeros(size - hit)] for hit, size in zip(hits, sizes, strict=True)])
    scores = resampled(right, np.repeat([f"s{row}" for row in range(150)], sizes), 20_000)
    ratio = hits.sum() / sizes.sum()
    error = np.sqrt(((hits - ratio * sizes) ** 2).sum()) / sizes.sum()
    assert scores[1:].std() == pytest.approx(error, rel=0.04)


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say():
    """A simulation whose truth is known: recordings that are hard or easy, with one to five clips each.

    95 % intervals hold it 95 % of the time; those that take clips for independent are too narrow.
    """
    rng = np.random.default_rng(1)
    truth, hits, naive = 0.7, 0, 0
    for _ in range(300):
        sizes = rng.integers(1, 6, 120)
        sources = np.repeat([f"s{row}" for row in range(120)], sizes)
        right = rng.random(sizes.sum()) < np.repeat(rng.beta(0.7 * 0.8, 0.3 * 0.8, 120), sizes)
        found = interval(resampled(right, sources, 400), 120, True)
        hits += found.low <= truth <= found.high
        reach = 1.96 * right.std() / np.sqrt(len(right))
        naive += abs(right.mean() - truth) <= reach
    # 300 trials at 95 %: between 274 and 295 with 99.9 %; the percentile interval's own error is one percent.
    assert 270 <= hits <= 297 and naive < 255


@pytest.mark.slow
def test_paired_differences_hold_the_truth_and_are_narrower_than_unpaired_ones():
    rng = np.random.default_rng(2)
    hits, narrower = 0, []
    for _ in range(200):
        easy = rng.normal(size=(150, 1))  # a recording is easy or hard for both methods
        clips = easy + 0.5 * rng.normal(size=(150, 2))
        sources = np.repeat([f"s{row}" for row in range(150)], 2)
        one, two = (clips > -0.5).ravel(), (clips + 0.2 * rng.normal(size=clips.shape) > -0.2).ravel()
        scores = resample_scores({"one": [held_out(one, sources)], "two": [held_out(two, sources)]}, ACCURACY, 400)
        found = difference(scores["one"], scores["two"])
        width = interval(scores["one"], 150, True)
        narrower.append((found.high - found.low) / (width.high - width.low))
        normal = stats.norm(scale=np.sqrt(1.25)).cdf(0.5) - stats.norm(scale=np.sqrt(1.29)).cdf(0.2)
        hits += found.low <= normal <= found.high
    assert 180 <= hits <= 198 and np.mean(narrower) < 1.0


def test_the_same_recordings_are_drawn_for_all_methods():
    rng = np.random.default_rng(0)
    right, sources = rng.random(50) < 0.6, [f"s{row % 20}" for row in range(50)]
    order = rng.permutation(50)
    scores = resample_scores(
        {"one": [held_out(right, sources)], "two": [held_out(right[order], np.array(sources)[order])]}, ACCURACY
    )
    np.testing.assert_allclose(scores["one"], scores["two"])
    found = difference(scores["one"], scores["two"])
    assert (found.value, found.low, found.high) == (0, 0, 0) and found.holds_zero


def test_seeds_are_averaged_draw_by_draw():
    rng = np.random.default_rng(0)
    one, two = rng.random(60) < 0.5, rng.random(60) < 0.9
    sources = [f"s{row}" for row in range(60)]
    both = resample_scores({"m": [held_out(one, sources), held_out(two, sources)]}, ACCURACY)["m"]
    np.testing.assert_allclose(both, (resampled(one, sources) + resampled(two, sources)) / 2)


def test_what_drawing_twice_adds_to_every_score_is_taken_off():
    moved = np.random.default_rng(0).normal(0.1, 0.02, 100_000)
    found = interval(np.r_[0.06, moved], 100, is_share=True)
    assert (found.low, found.high) == (pytest.approx(0.0208, abs=5e-4), pytest.approx(0.0992, abs=5e-4))
    found = interval(np.r_[0.01, moved], 100, is_share=True)
    assert (found.low, found.high) == (0.0, pytest.approx(0.0492, abs=5e-4))  # no share is below 0
    assert interval(np.r_[0.01, moved], 100, is_share=False).low == pytest.approx(-0.0292, abs=5e-4)
    assert interval(np.r_[0.99, moved], 100, is_share=True).high == 1.0


def test_a_method_that_is_never_wrong_is_not_certain():
    """Clopper and Pearson for 40 of 40, from the beta distribution."""
    found = interval(resampled(np.ones(40), [f"s{row}" for row in range(40)]), 40, True)
    assert (found.low, found.high) == (pytest.approx(stats.beta.ppf(0.025, 40, 1)), 1.0)
    found = interval(resampled(np.zeros(40), [f"s{row}" for row in range(40)]), 40, True)
    assert (found.low, found.high) == (0.0, pytest.approx(stats.beta.ppf(0.975, 1, 40)))


def test_large_boards_are_drawn_in_parts_that_change_nothing(monkeypatch):
    from esc_features.evaluation import _bootstrap

    right, sources = np.random.default_rng(0).random(100) < 0.5, [f"s{row % 30}" for row in range(100)]
    whole = resampled(right, sources)
    monkeypatch.setattr(_bootstrap, "_CELLS_AT_ONCE", 700)
    np.testing.assert_allclose(resampled(right, sources), whole)


SIMULATED = ("accuracy", "macro_f1", "log_loss", "ece", "map", "macro_auc")


def simulated(seed, recordings=300):
    """Two methods on recordings of one to five clips, hard or easy for both; ten categories, five folds."""
    rng = np.random.default_rng(seed)
    sizes = rng.choice([1, 1, 2, 3, 5], recordings)
    source = np.repeat(np.arange(recordings), sizes)
    truth, hard = rng.integers(10, size=recordings)[source], rng.normal(size=recordings)[source]
    clips = pd.DataFrame({"filename": np.arange(len(source)).astype(str), "start": 0.0, "end": np.inf})
    clips["src_file"], clips["split"] = [f"s{number}" for number in source], [f"fold{number % 5}" for number in source]
    for quality in (1.5, 1.2):
        known = quality + hard + 0.3 * rng.normal(size=len(source))
        scores = np.exp(1.5 * (rng.normal(size=(len(source), 10)) + known[:, None] * np.eye(10)[truth]))
        scores = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
        yield HeldOut(clips, tuple("abcdefghij"), truth, scores.argmax(axis=1), scores, "probability")


@pytest.mark.hunt
def test_how_often_the_intervals_of_each_metric_contain_the_truth(trials=300):
    """What the docstring of `Leaderboard` says of them, in two minutes: `pytest -m hunt -s`."""
    truths = [{name: float(METRICS[name](held)[0]) for name in SIMULATED} for held in simulated(99, 100_000)]
    hits = {name: np.zeros(3) for name in SIMULATED}
    for trial in range(trials):
        one, two = simulated([7, trial])
        for name in SIMULATED:
            scores = resample_scores({"one": [one], "two": [two]}, METRICS[name], 500, seed=trial)
            found = [interval(scores[key], 300, METRICS[name].is_share) for key in ("one", "two")]
            found.append(difference(scores["one"], scores["two"]))
            true = [truths[0][name], truths[1][name], truths[0][name] - truths[1][name]]
            hits[name] += [each.low <= value <= each.high for each, value in zip(found, true, strict=True)]
    shares = {name: 100 * count / trials for name, count in hits.items()}
    print("\n".join(f"{name}: {share.round(1)}" for name, share in shares.items()))
    for name, share in shares.items():
        assert share[2] > 87, "of the differences"
        assert share.min() > {"ece": 78, "map": 85}.get(name, 91), name
