"""StoreArray against numpy, and against everything that scikit-learn and joblib do to an X."""

import copy
import pickle
import warnings

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import partial_dependence
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    LeaveOneGroupOut,
    PredefinedSplit,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    train_test_split,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import _safe_indexing, indexable, resample, shuffle
from sklearn.utils.validation import _num_samples

from esc_features import StoreArray, open_store
from esc_features.exceptions import StoreError
from esc_features.store import _reductions


@pytest.fixture
def X(tiny_store):  # noqa: N802
    return tiny_store["mel"]


@pytest.fixture
def rows(X):
    return X.to_numpy()


@pytest.fixture
def unreadable(X, monkeypatch):
    """The array, in a world in which reading it whole raises."""

    def refuse(self, *args, **kwargs):
        raise AssertionError("all of X was read")

    monkeypatch.setattr(StoreArray, "__array__", refuse)
    monkeypatch.setattr(StoreArray, "to_numpy", refuse)
    return X


class ReadsOneBatch(ClassifierMixin, BaseEstimator):
    """Predicts from the mean of each clip, one clip at a time, as a net reads batches."""

    def __init__(self, offset=0.0):
        self.offset = offset

    def fit(self, X, y, sample_weight=None):
        self.classes_, encoded = np.unique(y, return_inverse=True)
        means = np.array([X[row].mean() for row in range(len(X))])
        self.means_ = np.array([means[encoded == code].mean() for code in range(len(self.classes_))])
        return self

    def predict_proba(self, X):
        means = np.array([X[row].mean() for row in range(len(X))])
        nearness = -np.abs(means[:, None] - self.means_ - self.offset)
        exponent = np.exp(nearness - nearness.max(axis=1, keepdims=True))
        return exponent / exponent.sum(axis=1, keepdims=True)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class TestIndexing:
    def test_is_what_numpy_has(self, X, rows):
        assert X.shape == rows.shape and X.dtype == rows.dtype and X.ndim == 3
        assert X.nbytes == rows.nbytes and X.size == rows.size and len(X) == len(rows)

    @pytest.mark.parametrize(
        "key",
        [
            slice(None),
            slice(3, 17),
            slice(None, None, -1),
            slice(20, 2, -3),
            [0, 5, 5, -1],
            np.array([7, 1]),
            np.array([2, 3], np.uint8),
            [],
            (slice(2, 9), Ellipsis),
            ([4, 2], Ellipsis),
            Ellipsis,
        ],
        ids=repr,
    )
    def test_a_key_gives_a_view_equal_to_numpy(self, X, rows, key):
        view = X[key]
        assert isinstance(view, StoreArray)
        wanted = rows[np.asarray(key, int)] if isinstance(key, list) else rows[key]
        np.testing.assert_array_equal(view.to_numpy(), wanted)

    def test_a_mask_gives_a_view(self, X, rows):
        mask = np.arange(len(X)) % 3 == 0
        np.testing.assert_array_equal(X[mask].to_numpy(), rows[mask])
        np.testing.assert_array_equal(X[mask.tolist(), ...].to_numpy(), rows[mask])

    def test_once_twice_thrice(self, X, rows):
        np.testing.assert_array_equal(X[10:][::2][[1, 0]].to_numpy(), rows[10:][::2][[1, 0]])

    @pytest.mark.parametrize("index", [0, -1, np.int32(3)], ids=repr)
    def test_an_integer_gives_one_owned_writable_clip(self, X, rows, index):
        clip = X[index]
        np.testing.assert_array_equal(clip, rows[index])
        assert type(clip) is np.ndarray and clip.flags.writeable and clip.flags.c_contiguous
        clip[:] = 0
        np.testing.assert_array_equal(X[index], rows[index])

    def test_iteration_ends(self, X, rows):
        np.testing.assert_array_equal(np.array(list(X[:3])), rows[:3])

    @pytest.mark.parametrize("index", [10**6, -(10**6), [0, 10**6], 40, [-41], [40, 0]], ids=repr)
    def test_out_of_bounds(self, X, index):
        with pytest.raises(IndexError, match="out of bounds"):
            X[index]

    @pytest.mark.parametrize("key", [1.5, [0.5], "a", np.zeros((2, 2), int), (0, None), [True]], ids=repr)
    def test_what_cannot_be_an_index(self, X, key):
        with pytest.raises(IndexError):
            X[key]

    @pytest.mark.slow
    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_any_chain_of_keys_is_numpy(self, data):
        array = np.arange(60.0).reshape(20, 3)
        view, wanted = StoreArray.from_numpy(array, folds=np.arange(20) % 4), array
        for _ in range(data.draw(st.integers(1, 4))):
            n = len(wanted)
            keys = [st.slices(n), st.lists(st.booleans(), min_size=n, max_size=n).map(lambda m: np.array(m, bool))]
            if n:
                keys.append(st.lists(st.integers(-n, n - 1), max_size=12).map(lambda k: np.array(k, int)))
            key = data.draw(st.one_of(keys))
            view, wanted = view[key], wanted[key]
            view = pickle.loads(pickle.dumps(view))
            np.testing.assert_array_equal(view.to_numpy(), wanted)
            np.testing.assert_array_equal(view.folds, wanted[:, 0] // 3 % 4)


class TestTake:
    def test_reads_rows_of_several_folds_in_any_order(self, X, rows):
        wanted = np.random.default_rng(0).integers(-len(X), len(X), 50)
        np.testing.assert_array_equal(X.take(wanted), rows[wanted])
        np.testing.assert_array_equal(X[::2].take([0, 3, 1]), rows[::2][[0, 3, 1]])

    def test_fills_what_it_is_given(self, X, rows):
        out = np.empty((3, *X.shape[1:]), X.dtype)
        assert X.take([5, 0, 30], out=out) is out
        np.testing.assert_array_equal(out, rows[[5, 0, 30]])
        mapped = X.map(np.negative)
        assert mapped.take([5, 0, 30], out=out) is out
        np.testing.assert_array_equal(out, -rows[[5, 0, 30]])

    @pytest.mark.parametrize("shape, dtype", [((2, 128, 157), "f4"), ((3, 128, 157), "f8"), ((3, 157, 128), "f4")])
    def test_refuses_what_does_not_fit(self, X, shape, dtype):
        with pytest.raises(ValueError, match="out must be"):
            X.take([0, 1, 2], out=np.empty(shape, dtype))


class TestInnerIndices:
    """`X[:, a:b]` and its like are lazy maps, and the same as numpy's."""

    @pytest.mark.parametrize(
        "key",
        [
            np.s_[:, 3:20],
            np.s_[:, :, 5],
            np.s_[..., 0],
            np.s_[2:30:4, 1, ::-2],
            np.s_[:, [5, 1, 1]],
            np.s_[..., -3:],
            np.s_[[4, 2], :, 1:3],
            np.s_[:, np.arange(128) % 3 == 0],
            np.s_[:, ..., 4],
            np.s_[5:5, :3],
        ],
        ids=repr,
    )
    def test_are_those_of_numpy(self, rows, unreadable, key):
        view = unreadable[key]
        assert isinstance(view, StoreArray)
        wanted = rows[key]
        assert view.shape == wanted.shape and view.dtype == wanted.dtype
        again = pickle.loads(pickle.dumps(view))
        np.testing.assert_array_equal(again.take(range(len(again))), wanted)
        np.testing.assert_array_equal(view.folds, unreadable[key[0] if key[0] is not Ellipsis else slice(None)].folds)

    @pytest.mark.parametrize("key", [np.s_[3, 1:4], np.s_[-1, 2, 3], np.s_[0, ..., 7], np.s_[2, :, [3, 1]]], ids=repr)
    def test_of_one_clip_are_numbers(self, X, rows, key):
        np.testing.assert_array_equal(X[key], rows[key])

    @pytest.mark.parametrize(
        ("key", "words"),
        [
            (np.s_[:, None], "new axis"),
            (np.s_[:, 1, 2, 3], "more parts than the 3 axes"),
            (np.s_[[1, 2], [3, 4]], r"X\[rows\]\[:, columns\]"),
            (np.s_[..., 1, ...], "Ellipsis|axes"),
        ],
    )
    def test_that_mean_something_else_say_so(self, X, key, words):
        with pytest.raises(IndexError, match=words):
            X[key]

    def test_dask(self, X, rows):
        dask_array = pytest.importorskip("dask.array")
        lazy = dask_array.from_array(X, chunks=(7, 64, 157))
        np.testing.assert_array_equal(lazy[3:12, :, ::10].compute(scheduler="sync"), rows[3:12, :, ::10])

    def test_column_transformer(self, tiny_store):
        X, y = tiny_store["mfcc"], tiny_store.y
        columns = ColumnTransformer([("means", StandardScaler(), slice(0, 12)), ("rest", "passthrough", [20, 25])])
        np.testing.assert_allclose(columns.fit_transform(X, y), columns.fit_transform(X.to_numpy(), y))

    def test_partial_dependence(self, tiny_store):
        X, y = tiny_store["mfcc"], tiny_store.target
        model = DecisionTreeRegressor(max_depth=3, random_state=0).fit(X, y)
        for method in ("brute", "recursion"):
            one = partial_dependence(model, X, [3], method=method, grid_resolution=5)
            other = partial_dependence(model, X.to_numpy(), [3], method=method, grid_resolution=5)
            np.testing.assert_allclose(one["average"], other["average"])

    def test_copy_is_the_numbers_and_has_the_limit(self, tiny_store):
        X = open_store(tiny_store.path, byte_limit=10)["mfcc"]
        with pytest.raises(ValueError, match="to_numpy"):
            X.copy()
        copied = tiny_store["mfcc"].copy()
        copied[:] = 0
        assert tiny_store["mfcc"].max() != 0


class TestReductions:
    """In batches, and by any name: `X.mean()`, `np.mean(X)`."""

    @pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 2), (1, 2)], ids=repr)
    @pytest.mark.parametrize("name", ["mean", "sum", "var", "std", "min", "max"])
    def test_are_those_of_numpy(self, rows, unreadable, monkeypatch, name, axis):
        monkeypatch.setattr(_reductions, "_BATCH_BYTES", 300_000)  # three clips at a time
        wanted = getattr(rows.astype(np.float64), name)(axis=axis)
        for computed in (getattr(unreadable, name)(axis=axis), getattr(np, name)(unreadable, axis=axis)):
            np.testing.assert_allclose(computed, wanted, rtol=1e-5, atol=1e-5)
            assert computed.dtype == getattr(rows, name)(axis=axis).dtype
        kept = getattr(np, name)(unreadable, axis=axis, keepdims=True)
        assert kept.shape == getattr(rows, name)(axis=axis, keepdims=True).shape
        out = np.zeros_like(kept)
        assert getattr(unreadable, name)(axis=axis, keepdims=True, out=out) is out and np.array_equal(out, kept)

    def test_of_whole_numbers_and_parts(self):
        array = np.arange(60, dtype=np.int16).reshape(20, 3)
        X = StoreArray.from_numpy(array)[::3]
        assert X.sum() == array[::3].sum() and X.sum().dtype == array.sum().dtype
        assert np.std(X, ddof=1) == pytest.approx(array[::3].std(ddof=1))
        assert X.max() == 56 and np.min(X[:, 1:]) == 1
        with pytest.raises(np.exceptions.AxisError):
            X.mean(axis=2)
        with pytest.raises(ValueError, match="no clips"):
            X[:0].mean()


class TestMap:
    def test_is_lazy_and_composes(self, unreadable):
        mapped = unreadable.map(lambda batch: batch[:, :3].mean(axis=2)).map(lambda batch: batch * 2)
        assert mapped.shape == (len(unreadable), 3)
        np.testing.assert_array_equal(mapped[4], unreadable[4][:3].mean(axis=1) * 2)
        np.testing.assert_array_equal(mapped[[1, 0]].take([0])[0], mapped[1])

    def test_shape_and_dtype_are_those_after_the_last_function(self, X):
        mapped = X.map(_halves)
        assert mapped.shape == (len(X), 64, 157)
        again = mapped.map(np.float64)
        assert (again.shape, again.dtype) == ((len(X), 64, 157), np.float64)
        assert again.map(_halves).shape == (len(X), 32, 157) and mapped.dtype == np.float32

    def test_a_function_that_loses_rows_is_an_error(self, X):
        with pytest.raises(ValueError, match="one row per clip"):
            X.map(lambda batch: batch[:1]).take([0, 1])
        with pytest.raises(TypeError, match="function"):
            X.map(3)


def _halves(batch):
    return batch[:, ::2]


class TestGuards:
    def test_array_over_the_limit_says_what_to_do(self, tiny_store):
        X = open_store(tiny_store.path, byte_limit=10)["mel"]
        with pytest.raises(ValueError, match="to_numpy"):
            np.asarray(X)
        with pytest.raises(ValueError, match="to_numpy"):
            pickle.loads(pickle.dumps(X[3:]))[1:].__array__()

    def test_array_under_the_limit(self, X, rows):
        np.testing.assert_array_equal(np.asarray(X), rows)
        assert np.asarray(X, dtype="f8").dtype == np.float64
        with pytest.raises(ValueError, match="copy"):
            np.array(X, copy=False)

    @pytest.mark.parametrize(
        "operation",
        [
            lambda X: X == -80,
            lambda X: X != 0,
            lambda X: -80 == X,  # noqa: SIM300
            lambda X: X > 0,
            lambda X: np.zeros(3) > X,
            lambda X: np.zeros(3) >= X,
            lambda X: X * 2,
            lambda X: 2 - X,
            lambda X: np.ones(40) / X,
            lambda X: X**2,
            lambda X: X @ X,
            lambda X: -X,
            lambda X: abs(X),
            lambda X: ~X,
            lambda X: np.log1p(X),
            lambda X: np.add(X, 1),
            lambda X: np.isnan(X),
            lambda X: 3.0 in X,
        ],
    )
    def test_arithmetic_fails_at_once_and_says_what_to_do(self, unreadable, operation):
        with pytest.raises(TypeError, match=r"X\.map"):
            operation(unreadable)

    def test_nothing_is_assigned(self, unreadable):
        with pytest.raises(TypeError, match=r"X\.map"):
            unreadable[0] = 1

    @pytest.mark.parametrize("name", ["iloc", "fit", "is_sparse", "idx", "indices"])
    def test_has_nothing_that_makes_others_take_it_for_something_else(self, X, name):
        assert not hasattr(X, name)

    @pytest.mark.parametrize(
        "estimator",
        [StandardScaler(), LogisticRegression(), BaggingClassifier(), FunctionTransformer(validate=True)],
        ids=lambda estimator: type(estimator).__name__,
    )
    def test_estimators_for_tables_fail_before_reading(self, tiny_store, estimator):
        X = open_store(tiny_store.path, byte_limit=10)["mel"]
        with pytest.raises(ValueError, match="two-dimensional"):
            estimator.fit(X, tiny_store.y)


class TestTravelling:
    def test_pickle_is_small_whatever_the_size(self, tiny_store):
        for name in tiny_store:
            assert len(pickle.dumps(tiny_store[name])) < 1000
            assert len(pickle.dumps(tiny_store[name][tiny_store.folds != 3])) < 1100

    def test_pickle_brings_rows_folds_functions_and_limit(self, X, rows):
        X.byte_limit = 5
        try:
            view = pickle.loads(pickle.dumps(X[[7, 3, 3]].map(np.negative)))
        finally:
            X.byte_limit = 128 << 20
        np.testing.assert_array_equal(view.take([0, 1, 2]), -rows[[7, 3, 3]])
        np.testing.assert_array_equal(view.folds, X.folds[[7, 3, 3]])
        assert view.byte_limit == 5 and view.parameters == X.parameters

    @pytest.mark.parametrize("key", ["folds", "few", "none", "slice"])
    def test_pickle_brings_the_rows_of_any_view(self, X, rows, key):
        key = {"folds": X.folds % 2 == 1, "few": [39, 3], "none": [], "slice": slice(30, 2, -3)}[key]
        view = pickle.loads(pickle.dumps(X[key]))
        assert view.parameters == X.parameters
        np.testing.assert_array_equal(view.to_numpy(), rows[key])
        np.testing.assert_array_equal(view.filenames, X.filenames[key])

    def test_hash_follows_contents_and_rows(self, tiny_store):
        X = tiny_store["mel"]
        assert joblib.hash(X) == joblib.hash(open_store(tiny_store.path)["mel"])
        assert joblib.hash(X) != joblib.hash(X[1:]) != joblib.hash(tiny_store["waveform"][1:])

    def test_copies_are_itself(self, X):
        assert copy.copy(X) is X and copy.deepcopy(X) is X

    def test_a_handle_refuses_a_rebuilt_file(self, tiny_store, tmp_path):
        import shutil

        shutil.copytree(tiny_store.path, tmp_path / "store")
        X = open_store(tmp_path / "store")["mel"]
        first = X[0]
        pickled = pickle.dumps(X)
        other = tmp_path / "store/mel/fold2.h5"
        other.replace(tmp_path / "store/mel/fold1.h5")
        np.testing.assert_array_equal(X[0], first)  # what is open stays what it was
        with pytest.raises(StoreError, match="open_store"):
            pickle.loads(pickled)[0]
        with pytest.raises(StoreError, match="gone"):
            pickle.loads(pickled)[len(X) // 5]


class TestColumns:
    def test_travel_with_rows(self, tiny_store, X):
        key = [8, 2, 30]
        for name in ("folds", "sources", "filenames", "target", "y"):
            np.testing.assert_array_equal(getattr(X[key], name), getattr(X, name)[key])
        table = X[key].clips
        assert table["filename"].tolist() == X.filenames[key].tolist()
        assert {"fold", "target", "category", "src_file", "take", "notes"} <= set(table.columns)
        assert X.dataset == "demo" and X.feature_name == "mel" and X.parameters["n_mels"] == 128

    def test_repr_says_what_it_is(self, X):
        assert repr(X[X.folds == 2]) == f"StoreArray({(X.folds == 2).sum()} clips, (128, 157) float32, folds 2)"


class TestFromNumpy:
    def test_what_is_not_given_has_a_default(self):
        X = StoreArray.from_numpy(np.arange(3.0))
        assert X.shape == (3,) and X[2] == 2 and X[1:].take([0]).tolist() == [1]
        assert X.folds.tolist() == [1, 1, 1] and X.target.tolist() == [0, 0, 0] and X.categories == ["0"]
        assert X.clip_keys == [("0", 0, np.inf), ("1", 0, np.inf), ("2", 0, np.inf)]
        assert X.sources.tolist() == ["0", "1", "2"] and X.y.tolist() == ["0", "0", "0"]
        assert (X.dataset, X.feature_name, X.parameters, X.content_ids) == ("memory", "array", {}, ())
        X = StoreArray.from_numpy(np.zeros((3, 4)), target=[10, 9, 10], sources=[1, 1, 2])
        assert X.y.tolist() == ["10", "9", "10"] and X.target.tolist() == [10, 9, 10]
        assert X.categories == ["9", "10"] and X.sources.tolist() == ["1", "1", "2"]
        assert StoreArray.from_numpy(np.zeros((3, 4)), y=["rain", "dog", "rain"]).categories == ["dog", "rain"]

    def test_what_does_not_fit(self):
        with pytest.raises(ValueError, match=r"fold has the shape \(3,\) for 2 clips"):
            StoreArray.from_numpy(np.zeros((2, 4)), folds=[1, 2, 3])
        with pytest.raises(ValueError, match="at least one dimension"):
            StoreArray.from_numpy(np.float32(1))


class TestScikitLearnStaysLazy:
    """The list of reference/scikit-learn.md 1.2: any whole-array read raises."""

    @pytest.fixture
    def y(self, tiny_store):
        return tiny_store.y

    @pytest.fixture
    def cv(self, tiny_store):
        return tiny_store.cv()

    def test_helpers(self, unreadable, y):
        X = unreadable
        assert indexable(X, y)[0] is X and _num_samples(X) == len(X)
        for key in ([1, 2], np.array([1, 2]), slice(1, 3), np.arange(len(X)) < 2):
            assert isinstance(_safe_indexing(X, key), StoreArray)
        assert _safe_indexing(X, 3).shape == X.shape[1:]
        assert len(shuffle(X, random_state=0)) == len(X) and len(resample(X, n_samples=5, random_state=0)) == 5
        train, test = train_test_split(X, stratify=y, random_state=0)
        assert isinstance(train, StoreArray) and len(train) + len(test) == len(X)
        assert isinstance(train_test_split(X, shuffle=False)[0], StoreArray)

    def test_scores(self, unreadable, y, cv, tiny_store):
        X, net = unreadable, ReadsOneBatch()
        assert cross_val_score(net, X, y, cv=cv, error_score="raise").shape == (5,)
        cross_validate(net, X, y, cv=cv, return_train_score=True, return_estimator=True, return_indices=True)
        cross_val_predict(net, X, y, cv=cv)
        cross_val_predict(net, X, y, cv=cv, method="predict_proba")
        cross_val_score(net, X, y, cv=PredefinedSplit(tiny_store.folds - 1), error_score="raise")
        cross_val_score(net, X, y, cv=LeaveOneGroupOut(), groups=tiny_store.folds, error_score="raise")
        cross_val_score(DummyClassifier(), X, y, cv=cv, error_score="raise")

    def test_searches(self, unreadable, y, cv):
        grid = {"offset": [0.0, 1.0]}
        for search in (
            GridSearchCV(ReadsOneBatch(), grid, cv=cv, error_score="raise"),
            RandomizedSearchCV(ReadsOneBatch(), grid, n_iter=2, cv=cv, error_score="raise"),
            HalvingGridSearchCV(ReadsOneBatch(), grid, cv=2, min_resources=20, error_score="raise"),
        ):
            search.fit(unreadable, y)

    def test_curves(self, unreadable, y, cv):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            learning_curve(ReadsOneBatch(), unreadable, y, cv=cv, train_sizes=[0.5, 1.0], error_score="raise")
            validation_curve(ReadsOneBatch(), unreadable, y, param_name="offset", param_range=[0.0], cv=cv)
            permutation_test_score(ReadsOneBatch(), unreadable, y, cv=cv, n_permutations=1)

    @pytest.mark.slow
    def test_composition(self, unreadable, y, cv, tmp_path):
        X, net = unreadable, ReadsOneBatch()
        make_pipeline(FunctionTransformer(), "passthrough", net).fit(X, y).predict(X)
        Pipeline([("same", FunctionTransformer()), ("net", net)], memory=str(tmp_path)).fit(X, y).score(X, y)
        VotingClassifier([("a", net), ("b", net)]).fit(X, y).predict(X[:3])
        StackingClassifier([("a", net)], cv=2).fit(X, y).predict(X[:3])
        OneVsRestClassifier(net).fit(X, y).predict(X[:3])
        CalibratedClassifierCV(net, cv=2).fit(X, y).predict(X[:3])
        ConfusionMatrixDisplay.from_estimator(clone(net).fit(X, y), X, y)

    @pytest.mark.slow
    def test_across_processes_the_limit_travels(self, tiny_store):
        X = open_store(tiny_store.path, byte_limit=0)["mel"]
        scores = cross_val_score(DummyClassifier(), X, tiny_store.y, cv=tiny_store.cv(), n_jobs=2, error_score="raise")
        assert scores.shape == (5,)

    def test_nested_search_needs_no_groups(self, unreadable, y, cv):
        search = GridSearchCV(ReadsOneBatch(), {"offset": [0.0, 1.0]}, cv=cv, error_score="raise")
        assert cross_val_score(search, unreadable, y, cv=cv, error_score="raise").shape == (5,)
