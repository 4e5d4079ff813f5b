"""Standardizer agrees with numpy on the training rows, and reads a lazy X a batch at a time."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import esc_features.preprocessing
from esc_features import StoreArray
from esc_features.exceptions import SourceLeakWarning
from esc_features.preprocessing import Standardizer

RNG = np.random.default_rng(0)
SPECTROGRAMS = (RNG.normal(-40, 20, (30, 6, 7)) + 10 * np.arange(6)[:, None]).astype(np.float32)
FOLDS = np.arange(30) % 3 + 1


@parametrize_with_checks([Standardizer(), Standardizer(by="global")])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture
def small_batches(monkeypatch):
    """Batches of four clips, so that a fit takes many."""
    monkeypatch.setattr(esc_features.preprocessing, "_BATCH_BYTES", 4 * 6 * 7 * 8)


@pytest.fixture(name="X")
def lazy_spectrograms():
    return StoreArray.from_numpy(SPECTROGRAMS, folds=FOLDS)


def test_by_band_equals_numpy_on_the_training_rows(X, small_batches):
    training = X[X.folds != 2]
    fitted = Standardizer().fit(training)
    rows = SPECTROGRAMS[FOLDS != 2].astype(np.float64)
    np.testing.assert_allclose(fitted.mean_, rows.mean(axis=(0, 2)), rtol=1e-12)
    np.testing.assert_allclose(fitted.scale_, rows.std(axis=(0, 2)), rtol=1e-12)
    expected = (SPECTROGRAMS - rows.mean(axis=(0, 2))[:, None]) / rows.std(axis=(0, 2))[:, None]
    np.testing.assert_allclose(fitted.transform(X).to_numpy(), expected, atol=2e-6)


def test_statistics_are_those_of_the_last_fit_alone(X):
    """Nothing of one fold's fit is left in the next, whether it is the same object or a clone."""
    scaler = Standardizer()
    for fold in (1, 2, 3):
        rows = SPECTROGRAMS[fold != FOLDS].astype(np.float64)
        for fitted in (scaler.fit(X[X.folds != fold]), clone(scaler).fit(X[X.folds != fold])):
            np.testing.assert_allclose(fitted.mean_, rows.mean(axis=(0, 2)), rtol=1e-12)
            np.testing.assert_allclose(fitted.scale_, rows.std(axis=(0, 2)), rtol=1e-12)
            assert fitted.fitted_clips_.folds == {1, 2, 3} - {fold}


def test_global_equals_numpy(X, small_batches):
    standardised = Standardizer(by="global").fit_transform(X).to_numpy()
    rows = SPECTROGRAMS.astype(np.float64)
    np.testing.assert_allclose(standardised, (rows - rows.mean()) / rows.std(), atol=2e-6)


def test_two_dimensional_equals_standard_scaler():
    vectors = RNG.normal(5, [1, 10, 100], (40, 3))
    ours, theirs = Standardizer().fit(vectors), StandardScaler().fit(vectors)
    np.testing.assert_allclose(ours.transform(vectors), theirs.transform(vectors), rtol=1e-12, atol=1e-12)


def test_far_from_zero_keeps_its_precision(small_batches):
    far = 1e6 + RNG.normal(0, 1, (200, 6, 7))
    np.testing.assert_allclose(Standardizer(by="global").fit(far).scale_, far.std(), rtol=1e-9)


def test_constant_band_becomes_zero():
    constant = np.full((5, 2, 3), 0.1, np.float32)
    fitted = Standardizer().fit(constant)
    np.testing.assert_array_equal(fitted.scale_, 1)
    np.testing.assert_allclose(fitted.transform(constant), 0, atol=1e-7)


def test_output_is_lazy_and_pickles_small(X):
    lazy = Standardizer().fit_transform(X)
    assert isinstance(lazy, StoreArray)
    assert lazy.dtype == np.float32
    np.testing.assert_array_equal(lazy.folds, FOLDS)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(lazy)).to_numpy(), lazy.to_numpy())


def test_reads_one_batch_at_a_time_and_never_all(X, small_batches, monkeypatch):
    sizes = []
    take = StoreArray.take
    monkeypatch.setattr(
        StoreArray, "take", lambda self, rows, out=None: sizes.append(len(rows)) or take(self, rows, out)
    )
    X.byte_limit = 0
    Standardizer().fit(X).transform(X)
    assert sum(sizes) == len(X)
    assert max(sizes) == 4


@pytest.mark.parametrize("dtype", ["float16", "float64", "float32"])
def test_other_float_types(dtype):
    rows = SPECTROGRAMS.astype(dtype)
    standardised = Standardizer().fit_transform(rows)
    assert standardised.dtype == (np.float64 if dtype == "float64" else np.float32)
    exact = rows.astype(np.float64)
    expected = (exact - exact.mean(axis=(0, 2))[:, None]) / exact.std(axis=(0, 2))[:, None]
    np.testing.assert_allclose(standardised, expected, atol=1e-5)


def test_int16_waveforms_are_of_full_scale_32768():
    waveforms = np.array([[0, 16384], [16384, 0]], np.int16)
    fitted = Standardizer(by="global").fit(StoreArray.from_numpy(waveforms))
    assert fitted.mean_ == 0.25
    np.testing.assert_allclose(fitted.transform(waveforms), [[-1, 1], [1, -1]])


def test_inverse(X):
    fitted = Standardizer().fit(X)
    np.testing.assert_allclose(fitted.inverse_transform(fitted.transform(X)).to_numpy(), SPECTROGRAMS, atol=1e-4)


def test_clone_and_params(X):
    fitted = Standardizer(by="global").fit(X)
    assert clone(fitted).get_params() == {"by": "global"}
    assert not hasattr(clone(fitted), "mean_")


def test_columns_keep_their_names(X):
    vectors = StoreArray.from_numpy(RNG.normal(size=(10, 2)))
    fitted = Standardizer().fit(vectors)
    assert fitted.get_feature_names_out().tolist() == ["x0", "x1"]
    assert fitted.get_feature_names_out(["loud", "long"]).tolist() == ["loud", "long"]
    table = pd.DataFrame(vectors.to_numpy(), columns=["loud", "long"])
    assert Standardizer().set_output(transform="pandas").fit_transform(table).columns.tolist() == ["loud", "long"]
    with pytest.raises(ValueError, match="spectrograms have no names"):
        Standardizer().fit(X).get_feature_names_out()
    with pytest.raises(NotFittedError):
        Standardizer().get_feature_names_out()


def test_leak_of_a_source_warns():
    shared = StoreArray.from_numpy(SPECTROGRAMS, folds=np.ones(30, int), sources=np.arange(30) // 2)
    fitted = Standardizer().fit(shared[::2])
    with pytest.warns(SourceLeakWarning, match="15 of the 15"):
        fitted.transform(shared[1::2])


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (np.zeros((3, 5, 7)), "5 bands, but Standardizer is expecting 6"),
        (np.zeros((0, 6, 7)), "empty"),
        (np.zeros((2, 6, 7, 1)), "shape"),
    ],
)
def test_wrong_input_says_so(broken, message):
    fitted = Standardizer().fit(SPECTROGRAMS)
    with pytest.raises(ValueError, match=message):
        fitted.transform(broken)


def test_nan_and_wrong_parameter_and_not_fitted():
    with pytest.raises(ValueError, match="NaN"):
        Standardizer().fit(np.full((2, 3, 4), np.nan))
    with pytest.raises(ValueError, match="'band' or 'global'"):
        Standardizer(by="mel").fit(SPECTROGRAMS)
    with pytest.raises(NotFittedError):
        Standardizer().transform(SPECTROGRAMS)


def test_recordings_are_refused_with_advice(tiny_store):
    with pytest.raises(TypeError, match="MelSpectrogram"):
        Standardizer().fit(tiny_store.audio)
