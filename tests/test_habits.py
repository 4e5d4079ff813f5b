"""What users of scikit-learn and PyTorch do without thinking, by what they want: select, compose, keep, train, look.

Each either gives what they expect or an error that says what to do. Rooms test the details; here is the breadth.
"""

import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    train_test_split,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, LabelEncoder, StandardScaler
from sklearn.utils import resample, shuffle

from esc_features import MelSpectrogram, MFCCStatistics
from esc_features.exceptions import StoreError
from esc_features.model_selection import FoldSplit, HoldOutFold
from esc_features.models import ClipClassifier, ClipDataset, ConvNetClassifier, RNNClassifier
from esc_features.preprocessing import Standardizer

pytestmark = [
    pytest.mark.filterwarnings("ignore::esc_features.exceptions.SourceLeakWarning"),
    pytest.mark.usefixtures("one_thread"),
]


@pytest.fixture(name="store")
def fixture_store(tiny_store):
    return tiny_store


def few_frames(batch):
    return batch[:, ::4, ::8]


def bands(store):
    """A spectrogram that trains in a moment."""
    return store["mel"].map(few_frames)


def convnet(**parameters):
    return ConvNetClassifier(**{"max_epochs": 1, "random_state": 0} | parameters)


class TestSelect:
    """Rows by number, mask, name, fold; splits of all kinds."""

    @pytest.mark.parametrize(
        "key", [slice(3, 9), [5, 1, 1], np.array([0, -1]), np.int64(2), slice(None, None, -2), ...], ids=str
    )
    def test_rows_are_those_of_numpy(self, store, key):
        whole = store["mfcc"].to_numpy()
        np.testing.assert_array_equal(np.asarray(store["mfcc"][key]), whole[key])

    def test_masks(self, store):
        X = store["mfcc"]
        for mask in (store.y == "dog", pd.Series(store.folds == 2)):
            np.testing.assert_array_equal(X[mask].to_numpy(), X.to_numpy()[np.asarray(mask)])
        with pytest.raises(IndexError, match="mask"):
            X[np.ones(3, bool)]

    def test_beyond_the_end(self, store):
        with pytest.raises(IndexError, match="out of bounds"):
            store["mel"][1000]

    def test_a_feature_that_is_not_there_names_those_that_are(self, store):
        with pytest.raises((KeyError, StoreError), match="mel"):
            store["mell"]

    @pytest.mark.parametrize("stratify", [False, True])
    def test_train_test_split(self, store, stratify):
        parts = train_test_split(store["mel"], store.y, stratify=store.y if stratify else None, random_state=0)
        assert [len(part) for part in parts] == [30, 10, 30, 10]
        np.testing.assert_array_equal(parts[0].y, parts[2])

    def test_shuffle_and_resample_keep_rows_and_labels_together(self, store):
        for change in (shuffle, resample):
            X, y = change(store["mfcc"], store.y, random_state=0)
            np.testing.assert_array_equal(X.y, y)

    @pytest.mark.parametrize(
        "cv", [FoldSplit(), LeaveOneGroupOut(), GroupKFold(5), "predefined", "store"], ids=lambda cv: type(cv).__name__
    )
    def test_any_way_to_write_the_official_folds_gives_the_same_scores(self, store, cv):
        cv = (
            {"predefined": PredefinedSplit(store.folds - 1), "store": store.cv()}.get(cv, cv)
            if isinstance(cv, str)
            else cv
        )
        scores = cross_val_score(KNeighborsClassifier(1), store["mfcc"], store.y, cv=cv, groups=store.folds)
        expected = cross_val_score(
            KNeighborsClassifier(1), store["mfcc"].to_numpy(), store.y, cv=FoldSplit(store.folds)
        )
        assert sorted(scores) == sorted(expected)


class TestCompose:
    """Pipelines, searches, ensembles."""

    def test_a_pipeline_fitted_on_recordings_predicts_paths(self, store):
        model = make_pipeline(MFCCStatistics(), StandardScaler(), LogisticRegression()).fit(store.audio, store.y)
        paths = store.clips["path"].iloc[:3].tolist() if "path" in store.clips else None
        predicted = model.predict(store.audio[:3])
        if paths is not None:
            np.testing.assert_array_equal(model.predict(paths), predicted)

    def test_a_pipeline_of_networks(self, store):
        model = make_pipeline(MelSpectrogram(), Standardizer(), convnet())
        scores = cross_val_score(model, store.audio, store.y, cv=GroupKFold(2), groups=store.folds, error_score="raise")
        assert scores.shape == (2,)

    def test_set_params_and_grids_through_pipelines(self, store):
        model = make_pipeline(Standardizer(), convnet())
        grid = {"convnetclassifier__lr": [1e-3, 1e-2], "convnetclassifier__module__dropout": [0.0, 0.5]}
        search = RandomizedSearchCV(model, grid, n_iter=2, cv=store.cv(), random_state=0, error_score="raise")
        assert search.fit(bands(store), store.y).best_estimator_.predict(bands(store)[:2]).shape == (2,)

    def test_a_grid_over_modules_and_transforms(self, store):
        from esc_features.augmentation import Gain, TimeShift

        grid = {"iterator_train__transforms": [None, TimeShift(), [Gain(), TimeShift()]]}
        search = GridSearchCV(convnet(), grid, cv=store.cv(), error_score="raise").fit(bands(store), store.y)
        assert len(search.cv_results_["params"]) == 3

    @pytest.mark.parametrize(
        "ensemble",
        [
            VotingClassifier([("a", convnet()), ("b", convnet(random_state=1))], voting="soft"),
            StackingClassifier([("a", convnet())], LogisticRegression(), cv=2),
            CalibratedClassifierCV(convnet(), cv=2, ensemble=False),
            OneVsRestClassifier(convnet()),
        ],
        ids=lambda ensemble: type(ensemble).__name__,
    )
    def test_ensembles_of_networks_stay_lazy(self, store, ensemble):
        X = store["mel"][:]
        X.byte_limit = 0
        assert ensemble.fit(X, store.y).predict(X[:4]).shape == (4,)

    def test_bagging_of_vectors(self, store):
        assert BaggingClassifier(KNeighborsClassifier(1), 3).fit(store["mfcc"], store.y).predict(
            store["mfcc"]
        ).shape == (40,)

    @pytest.mark.parametrize(
        "ensemble",
        [
            BaggingClassifier(make_pipeline(MFCCStatistics(), KNeighborsClassifier(1))),
            StackingClassifier(
                [("a", make_pipeline(MFCCStatistics(), KNeighborsClassifier(1)))], cv=2, passthrough=True
            ),
        ],
        ids=["bagging", "stacking with passthrough"],
    )
    def test_ensembles_that_make_numbers_of_recordings_say_where_the_feature_belongs(self, store, ensemble):
        with pytest.raises(ValueError, match=r"recordings of a store, not numbers.*store\['mel'\]"):
            ensemble.fit(store.audio, store.y)
        make_pipeline(MFCCStatistics(), BaggingClassifier(KNeighborsClassifier(1), 2)).fit(store.audio, store.y)

    def test_a_dummy(self, store):
        assert DummyClassifier().fit(store["mel"], store.y).score(store["mel"], store.y) == 0.25

    def test_labels_encoded_by_hand(self, store):
        codes = LabelEncoder().fit_transform(store.y)
        one, two = convnet().fit(store["mel"], codes), convnet().fit(store["mel"], store.y)
        np.testing.assert_array_equal(one.predict_proba(store["mel"]), two.predict_proba(store["mel"]))

    def test_a_three_dimensional_array_to_a_plain_estimator_says_what_to_give_it(self, store):
        X = store["mel"][:]
        X.byte_limit = 0
        with pytest.raises(ValueError, match="two-dimensional data"):
            LogisticRegression().fit(X, store.y)

    def test_a_function_of_all_numbers_is_mapped(self, store):
        X = store["mel"].map(np.square)
        np.testing.assert_array_equal(X.take([3]), store["mel"].take([3]) ** 2)
        with pytest.raises(TypeError):
            make_pipeline(FunctionTransformer(np.log1p), convnet()).fit(store["mel"], store.y)


class TestKeep:
    """Copies, pickles, workers."""

    def test_copies_and_pickles_are_small_and_equal(self, store):
        X = store["mel"][store.folds != 2]
        for again in (pickle.loads(pickle.dumps(X)), copy.copy(X), copy.deepcopy(X)):
            np.testing.assert_array_equal(again.take([0, -1]), X.take([0, -1]))
        assert len(pickle.dumps(X)) < 1024 * 2

    @pytest.mark.parametrize(
        "model", [convnet(), RNNClassifier(max_epochs=1), Standardizer(), MelSpectrogram()], ids=str
    )
    def test_clones_print_and_fit_alike(self, model):
        assert repr(clone(model)) == repr(model)
        assert clone(model).get_params().keys() == model.get_params().keys()

    def test_a_fitted_pipeline_in_joblib(self, store, tmp_path):
        model = make_pipeline(Standardizer(), convnet()).fit(store["mel"], store.y)
        joblib.dump(model, tmp_path / "model.joblib")
        again = joblib.load(tmp_path / "model.joblib")
        np.testing.assert_array_equal(again.predict_proba(store["mel"]), model.predict_proba(store["mel"]))

    def test_a_cached_pipeline(self, store, tmp_path):
        model = make_pipeline(MFCCStatistics(), KNeighborsClassifier(1), memory=str(tmp_path))
        first = model.fit(store.audio, store.y).predict(store.audio)
        np.testing.assert_array_equal(model.fit(store.audio, store.y).predict(store.audio), first)

    def test_threads_of_joblib_give_what_one_after_the_other_gives(self, store):
        def scores(n_jobs):
            with joblib.parallel_config("threading"):
                return cross_val_score(
                    convnet(), store["mel"], store.y, cv=store.cv(), n_jobs=n_jobs, scoring="neg_log_loss"
                )

        np.testing.assert_array_equal(scores(2), scores(1))


class TestTrain:
    """PyTorch as it is written."""

    def test_a_plain_loop_over_a_plain_loader(self, store):
        import torch
        from torch.utils.data import DataLoader

        dataset = ClipDataset(store["mel"], store.y)
        assert dataset.classes.tolist() == sorted(set(store.y))
        module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(len(dataset.classes)))
        for clips, labels in DataLoader(dataset, batch_size=16, shuffle=True):
            torch.nn.functional.cross_entropy(module(clips), labels).backward()
        assert module[1].weight.grad.shape[0] == 4

    def test_a_module_of_ones_own(self, store):
        import torch

        class Mean(torch.nn.Module):
            def __init__(self, input_shape, num_classes):
                super().__init__()
                self.head = torch.nn.Linear(input_shape[0], num_classes)

            def forward(self, x):
                return self.head(x.mean(dim=2) / 80)

        assert ClipClassifier(Mean, max_epochs=1).fit(store["mel"], store.y).predict(store["mel"]).shape == (40,)

    def test_early_stopping(self, store):
        from skorch.callbacks import EarlyStopping

        net = convnet(max_epochs=3, callbacks=[EarlyStopping(patience=1)], train_split=HoldOutFold())
        assert 1 <= len(net.fit(bands(store), store.y).history) <= 3
        with pytest.raises(ValueError, match="HoldOutFold"):
            convnet(callbacks=[EarlyStopping()]).fit(bands(store), store.y)

    def test_learning_curves_and_several_metrics(self, store):
        X, y = shuffle(bands(store), store.y, random_state=0)
        sizes, *_ = learning_curve(convnet(), X, y, cv=FoldSplit(), train_sizes=[0.5, 1.0], error_score="raise")
        assert sizes.tolist() == [16, 32]
        found = cross_validate(convnet(), X, y, cv=FoldSplit(), scoring=["accuracy", "f1_macro", "roc_auc_ovr"])
        assert np.isfinite(found["test_roc_auc_ovr"]).all()

    def test_out_of_fold_probabilities(self, store):
        probabilities = cross_val_predict(convnet(), bands(store), store.y, cv=store.cv(), method="predict_proba")
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)

    @pytest.mark.parametrize(
        ("what", "error", "message"),
        [
            (lambda store: (store, store.y), TypeError, "whole store"),
            (lambda store: (store.audio, store.y), TypeError, "make_pipeline"),
            (lambda store: (store["waveform"], store.y), ValueError, "look like waveforms"),
            (lambda store: (store["mel"], store.y[:-1]), ValueError, "lengths must match"),
            (lambda store: (store["mel"], None), ValueError, "give store.y"),
            (lambda store: (store["mel"], pd.array([pd.NA, *store.y[1:]])), ValueError, "contains NaN"),
            (lambda store: (["a.wav"] * 40, store.y), TypeError, "Are these paths"),
        ],
    )
    def test_the_wrong_thing_says_which_is_the_right_one(self, store, what, error, message):
        with pytest.raises(error, match=message):
            convnet().fit(*what(store))


class TestLook:
    """What is printed."""

    def test_pipelines_print_what_was_set(self):
        model = make_pipeline(MelSpectrogram(), Standardizer(), convnet(lr=0.01))
        assert "ConvNetClassifier(lr=0.01, max_epochs=1, random_state=0)" in str(model)
        assert "batch_size" not in str(model)

    def test_arrays_print_what_they_are(self, store):
        assert repr(store["mel"]) == "StoreArray(40 clips, (128, 157) float32, folds 1 2 3 4 5)"
        assert "40 clips" in repr(store.audio)

    def test_the_table_of_layers(self, store):
        assert "Conv2d" in str(convnet().summary(store["mel"]))

    def test_the_history_is_a_table(self, store):
        net = convnet(max_epochs=2, train_split=HoldOutFold()).fit(store["mel"], store.y)
        table = pd.DataFrame(list(net.history))
        assert {"train_loss", "train_acc", "valid_loss", "valid_acc", "dur"} <= set(table.columns)
