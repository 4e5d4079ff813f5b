"""What users of scikit-learn and PyTorch do without thinking, by what they want: select, compose, keep, train, look.

Each either gives what they expect or an error that says what to do. Rooms test the details; here is the breadth.
"""

import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import SelectKBest
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    KFold,
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
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, LabelEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import resample, shuffle
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    Freezer,
    GradientNormClipping,
    LoadInitState,
    LRScheduler,
    TrainEndCheckpoint,
)
from skorch.dataset import ValidSplit
from torch.utils.data import DataLoader, WeightedRandomSampler, random_split

from esc_features import MelSpectrogram, MFCCStatistics, StoreArray
from esc_features.augmentation import AddNoise, Gain, SpecAugment, TimeShift
from esc_features.exceptions import ExtractionError, SourceLeakWarning, StoreError
from esc_features.features import as_feature
from esc_features.model_selection import FoldSplit, HoldOutFold
from esc_features.models import ClipClassifier, ClipDataset, ConvNetClassifier, RNNClassifier
from esc_features.preprocessing import Standardizer

pytestmark = pytest.mark.filterwarnings("ignore::esc_features.exceptions.SourceLeakWarning")


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

    def test_columns_and_frames_are_those_of_numpy(self, store):
        X, whole = store["mel"], store["mel"].to_numpy()
        for key in (np.s_[:, 2:5], np.s_[..., 0], np.s_[3:5, ::2, 4], np.s_[:2, 1]):
            np.testing.assert_array_equal(np.asarray(X[key]), whole[key])

    def test_what_torch_and_pandas_index_with(self, store):
        X, is_dog = store["mfcc"], store.y == "dog"
        for key in (torch.tensor([1, 2]), pd.Index([1, 2]), range(1, 3), np.flatnonzero(is_dog)[:2].tolist()):
            np.testing.assert_array_equal(X[key].to_numpy(), X.to_numpy()[np.asarray(key)])
        np.testing.assert_array_equal(X[torch.tensor(is_dog)].y, ["dog"] * 10)

    def test_arrays_become_those_of_other_libraries(self, store):
        X = store["mfcc"]
        whole = X.to_numpy()
        for other in (
            pd.DataFrame(X),
            torch.from_numpy(X[:].to_numpy()),
            np.concatenate([X[:3], X[3:]]),
            np.stack(list(X)),
        ):
            np.testing.assert_array_equal(np.asarray(other), whole)
        assert np.asarray(X, dtype=np.float64).dtype == np.float64

    def test_dask_reads_it_in_blocks(self, store):
        dask = pytest.importorskip("dask.array")
        mean = dask.from_array(store["mel"], chunks=(10, -1, 50)).mean(axis=0).compute(scheduler="synchronous")
        np.testing.assert_allclose(mean, store["mel"].to_numpy().mean(axis=0), rtol=1e-4)

    def test_means_agree_and_arithmetic_says_what_to_do(self, store):
        X = store["mfcc"]
        assert X.mean() == np.mean(X) == pytest.approx(X.to_numpy().mean(), rel=1e-5)
        assert X.max() == np.max(X) == X.to_numpy().max()
        for mistake in (lambda: X == -80, lambda: X + 1, lambda: np.log(X), lambda: X > 3, lambda: 3 in X):
            with pytest.raises(TypeError, match=r"X\.map\(function\)"):
                mistake()

    def test_a_store_is_a_mapping_and_a_selection_is_a_store(self, store):
        assert list(store) == list(store.keys()) == [name for name, _ in store.items()]
        dogs = store[store.y == "dog"]
        assert (len(dogs["mel"]), set(dogs.y), len(dogs.clips)) == (10, {"dog"}, 10)

    def test_what_is_no_selection_says_what_is_one(self, store):
        with pytest.raises(IndexError, match=r"store\['mel'\]\[0\]"):
            store[0]
        with pytest.raises(IndexError, match=r"X\[X.y == 'dog'\]"):
            store["mel"]["dog"]

    def test_leaks_are_found(self, store):
        cv = KFold(2, shuffle=True, random_state=0)
        sources = np.repeat(np.arange(20), 2)
        X = StoreArray.from_numpy(store["mfcc"].to_numpy(), sources=sources, folds=np.ones(40, int))
        with pytest.warns(SourceLeakWarning):
            cross_val_score(make_pipeline(Standardizer(), KNeighborsClassifier(1)), X, store.y, cv=cv)
        with pytest.raises(ValueError, match="come from"):
            cross_val_score(KNeighborsClassifier(1), X, store.y, cv=store.checked(cv), error_score="raise")

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

    @pytest.mark.slow
    def test_a_pipeline_of_networks(self, store):
        model = make_pipeline(MelSpectrogram(), Standardizer(), convnet())
        scores = cross_val_score(model, store.audio, store.y, cv=GroupKFold(2), groups=store.folds, error_score="raise")
        assert scores.shape == (2,)

    def test_features_of_waveforms_of_another_rate(self, store):
        with pytest.raises(ValueError, match="16000 Hz"):
            make_pipeline(MFCCStatistics(), KNeighborsClassifier(1)).fit(store["waveform"], store.y)
        waveforms = store["waveform"].take([0, 1])
        resampled = MFCCStatistics().transform(waveforms, sampling_rate=16000)
        assert np.abs(resampled - MFCCStatistics().transform(waveforms)).max() > 1

    def test_a_feature_that_is_not_stored_is_computed_once_for_all_fits_of_a_search(self, store, monkeypatch):
        computed, compute = [], MFCCStatistics.compute
        monkeypatch.setattr(
            MFCCStatistics,
            "compute",
            lambda self, waveforms: computed.append(len(waveforms)) or compute(self, waveforms),
        )
        model = make_pipeline(MFCCStatistics(n_mfcc=5, sample_rate=16000), SVC())
        GridSearchCV(model, {"svc__C": [0.1, 1, 10]}, cv=FoldSplit()).fit(store.audio[::2], store.y[::2])
        assert sum(computed) == 20

    @pytest.mark.slow
    def test_a_feature_in_front_of_a_net_that_was_trained_behind_it(self, store):
        net = convnet().fit(store["mel"], store.y)
        model = make_pipeline(store.feature("mel"), net)
        np.testing.assert_array_equal(model.predict(store.clips["path"].tolist()[:3]), net.predict(store["mel"][:3]))

    def test_a_function_of_waveforms_is_a_feature(self, store):
        loudest = as_feature(FunctionTransformer(lambda waveforms: np.abs(waveforms).max(axis=1, keepdims=True)))
        np.testing.assert_array_equal(
            np.asarray(loudest.transform(store.audio))[:, 0], np.abs(store["waveform"].to_numpy()).max(axis=1)
        )

    def test_names_of_columns_go_through_a_pipeline(self, store):
        model = make_pipeline(MFCCStatistics(), Standardizer(), SelectKBest(k=3)).fit(store.audio, store.y)
        assert set(model.get_feature_names_out()) < set(MFCCStatistics().get_feature_names_out())
        table = (
            make_pipeline(MFCCStatistics(), StandardScaler()).set_output(transform="pandas").fit_transform(store.audio)
        )
        assert table.columns.tolist() == MFCCStatistics().get_feature_names_out().tolist()

    def test_columns_chosen_by_number_and_features_side_by_side(self, store):
        choose = ColumnTransformer([("a", StandardScaler(), [0, 2]), ("b", "passthrough", slice(3, 5))])
        np.testing.assert_array_equal(
            choose.fit_transform(store["mfcc"]), choose.fit_transform(store["mfcc"].to_numpy())
        )
        both = FeatureUnion([("a", MFCCStatistics()), ("b", MFCCStatistics(n_mfcc=5))]).fit_transform(store.audio)
        assert both.shape == (40, 26 + 10)

    def test_partial_dependence_and_permutation_importance(self, store):
        X, whole = store["mfcc"], store["mfcc"].to_numpy()
        tree = DecisionTreeClassifier(random_state=0).fit(whole, store.y)
        found = [partial_dependence(tree, each, [0], grid_resolution=3)["average"] for each in (X, whole)]
        np.testing.assert_array_equal(*found)
        found = [permutation_importance(tree, each, store.y, n_repeats=1, random_state=0) for each in (X, whole)]
        np.testing.assert_array_equal(*(each.importances for each in found))

    def test_groups_by_metadata_routing(self, store):
        with config_context(enable_metadata_routing=True):
            cv = GroupKFold(2).set_split_request(groups=True)
            search = GridSearchCV(make_pipeline(Standardizer(), convnet()), {"convnetclassifier__lr": [1e-3]}, cv=cv)
            assert search.fit(bands(store), store.y, groups=store.sources).n_splits_ == 2

    @pytest.mark.slow
    def test_epochs_as_the_resource_of_a_halving_search(self, store):
        search = HalvingGridSearchCV(
            convnet(), {"lr": [1e-3, 1e-2]}, cv=FoldSplit(), resource="max_epochs", min_resources=1, max_resources=2
        )
        assert search.fit(bands(store), store.y).best_params_["max_epochs"] in (1, 2)

    def test_set_params_and_grids_through_pipelines(self, store):
        model = make_pipeline(Standardizer(), convnet())
        grid = {"convnetclassifier__lr": [1e-3, 1e-2], "convnetclassifier__module__dropout": [0.0, 0.5]}
        search = RandomizedSearchCV(model, grid, n_iter=2, cv=store.cv(), random_state=0, error_score="raise")
        assert search.fit(bands(store), store.y).best_estimator_.predict(bands(store)[:2]).shape == (2,)

    @pytest.mark.slow
    def test_a_grid_over_modules_and_transforms(self, store):
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
        X = bands(store)[:]
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
        one, two = convnet().fit(bands(store), codes), convnet().fit(bands(store), store.y)
        np.testing.assert_array_equal(one.predict_proba(bands(store)), two.predict_proba(bands(store)))

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

    def test_a_failed_extraction_comes_out_of_a_worker(self):
        error = ExtractionError("stores/x", [{"fold": 1, "filename": "a.wav", "feature": "mel", "error": "empty"}])
        assert str(pickle.loads(pickle.dumps(error))) == str(error)

    @pytest.mark.parametrize(
        ("kind", "parameters"), [(Checkpoint, {"monitor": "train_loss_best"}), (TrainEndCheckpoint, {})]
    )
    def test_checkpoints_load_into_a_new_net(self, store, tmp_path, kind, parameters):
        checkpoint = kind(dirname=str(tmp_path), **parameters)
        net, again = convnet(callbacks=[checkpoint]).fit(bands(store), store.y), convnet()
        again.load_params(checkpoint=checkpoint)
        np.testing.assert_array_equal(again.predict_proba(bands(store)), net.predict_proba(bands(store)))
        assert len(convnet(callbacks=[LoadInitState(checkpoint)]).fit(bands(store), store.y).history) == 2

    def test_weights_in_a_plain_module_and_back(self, store, tmp_path):
        net = convnet().fit(bands(store), store.y)
        torch.save(net.module_.state_dict(), tmp_path / "weights.pt")
        again = convnet(random_state=1).fit(bands(store), store.y)
        again.load_params(tmp_path / "weights.pt")
        np.testing.assert_array_equal(again.predict_proba(bands(store)), net.predict_proba(bands(store)))

    def test_a_fitted_pipeline_in_joblib(self, store, tmp_path):
        model = make_pipeline(Standardizer(), convnet()).fit(bands(store), store.y)
        joblib.dump(model, tmp_path / "model.joblib")
        again = joblib.load(tmp_path / "model.joblib")
        np.testing.assert_array_equal(again.predict_proba(bands(store)), model.predict_proba(bands(store)))

    def test_a_cached_pipeline(self, store, tmp_path):
        model = make_pipeline(MFCCStatistics(), KNeighborsClassifier(1), memory=str(tmp_path))
        first = model.fit(store.audio, store.y).predict(store.audio)
        np.testing.assert_array_equal(model.fit(store.audio, store.y).predict(store.audio), first)

    def test_threads_of_joblib_give_what_one_after_the_other_gives(self, store):
        def scores(n_jobs):
            with joblib.parallel_config("threading"):
                return cross_val_score(
                    convnet(), bands(store), store.y, cv=store.cv(), n_jobs=n_jobs, scoring="neg_log_loss"
                )

        np.testing.assert_array_equal(scores(2), scores(1))


class TestTrain:
    """PyTorch as it is written."""

    def test_a_plain_loop_over_a_plain_loader(self, store):
        dataset = ClipDataset(store["mel"], store.y)
        assert dataset.classes.tolist() == sorted(set(store.y))
        module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(len(dataset.classes)))
        for clips, labels in DataLoader(dataset, batch_size=16, shuffle=True):
            torch.nn.functional.cross_entropy(module(clips), labels).backward()
        assert module[1].weight.grad.shape[0] == 4

    @pytest.mark.parametrize("workers", [0, 1])
    def test_clips_of_the_course_in_a_loop_as_lightning_runs_it(self, store, workers):
        training, validation = random_split(store.torch("mel", transform=torch.nn.Flatten(0)), [0.6, 0.4])
        module = torch.nn.Linear(128 * 157, 4)
        for clips, numbers, names in DataLoader(training, batch_size=8, shuffle=True, num_workers=workers):
            assert [store.categories[number] for number in numbers] == list(names)
            torch.nn.functional.cross_entropy(module(clips), numbers).backward()
        assert (len(training), len(validation)) == (24, 16)

    @pytest.mark.parametrize(
        "parameters",
        [
            {"callbacks": [LRScheduler("StepLR", step_size=1)]},
            {"callbacks": [EpochScoring("accuracy", on_train=True)]},
            {"callbacks": [GradientNormClipping(1.0), Freezer("blocks.0.*")]},
            {"optimizer": torch.optim.SGD, "optimizer__momentum": 0.9},
            {"optimizer__param_groups": [("linear*", {"lr": 0.1})]},
            {"criterion__weight": torch.ones(4), "criterion__label_smoothing": 0.1},
            {"train_split": ValidSplit(4, stratified=True)},
            {"iterator_train__sampler": WeightedRandomSampler([1.0] * 40, 40), "iterator_train__shuffle": False},
            {"iterator_train__transforms": torch.nn.Dropout(0.1)},
            {"iterator_train": DataLoader, "iterator_valid": DataLoader},
        ],
        ids=lambda parameters: next(iter(parameters)),
    )
    def test_parts_of_pytorch_and_skorch(self, store, parameters):
        assert len(convnet(**parameters).fit(bands(store), store.y).predict(bands(store))) == 40

    def test_a_loss_of_ones_own(self, store):
        class Focal(torch.nn.Module):
            def __init__(self, gamma=0.0):
                super().__init__()
                self.gamma = gamma

            def forward(self, logits, target):
                share = logits.softmax(dim=1).gather(1, target[:, None])
                return (-((1 - share) ** self.gamma) * share.log()).mean()

        nets = [convnet(), convnet(criterion=Focal), convnet(criterion=Focal, criterion__gamma=2.0)]
        plain, same, other = (net.fit(bands(store), store.y).predict_proba(bands(store)) for net in nets)
        np.testing.assert_allclose(plain, same, atol=1e-5)
        assert np.abs(plain - other).max() > 1e-5

    def test_a_function_that_builds_a_module(self, store):
        def build(input_size, n_classes):
            return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(input_size, n_classes))

        assert ClipClassifier(build, max_epochs=1).fit(bands(store), store.y).predict(bands(store)).shape == (40,)

    def test_interrupted_by_the_user_it_predicts(self, store):
        class Interrupt(Callback):
            def on_batch_end(self, net, **kwargs):
                raise KeyboardInterrupt

        net = convnet(callbacks=[Interrupt()]).fit(bands(store), store.y)
        assert net.predict(bands(store)).shape == (40,)

    @pytest.mark.parametrize(
        "give",
        [
            lambda X, y: (X, pd.Series(y)),
            lambda X, y: (X, pd.Series(y, dtype="category")),
            lambda X, y: (X, y.tolist()),
            lambda X, y: (X.to_numpy(), y),
            lambda X, y: (torch.tensor(X.to_numpy()), y),
            lambda X, y: (X.to_numpy().tolist(), y),
        ],
    )
    def test_whatever_holds_the_clips_and_labels(self, store, give):
        X, y = bands(store), store.y
        expected = convnet().fit(X, y).predict_proba(X)
        np.testing.assert_allclose(convnet().fit(*give(X, y)).predict_proba(give(X, y)[0]), expected, atol=1e-6)

    def test_waveforms_are_changed_in_front_of_a_spectrogram(self, store):
        transforms = [TimeShift(), AddNoise(), MelSpectrogram(n_mels=16), SpecAugment()]
        net = convnet(iterator_train__transforms=transforms).fit(store["waveform"][:8], store.y[:8])
        assert net.predict(store["waveform"][:3]).shape == (3,)

    def test_a_module_of_ones_own(self, store):
        class Mean(torch.nn.Module):
            def __init__(self, input_shape, num_classes):
                super().__init__()
                self.head = torch.nn.Linear(input_shape[0], num_classes)

            def forward(self, x):
                return self.head(x.mean(dim=2) / 80)

        assert ClipClassifier(Mean, max_epochs=1).fit(store["mel"], store.y).predict(store["mel"]).shape == (40,)

    def test_early_stopping(self, store):
        net = convnet(max_epochs=3, callbacks=[EarlyStopping(patience=1)], train_split=HoldOutFold())
        assert 1 <= len(net.fit(bands(store), store.y).history) <= 3
        with pytest.raises(ValueError, match="HoldOutFold"):
            convnet(callbacks=[EarlyStopping()]).fit(bands(store), store.y)

    @pytest.mark.slow
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

    def test_notebooks_show_them(self, store):
        for shown in (store, store["mel"], store.audio, make_pipeline(MelSpectrogram(), convnet())):
            assert "<" in shown._repr_html_()

    def test_arrays_print_what_they_are(self, store):
        assert repr(store["mel"]) == "StoreArray(40 clips, (128, 157) float32, folds 1 2 3 4 5)"
        assert "40 clips" in repr(store.audio)

    def test_the_table_of_layers(self, store):
        assert "Conv2d" in str(convnet().summary(store["mel"]))

    def test_the_history_is_a_table(self, store):
        net = convnet(max_epochs=2, train_split=HoldOutFold()).fit(bands(store), store.y)
        table = pd.DataFrame(list(net.history))
        assert {"train_loss", "train_acc", "valid_loss", "valid_acc", "dur"} <= set(table.columns)
