"""What features take, what they refuse, and that they are scikit-learn transformers."""

import pickle
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import soundfile
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from esc_features.features import Feature, MelSpectrogram, MFCCStatistics, Waveform

TINY = {"sample_rate": 100, "duration": 1.0}
FRAMES = {"n_fft": 20, "hop_length": 10, "n_mels": 4}
FEATURES = [Waveform(**TINY), MelSpectrogram(fmax=50, **TINY, **FRAMES), MFCCStatistics(n_mfcc=3, **TINY, **FRAMES)]
SOUND = np.random.default_rng(7).uniform(-0.5, 0.5, (4, 100)).astype(np.float32)

LEARNS_NOTHING = "fit learns nothing and looks at nothing: it is given paths and stores as well"


def expected_failures(estimator):
    return {
        "check_n_features_in_after_fitting": LEARNS_NOTHING,
        "check_n_features_in": LEARNS_NOTHING,
        "check_complex_data": LEARNS_NOTHING,
        "check_estimators_empty_data_messages": LEARNS_NOTHING,
        "check_estimators_nan_inf": LEARNS_NOTHING,
        "check_estimator_sparse_tag": LEARNS_NOTHING,
        "check_fit1d": LEARNS_NOTHING,
        "check_estimators_dtypes": "integers are refused: nobody can tell which full scale they have",
    }


@parametrize_with_checks(FEATURES[1:2], expected_failed_checks=expected_failures)
def test_scikit_learn_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([FEATURES[0], FEATURES[2]], expected_failed_checks=expected_failures)
def test_scikit_learn_estimator_checks_of_the_others(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    files = [folder / f"{i}.wav" for i in range(len(SOUND))]
    for file, samples in zip(files, SOUND, strict=True):
        soundfile.write(file, samples, 100, subtype="FLOAT")
    return files


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
@pytest.mark.parametrize(
    "kind",
    [
        list,
        tuple,
        lambda paths: [str(path) for path in paths],
        lambda paths: np.array([str(path) for path in paths]),
        lambda paths: np.array(paths, dtype=object),
        lambda paths: np.array([str(path) for path in paths], dtype=np.dtypes.StringDType()),
        lambda paths: pd.Series([str(path) for path in paths], index=[9, 8, 7, 6]),
        lambda paths: pd.Series([str(path) for path in paths], dtype="string"),
    ],
)
def test_paths_of_any_kind_give_the_numbers_of_their_waveforms(feature, kind, paths):
    expected = feature.transform(SOUND)
    assert expected.shape == (4, *feature.output_shape())
    np.testing.assert_array_equal(feature.transform(kind(paths)), expected)


@pytest.mark.parametrize("kind", [np.asarray, lambda x: x.astype(float), lambda x: x.tolist(), pd.DataFrame, list])
def test_waveforms_of_any_kind(kind):
    np.testing.assert_array_equal(Waveform(**TINY).transform(kind(SOUND)), SOUND)


def test_waveforms_are_cut_and_padded():
    assert Waveform(**TINY).transform(np.ones((1, 150))).tolist() == [[1.0] * 100]
    assert Waveform(**TINY).transform(np.ones((1, 60))).tolist() == [[1.0] * 60 + [0.0] * 40]


@pytest.mark.parametrize(
    "X, error, message",
    [
        ("clip.wav", TypeError, r"Put a single one into a list: transform\(\['clip.wav'\]\)"),
        (Path("clip.wav"), TypeError, "Put a single one into a list"),
        (b"clip.wav", TypeError, "Put a single one into a list"),
        (SOUND[0], ValueError, r"Reshape your data: .*reshape\(1, -1\)"),
        (SOUND[None], ValueError, "Expected 2D array"),
        ((SOUND * 32768).astype(np.int16), TypeError, "not int16: divide 16-bit integers by 32768"),
        ([], ValueError, "empty list"),
        (np.array([], dtype=str), ValueError, "empty list"),
        (SOUND[:0], ValueError, r"0 sample\(s\)"),
        (SOUND[:, :0], ValueError, r"0 feature\(s\)"),
        (np.where(np.arange(4)[:, None] == 2, np.nan, SOUND), ValueError, "NaN or infinity, first in row 2"),
        (np.full((1, 9), np.inf), ValueError, "NaN or infinity"),
        (np.full((1, 9), -1e30), ValueError, "values as large as 1e[+]30"),
        (SOUND * 1j, ValueError, "Complex data not supported"),
        (scipy.sparse.csr_array(SOUND), TypeError, "not a sparse matrix"),
        ([[0.0, 1.0], [0.0]], ValueError, "differ in length"),
        (["a.wav", 3], TypeError, "floats|list of paths"),
        (None, TypeError, "list of paths"),
        (pd.DataFrame({"sound": ["a.wav"], "fold": [1]}), TypeError, "a clip table"),
        (iter(["a.wav"]), TypeError, "list of paths"),
    ],
)
def test_what_is_no_recording_is_refused_with_the_way_out(X, error, message):
    with pytest.raises(error, match=message):
        Waveform(**TINY).transform(X)


class Recordings:
    """A stand-in for store.audio: the protocol and nothing else."""

    def __init__(self, stored):
        self.stored = stored

    def precomputed(self, feature):
        return self.stored.get(feature.fingerprint())

    def derive(self, feature):
        return "derived", feature


def test_recordings_are_asked_for_what_they_have():
    feature = FEATURES[1]
    recordings = Recordings({feature.fingerprint(): "the stored array"})
    assert clone(feature).transform(recordings) == "the stored array"
    assert feature.fit_transform(recordings) == "the stored array"
    other = clone(feature).set_params(n_mels=5)
    assert other.transform(recordings) == ("derived", other)


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_clones_and_pickles_are_the_same_feature(feature):
    for same in (clone(feature), pickle.loads(pickle.dumps(feature))):
        assert same.get_params() == feature.get_params()
        assert same.fingerprint() == feature.fingerprint()
        np.testing.assert_array_equal(same.transform(SOUND), feature.transform(SOUND))


def test_in_a_pipeline_and_a_grid_search():
    sounds = np.concatenate([SOUND, SOUND * 0.01] * 3)
    loud = np.array(([1] * 4 + [0] * 4) * 3)
    model = make_pipeline(MFCCStatistics(n_mfcc=3, **TINY, **FRAMES), LogisticRegression())
    search = GridSearchCV(model, {"mfccstatistics__n_mels": [3, 6]}, cv=2).fit(sounds, loud)
    assert set(search.cv_results_["param_mfccstatistics__n_mels"]) == {3, 6}


def test_only_two_dimensional_features_have_names():
    assert hasattr(MFCCStatistics(), "get_feature_names_out")
    assert not hasattr(MelSpectrogram(), "get_feature_names_out")


def test_a_subclass_must_say_how_it_computes():
    with pytest.raises(NotImplementedError, match=r"write compute\(\)"):
        Feature().compute(SOUND)
    with pytest.raises(NotImplementedError, match=r"write output_shape\(\)"):
        Feature().output_shape()


@pytest.mark.slow
def test_extraction_imports_neither_torch_nor_librosa(paths):
    script = (
        "import sys\n"
        "from esc_features.features import MelSpectrogram, MFCCStatistics, make_features\n"
        "for feature in [*make_features('waveform,mel').values(), MFCCStatistics()]:\n"
        "    feature.transform(sys.argv[1:])\n"
        "print([name for name in ('torch', 'librosa', 'numba') if name in sys.modules])\n"
    )
    run = subprocess.run([sys.executable, "-c", script, *paths], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.slow
def test_the_same_bits_in_another_process(paths):
    script = (
        "import sys, zlib\n"
        "from esc_features.features import MelSpectrogram\n"
        "print(zlib.crc32(MelSpectrogram().transform(sys.argv[1:]).tobytes()))\n"
    )
    run = subprocess.run([sys.executable, "-c", script, *paths], capture_output=True, text=True, check=True)
    assert int(run.stdout) == zlib.crc32(MelSpectrogram().transform(paths).tobytes())
