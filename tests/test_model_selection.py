"""The splitters, and the warning about sources on both sides."""

import warnings

import numpy as np
import pytest
import scipy.sparse
from sklearn.model_selection import GridSearchCV, PredefinedSplit, cross_validate
from sklearn.tree import DecisionTreeClassifier

from esc_features import StoreArray
from esc_features.exceptions import SourceLeakWarning
from esc_features.lazy import remember_sources, warn_source_leak
from esc_features.model_selection import FoldSplit, HoldOutFold

FOLDS = np.array([1, 2, 3, 1, 2, 3, 5, 5])


def make_array(folds=FOLDS, sources=None, filenames=None, dataset="memory"):
    array = np.arange(len(folds) * 2.0).reshape(-1, 2)
    return StoreArray.from_numpy(array, folds=folds, sources=sources, filenames=filenames, dataset=dataset)


class TestFoldSplit:
    def test_is_predefined_split_in_ascending_order(self):
        ours = list(FoldSplit().split(make_array()))
        theirs = list(PredefinedSplit(FOLDS).split())
        assert len(ours) == FoldSplit().get_n_splits(make_array()) == 4
        for (train, test), (train_reference, test_reference) in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(train, train_reference)
            np.testing.assert_array_equal(test, test_reference)

    def test_takes_its_own_folds_for_a_plain_array(self):
        splits = list(FoldSplit(FOLDS).split(np.zeros((8, 3))))
        assert [FOLDS[test].tolist() for _, test in splits] == [[1, 1], [2, 2], [3, 3], [5, 5]]

    @pytest.mark.parametrize("X", [scipy.sparse.csr_matrix((8, 3)), [[0.0]] * 8], ids=["sparse", "list"])
    def test_takes_its_own_folds_for_whatever_has_rows(self, X):
        assert [FOLDS[test].tolist() for _, test in FoldSplit(FOLDS).split(X)] == [[1, 1], [2, 2], [3, 3], [5, 5]]
        with pytest.raises(ValueError, match="7 folds for its 8 rows"):
            list(FoldSplit(FOLDS[1:]).split(X))

    def test_folds_of_the_array_win(self):
        view = make_array()[FOLDS != 2]
        assert FoldSplit(FOLDS).get_n_splits(view) == 3

    def test_folds_of_an_array_of_the_same_length_win_too(self):
        """Survivor L02: the splitter's own folds are for an X without any."""
        tests = [test.tolist() for _, test in FoldSplit(np.arange(8) // 4).split(make_array())]
        assert tests == [[0, 3], [1, 4], [2, 5], [6, 7]]

    @pytest.mark.parametrize("splitter", [FoldSplit(), FoldSplit([1, 2])])
    def test_a_plain_array_without_folds_is_an_error(self, splitter):
        with pytest.raises(ValueError, match="FoldSplit"):
            list(splitter.split(np.zeros((8, 3))))

    def test_folds_are_counted_without_an_array(self):
        assert FoldSplit(FOLDS).get_n_splits() == 4
        with pytest.raises(ValueError, match="no folds for its 0 rows"):
            FoldSplit().get_n_splits()

    def test_one_fold_is_an_error(self):
        with pytest.raises(ValueError, match="at least two"):
            list(FoldSplit().split(make_array()[FOLDS == 1]))

    def test_nested_search_stays_inside_the_training_folds(self):
        seen = []

        class Recorder(DecisionTreeClassifier):
            def fit(self, X, y, **kwargs):
                seen.append(tuple(np.unique(X.folds)))
                return super().fit(X.to_numpy(), y, **kwargs)

            def predict(self, X, **kwargs):
                return super().predict(X.to_numpy(), **kwargs)

        search = GridSearchCV(Recorder(), {"max_depth": [1, 2]}, cv=FoldSplit())
        cross_validate(search, make_array(), np.arange(8) % 2, cv=FoldSplit(), error_score="raise")
        assert {folds for folds in seen if len(folds) == 2} == {(1, 2), (1, 3), (1, 5), (2, 3), (2, 5), (3, 5)}


class TestHoldOutFold:
    def dataset(self, folds=FOLDS):
        from skorch.dataset import Dataset

        return Dataset(make_array(folds), np.zeros(len(folds), int))

    @pytest.mark.parametrize("fold, held_out", [(None, 5), (2, 2)])
    def test_holds_out_one_training_fold(self, fold, held_out):
        dataset = self.dataset()
        train, valid = HoldOutFold(fold)(dataset)
        assert train.dataset is valid.dataset is dataset
        assert set(FOLDS[valid.indices]) == {held_out}
        assert held_out not in FOLDS[train.indices] and len(train) + len(valid) == len(FOLDS)

    def test_one_of_two_folds_can_be_held_out(self):
        train, valid = HoldOutFold()(self.dataset(np.array([1, 2, 1])))
        assert (train.indices.tolist(), valid.indices.tolist()) == ([0, 2], [1])

    @pytest.mark.parametrize("split, folds", [(HoldOutFold(4), FOLDS), (HoldOutFold(), [1, 1])])
    def test_a_fold_that_cannot_be_held_out(self, split, folds):
        with pytest.raises(ValueError, match="held out"):
            split(self.dataset(np.array(folds)))

    def test_print(self):
        assert repr([HoldOutFold(), HoldOutFold(2)]) == "[HoldOutFold(), HoldOutFold(2)]"

    def test_an_array_without_folds(self):
        from skorch.dataset import Dataset

        with pytest.raises(ValueError, match="knows its folds"):
            HoldOutFold()(Dataset(np.zeros((4, 2)), np.zeros(4)))
        with pytest.raises(ValueError, match="knows its folds"):
            HoldOutFold()([0, 1])


class TestSourceLeak:
    sources = np.array(["a", "b", "c", "a", "b", "d", "e", "f"])

    class Fitted:
        pass

    def check(self, fitted_on, scored):
        estimator = self.Fitted()
        remember_sources(estimator, fitted_on)
        warn_source_leak(estimator, scored)

    def test_clips_of_a_fitted_source_warn_with_counts(self):
        X = make_array(sources=self.sources)
        with pytest.warns(SourceLeakWarning, match=r"2 of the 6 clips .* 2 recordings"):
            self.check(X[[0, 1]], X[2:])

    def test_the_fitted_clips_themselves_do_not(self):
        X = make_array(sources=self.sources)
        self.check(X[[0, 1]], X[[0, 1]])

    def test_the_official_folds_never_do(self):
        sources = np.array(["131943", "x", "131943", "y", "z", "x", "u", "u"])
        X = make_array(sources=sources)
        for fold in np.unique(FOLDS):
            self.check(X[fold != FOLDS], X[fold == FOLDS])

    def test_another_data_set_or_a_plain_array_does_not(self):
        X = make_array(sources=self.sources)
        self.check(X[[0, 1]], make_array(sources=self.sources, dataset="other")[2:])
        self.check(X[[0, 1]], np.zeros((3, 2)))
        self.check(np.zeros((3, 2)), X)

    def test_it_is_an_error_in_this_suite(self):
        X = make_array(sources=self.sources)
        with warnings.catch_warnings(), pytest.raises(SourceLeakWarning):
            warnings.simplefilter("error")
            self.check(X[[0, 1]], X[2:])
