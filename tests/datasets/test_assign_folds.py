"""assign_folds: sources stay whole, categories are spread, and the seed alone decides."""

import collections

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esc_features.datasets import assign_folds, check_clips, load_clips
from esc_features.exceptions import ClipTableError


def table(sources, **columns):
    names = [f"{number}.wav" for number in range(len(sources))]
    return check_clips(pd.DataFrame({"filename": names, "path": "/x", "src_file": sources, **columns}))


sources_and_categories = st.lists(st.tuples(st.integers(0, 12), st.sampled_from("abc")), min_size=2, max_size=40)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(sources_and_categories, st.integers(2, 4), st.integers(0, 3), st.booleans())
def test_sources_stay_whole_no_fold_is_empty_and_order_does_not_matter(rows, n_folds, seed, several):
    sources, categories = zip(*rows, strict=True)
    labels = {"labels": [tuple(set(c) - {"c"}) for c in categories]} if several else {"category": categories}
    clips = table([f"s{source}" for source in sources], **labels)
    if len(set(sources)) < n_folds:
        with pytest.raises(ClipTableError, match=rf"Use at most {len(set(sources))} folds\."):
            assign_folds(clips, f"source:{n_folds}:{seed}")
        return
    folds = assign_folds(clips, f"source:{n_folds}:{seed}")
    fold_of = folds.groupby("src_file")["fold"].agg(["nunique", "first"])
    assert (fold_of["nunique"] == 1).all()
    assert set(folds["fold"]) == set(range(1, n_folds + 1))
    shuffled = assign_folds(clips.sample(frac=1, random_state=1), f"source:{n_folds}:{seed}")
    assert shuffled.sort_index()["fold"].equals(folds["fold"])
    assert folds.drop(columns="fold").equals(clips.drop(columns="fold"))


@pytest.mark.parametrize("seed", range(5))
def test_clips_that_are_their_own_sources_are_spread_as_evenly_as_can_be(seed):
    rng = np.random.default_rng(seed)
    categories = rng.choice(list("abcdef"), 300, p=[0.4, 0.3, 0.2, 0.05, 0.03, 0.02])
    clips = assign_folds(table(range(300), category=categories), f"source:7:{seed}")
    for _, folds in clips.groupby("category")["fold"]:
        counts = collections.Counter(folds)
        assert max(counts.values()) - min(counts[fold] for fold in range(1, 8)) <= 1
    sizes = clips["fold"].value_counts()
    assert sizes.max() - sizes.min() <= 3


def test_labels_are_spread(demo_folder):
    rng = np.random.default_rng(0)
    labels = [tuple(label for label, share in zip("abc", (0.5, 0.2, 0.1), strict=True) if rng.random() < share)
              for _ in range(400)]  # fmt: skip
    clips = assign_folds(table(range(400), labels=labels))
    for label in "abc":
        counts = clips[[label in each for each in clips["labels"]]]["fold"].value_counts()
        assert counts.max() - counts.min() <= 2, label


def test_another_seed_other_folds_and_the_table_says_which(demo_folder):
    clips = load_clips(demo_folder, folds_by="source:3")
    assert clips.attrs["folds_by"] == "source:3:0"
    again = load_clips(demo_folder, folds_by="source:3:0")
    assert clips.equals(again)
    other = load_clips(demo_folder, folds_by="source:3:1")
    assert not clips["fold"].equals(other["fold"])
    assert len(load_clips(demo_folder, folds_by="source:3", folds=[1, 2])) < len(clips)


@pytest.mark.parametrize("folds_by", ["", "5", "source", "source:1", "source:0", "source:x", "random:5", "source:5:-1"])
def test_other_forms_are_refused(demo_folder, folds_by):
    with pytest.raises(ClipTableError, match=r"Folds cannot be made by .* Use 'source:5'"):
        load_clips(demo_folder, folds_by=folds_by)
