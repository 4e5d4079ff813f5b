"""What a lazy X is, what its stored numbers mean, and which clips of it leak."""

import linecache
from dataclasses import replace

import numpy as np
import pytest

from esc_features import StoreArray
from esc_features.exceptions import SourceLeakWarning
from esc_features.lazy import (
    FittedClips,
    LazyArray,
    Recordings,
    SourceLeak,
    as_float32,
    is_lazy,
    is_recordings,
    remember_sources,
    take_rows,
    warn_source_leak,
)

ROWS = np.arange(24.0).reshape(6, 4)
SOURCES = ["a", "a", "b", "b", "c", "c"]


def lazy(sources=SOURCES, folds=1, dataset="birds", names=None):
    folds = np.broadcast_to(folds, 6)
    return StoreArray.from_numpy(ROWS, sources=sources, folds=folds, dataset=dataset, filenames=names)


class Windows:
    """Another lazy X: windows of the recordings x, y and z, two each."""

    dataset = "birds"

    def __init__(self, rows):
        self.rows = rows

    @property
    def filenames(self):
        return np.repeat(["x.wav", "y.wav", "z.wav"], 2)[self.rows]

    @property
    def sources(self):
        return self.filenames

    @property
    def folds(self):
        return np.ones(len(self.rows), np.int64)


class KnownWindows(Windows):
    @property
    def clip_keys(self):
        return [
            (name, 3.0 * (row % 2), 3.0 * (row % 2) + 3) for name, row in zip(self.filenames, self.rows, strict=True)
        ]


class TestWhatItIs:
    def test_an_array_of_a_store_and_not_a_plain_one(self, tiny_store):
        assert is_lazy(tiny_store["mel"]) and isinstance(tiny_store["mel"], LazyArray) and is_lazy(lazy())
        assert not is_lazy(ROWS) and not is_lazy([[1.0]]) and not is_lazy(tiny_store.audio)

    @pytest.mark.parametrize("name", ["take", "map"])
    def test_nothing_less(self, name):
        part = type(
            "Part", (), {key: value for key, value in vars(StoreArray).items() if key not in (name, "__dict__")}
        )
        assert not is_lazy(part.__new__(part))

    def test_recordings(self, tiny_store):
        assert is_recordings(tiny_store.audio) and isinstance(tiny_store.audio, Recordings)
        assert not is_recordings(tiny_store["mel"]) and not is_recordings(ROWS)


class TestNumbers:
    def test_float32_stays_the_array_that_it_is(self):
        batch = np.ones(3, np.float32)
        assert as_float32(batch) is batch

    @pytest.mark.parametrize("dtype, scale", [("int16", 32768), ("float16", 1), ("float64", 1), ("int32", 1)])
    def test_of_another_type(self, dtype, scale):
        batch = np.array([-32768, -1, 0, 5, 32767]).clip(*(-60000, 60000)).astype(dtype)
        found = as_float32(batch)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, (batch.astype(np.float64) / scale).astype(np.float32))

    @pytest.mark.parametrize("X", [ROWS, lazy()], ids=["ndarray", "lazy"])
    def test_rows_are_taken(self, X):
        if is_lazy(X):
            X.byte_limit = 0  # and nothing else is read
        np.testing.assert_array_equal(take_rows(X, [4, 0, 4]), ROWS[[4, 0, 4]])


class TestLeaks:
    def test_counts_new_clips_whose_recording_was_fitted_on(self):
        X = lazy()
        fitted = FittedClips.of(X[[0, 2]])
        assert fitted == FittedClips("birds", frozenset(X[[0, 2]].clip_keys), frozenset({"a", "b"}), frozenset({1}))
        # Two of the four others are of "a" and "b"; clips that were fitted on do not count.
        assert fitted.leaks(X) == SourceLeak(clips=2, of=4, sources=2)
        assert fitted.leaks(lazy(["a"] * 6)[[1, 2, 3]]) == SourceLeak(clips=2, of=2, sources=1)
        assert fitted.leaks(X[[0, 4, 5]]) is None

    def test_other_folds_and_other_data_sets_are_none(self):
        fitted = FittedClips.of(lazy()[[0]])
        assert fitted.leaks(lazy(folds=[1, 2, 2, 2, 2, 2])[[1]]) is None
        assert fitted.leaks(lazy(dataset="frogs")[[1]]) is None
        assert fitted.leaks(ROWS) is None and FittedClips.of(ROWS) is None

    def test_of_two_fits_are_those_of_both(self):
        X = lazy(folds=[1, 1, 2, 2, 3, 3])
        both = FittedClips.of(X[[0]]) | FittedClips.of(X[[2]])
        assert both == FittedClips.of(X[[0, 2]])
        assert both.leaks(X[[1, 3, 5]]) == SourceLeak(2, 3, 2)
        assert both | None is both and both | FittedClips.of(lazy(dataset="frogs")) is both
        assert replace(both, dataset="frogs").leaks(X) is None

    def test_windows_of_one_recording_are_clips_of_their_own(self):
        fitted = FittedClips.of(KnownWindows([0]))
        assert fitted.leaks(KnownWindows([1])) == SourceLeak(1, 1, 1)
        assert fitted.leaks(KnownWindows([0])) is None
        # Without keys a file is one clip, from its start to its end.
        assert FittedClips.of(Windows([0])).clips == {("x.wav", 0.0, np.inf)}
        assert FittedClips.of(Windows([0])).leaks(Windows([1])) is None

    def test_the_warning_says_how_many_and_where(self):
        def score():  # as a method of an estimator does
            warn_source_leak(estimator, X)

        X, estimator = lazy(), type("Tree", (), {})()
        with pytest.warns(SourceLeakWarning, match=r"2 of the 4 clips .* that Tree .* from 2 recordings") as caught:
            remember_sources(estimator, X[[0, 2]])
            score()
        (warning,) = caught
        assert linecache.getline(warning.filename, warning.lineno).strip() == "score()"
        warn_source_leak(type("Unfitted", (), {})(), X)  # an error in this suite, were there a warning
