import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback
from torch.optim.lr_scheduler import OneCycleLR

from esc_features import MelSpectrogram, StoreArray
from esc_features.model_selection import FoldSplit, HoldOutFold
from esc_features.models import DeepConvNetClassifier
from esc_features.preprocessing import Standardizer

SMALL = {"module__width": 4, "max_epochs": 2, "random_state": 0}


@pytest.fixture(scope="module")
def spectrograms():
    """48 clips of three classes, each with its own bright bands, in two folds."""
    rng = np.random.default_rng(0)
    target = np.arange(48) % 3
    array = rng.normal(size=(48, 24, 20)).astype("float32")
    for row, number in zip(array, target, strict=True):
        row[8 * number : 8 * number + 8] += 2
    names = np.array(["dog", "rain", "sneezing"])[target]
    rows = np.arange(48)
    return StoreArray.from_numpy(
        array,
        folds=rows // 24 + 1,
        sources=rows.astype(str),
        filenames=np.array([f"{i}.wav" for i in rows]),
        target=target,
        y=names,
    )


@pytest.fixture(scope="module")
def fitted(spectrograms):
    return DeepConvNetClassifier(**SMALL).fit(spectrograms, spectrograms.y)


@pytest.mark.slow
def test_learns_and_predicts_names(spectrograms):
    train, test = spectrograms[:24], spectrograms[24:]
    model = make_pipeline(Standardizer(), DeepConvNetClassifier(**{**SMALL, "max_epochs": 12}, batch_size=8))
    assert model.fit(train, train.y).score(test, test.y) > 0.9
    assert set(model.predict(test)) <= {"dog", "rain", "sneezing"}


class Recorder(Callback):
    """Keeps learning rate and weights of every training step."""

    def on_train_begin(self, net, **kwargs):
        self.rates_, self.weights_ = [], []

    def on_batch_begin(self, net, training=False, **kwargs):
        if training:
            self.rates_.append(net.optimizer_.param_groups[0]["lr"])

    def on_batch_end(self, net, training=False, **kwargs):
        if training:
            self.weights_.append(net.module_.classifier.weight.detach().numpy().copy())


# 24 clips are held out: 24 in batches of 10 are 3 steps an epoch, or 2 without the last.
@pytest.mark.parametrize(("drop_last", "steps"), [(False, 9), (True, 6)])
def test_one_cycle_spans_the_steps_of_the_fit(spectrograms, drop_last, steps):
    model = DeepConvNetClassifier(
        **{**SMALL, "max_epochs": 3}, lr=0.01, batch_size=10, callbacks=[("recorder", Recorder())],
        train_split=HoldOutFold(), iterator_train__drop_last=drop_last, callbacks__one_cycle__pct_start=0.4,
    )  # fmt: skip
    model.fit(spectrograms, spectrograms.y)

    optimizer = torch.optim.AdamW([torch.zeros(1, requires_grad=True)])
    schedule = OneCycleLR(optimizer, 0.01, total_steps=steps, pct_start=0.4)
    expected = []
    for _ in range(steps):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    np.testing.assert_allclose(dict(model.callbacks_)["recorder"].rates_, expected)


def test_averaged_weights_predict_unless_switched_off(spectrograms):
    def final_and_last(**params):
        model = DeepConvNetClassifier(**SMALL, **params, callbacks=[("recorder", Recorder())])
        model.fit(spectrograms, spectrograms.y)
        return model.module_.classifier.weight.detach().numpy(), dict(model.callbacks_)["recorder"].weights_[-1]

    averaged, last = final_and_last(callbacks__weight_averaging__decay=0.5)
    plain, last_of_plain = final_and_last(callbacks__weight_averaging=None)
    np.testing.assert_array_equal(plain, last_of_plain)
    np.testing.assert_array_equal(last, last_of_plain)
    assert not np.array_equal(averaged, last)


def test_repeats_from_random_state(spectrograms, fitted):
    again = clone(fitted).fit(spectrograms, spectrograms.y).predict_proba(spectrograms)
    other = clone(fitted).set_params(random_state=1).fit(spectrograms, spectrograms.y).predict_proba(spectrograms)
    np.testing.assert_array_equal(again, fitted.predict_proba(spectrograms))
    assert not np.allclose(other, again)


def test_a_second_fit_is_the_first_anew(spectrograms, fitted):
    model = clone(fitted)
    first = model.fit(spectrograms, spectrograms.y).predict_proba(spectrograms)
    np.testing.assert_array_equal(model.fit(spectrograms, spectrograms.y).predict_proba(spectrograms), first)


def test_training_goes_on_with_a_new_cycle(spectrograms, fitted):
    model = clone(fitted).fit(spectrograms, spectrograms.y)
    before = model.predict_proba(spectrograms)
    model.partial_fit(spectrograms, spectrograms.y)
    assert len(model.history) == 4
    assert not np.allclose(model.predict_proba(spectrograms), before)


@pytest.mark.parametrize("params", [{"max_epochs": 1, "batch_size": -1}, {"max_epochs": 0}])
def test_one_step_or_none(spectrograms, params):
    model = DeepConvNetClassifier(**{**SMALL, **params}).fit(spectrograms, spectrograms.y)
    assert np.isfinite(model.predict_proba(spectrograms)).all()


def test_pickles_with_one_copy_of_the_weights(spectrograms, fitted):
    data = pickle.dumps(fitted)
    np.testing.assert_array_equal(pickle.loads(data).predict_proba(spectrograms), fitted.predict_proba(spectrograms))
    # Weights and the two moments of the optimiser; the bound allows for code and history.
    weights = 4 * sum(p.numel() for p in fitted.module_.parameters())
    assert len(data) < 3 * weights + 60_000


def test_clone_keeps_what_was_given():
    model = DeepConvNetClassifier.preset("best", lr=1e-4, callbacks__weight_averaging__decay=0.9, module__width=8)
    params = clone(model).get_params(deep=False)
    assert (params["lr"], params["max_epochs"], params["module__width"]) == (1e-4, model.max_epochs, 8)
    assert params["callbacks__weight_averaging__decay"] == 0.9


@pytest.mark.slow
def test_grid_over_the_lazy_array(spectrograms):
    search = GridSearchCV(
        make_pipeline(Standardizer(), DeepConvNetClassifier(**SMALL)),
        {"deepconvnetclassifier__lr": [1e-3, 1e-2], "deepconvnetclassifier__callbacks__weight_averaging__decay": [0.5]},
        cv=FoldSplit(),
        error_score="raise",
    )
    search.fit(spectrograms, spectrograms.y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_presets():
    fast, best = DeepConvNetClassifier.preset("fast"), DeepConvNetClassifier.preset("best", random_state=3)
    assert isinstance(fast, DeepConvNetClassifier)
    assert fast.max_epochs < best.max_epochs
    assert best.random_state == 3
    assert DeepConvNetClassifier.preset("best", max_epochs=1).max_epochs == 1
    with pytest.raises(ValueError, match="no preset 'slow'; there are 'fast', 'best'"):
        DeepConvNetClassifier.preset("slow")


def test_feature_is_the_setting_of_the_presets():
    feature = DeepConvNetClassifier.feature()
    assert isinstance(feature, MelSpectrogram)
    assert feature.output_shape() == (64, 126)


def test_pipeline_takes_waveforms():
    rng = np.random.default_rng(0)
    waveforms = rng.normal(scale=0.1, size=(6, 110_250)).astype("float32")
    waveforms[::2] = np.sin(np.arange(110_250) / 5) * 0.1
    y = np.array(["tone", "noise"] * 3)
    model = DeepConvNetClassifier.pipeline("fast", **{**SMALL, "max_epochs": 1}).fit(waveforms, y)
    assert model.predict_proba(waveforms).shape == (6, 2)
    assert (model[-1].max_epochs, model[-1].module__width) == (1, SMALL["module__width"])
    assert cross_val_score(model, waveforms, y, cv=2, error_score="raise").shape == (2,)
