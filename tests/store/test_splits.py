"""Splits that share clips or recordings between their sides, noticed before they are used."""

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from esc_features import extract, load_clips


@pytest.fixture(scope="module")
def store(demo_folder, tmp_path_factory):
    """Clips in pairs of one recording: within folds, and one pair in folds 1 and 4."""
    clips = load_clips(demo_folder)
    clips["src_file"] = [f"{fold} {number // 2}" for number, fold in enumerate(clips["fold"])]
    one, other = clips.index[clips["fold"] == 1][0], clips.index[clips["fold"] == 4][0]
    clips.loc[[one, other], "src_file"] = "of both"
    return extract(clips, tmp_path_factory.mktemp("splits") / "store", features="mfcc", n_jobs=1, verbose=False)


def test_a_clip_on_both_sides(store):
    name = store["mfcc"].filenames[3]
    with pytest.raises(ValueError, match=rf"1 clips are in both the training and the test set \({name}\)"):
        store.check_split([0, 1, 3], [3, 20])


def test_a_recording_on_both_sides(store):
    sources = store.sources
    source = next(name for name in sources if (sources == name).sum() > 1 and name != "of both")
    first, *rest = np.flatnonzero(sources == source)
    others = np.flatnonzero(sources != source)
    with pytest.raises(ValueError, match=rf"{len(rest)} of the {len(rest)} test clips come from 1 recordings"):
        store.check_split([first, *others], rest)


def test_a_recording_of_two_official_folds_is_agreed_upon(store):
    for train, test in store.cv().split(store["mfcc"]):
        store.check_split(train, test)
    mixed = store.folds != 1
    mixed[np.flatnonzero(store.folds == 1)[-1]] = True  # now fold 1 is on both sides, and its recordings count
    with pytest.raises(ValueError, match="test clips come from"):
        store.check_split(mixed, ~mixed)


def test_a_checked_splitter_gives_the_splits_of_its_own(store):
    cv = GroupKFold(4)
    checked = store.checked(cv)
    given = list(checked.split(store["mfcc"], store.y, store.sources))
    wanted = list(cv.split(np.zeros(40), store.y, store.sources))
    for (train, test), (wanted_train, wanted_test) in zip(given, wanted, strict=True):
        np.testing.assert_array_equal(train, wanted_train)
        np.testing.assert_array_equal(test, wanted_test)
    assert checked.get_n_splits() == 4 and "GroupKFold" in repr(checked)


@pytest.mark.parametrize("X", ["mfcc", "numbers", "part"])
def test_a_checked_splitter_stops_at_the_first_leak(store, X):
    """Whether X is of the store, or only as long as it; of a part of a store, the part is what is split."""
    y, part = store.y, store.folds <= 3
    X = {"mfcc": store["mfcc"], "numbers": store["mfcc"].to_numpy(), "part": store["mfcc"][part]}[X]
    y = y[part] if len(X) < 40 else y
    for cv in (KFold(5, shuffle=True, random_state=0), StratifiedKFold(5, shuffle=True, random_state=0)):
        with pytest.raises(ValueError, match="the score will be too good"):
            cross_val_score(KNeighborsClassifier(1), X, y, cv=store.checked(cv), error_score="raise")
    scores = cross_val_score(KNeighborsClassifier(1), store["mfcc"], store.y, cv=store.checked(store.cv()))
    assert len(scores) == 5
