"""The 26 numbers of the ESC paper, and its three baselines on the real recordings."""

import librosa
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from esc_features.features import MFCCStatistics

BASELINES = {
    "k-NN": (KNeighborsClassifier(8), 66.7, 1.5),
    "random forest": (RandomForestClassifier(500, random_state=20150420, n_jobs=2), 72.7, 2.5),
    "linear SVM": (SVC(kernel="linear", C=0.1), 67.5, 1.5),
}


def paper_statistics(integers):
    """The recipe as the paper's notebook wrote it, on librosa."""
    y = np.zeros(220500)
    y[: len(integers)] = integers[:220500]
    y = (y + 0.5) / 32767.5
    power = librosa.feature.melspectrogram(y=y, sr=44100, n_fft=2048, hop_length=512)
    mfcc = librosa.feature.mfcc(S=librosa.power_to_db(power), n_mfcc=13)[1:]
    frames = [y[start : start + 512] for start in range(0, len(y), 512)]
    zcr = np.array([np.mean(0.5 * np.abs(np.diff(np.sign(frame)))) for frame in frames])
    return np.concatenate([mfcc.mean(axis=1), mfcc.std(axis=1), [zcr.mean(), zcr.std()]])


@pytest.mark.parametrize("length", [220500, 100000, 250000])
@pytest.mark.parametrize("kind", ["noise", "sine", "sparse", "silence"])
def test_equals_the_recipe_of_the_paper(kind, length):
    rng = np.random.default_rng(5)
    integers = {
        "noise": rng.integers(-32768, 32768, length),
        "sine": np.rint(20000 * np.sin(0.05 * np.arange(length))),
        "sparse": rng.integers(-1, 2, length),
        "silence": np.zeros(length),
    }[kind]
    computed = MFCCStatistics().transform((integers / 32768).astype(np.float32)[np.newaxis])
    assert computed.shape == (1, 26) and computed.dtype == np.float32
    expected = paper_statistics(integers)
    np.testing.assert_allclose(computed[0, :24], expected[:24], rtol=1e-4, atol=2e-3)
    np.testing.assert_allclose(computed[0, 24:], expected[24:], rtol=1e-5, atol=1e-7)


def test_names():
    names = MFCCStatistics().get_feature_names_out()
    assert list(names) == [
        *[f"mfcc_{i}_mean" for i in range(1, 13)],
        *[f"mfcc_{i}_std" for i in range(1, 13)],
        "zcr_mean",
        "zcr_std",
    ]
    assert len(MFCCStatistics(n_mfcc=20).get_feature_names_out()) == MFCCStatistics(n_mfcc=20).output_shape()[0]


def test_pandas_output():
    table = MFCCStatistics(sample_rate=8000).set_output(transform="pandas").transform(np.zeros((2, 40000)))
    assert table.columns[0] == "mfcc_1_mean" and table.shape == (2, 26)


def test_the_same_bits_however_clips_are_grouped():
    sounds = np.random.default_rng(6).normal(0, 0.1, (3, 220500)).astype(np.float32)
    together = MFCCStatistics().compute(sounds)
    for i in range(3):
        np.testing.assert_array_equal(MFCCStatistics().compute(sounds[i : i + 1])[0], together[i])


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"n_mfcc": 1}, "n_mfcc must be a whole number of at least 2"),
        ({"n_mfcc": 41, "n_mels": 40}, "n_mfcc=41 must not be more than n_mels=40"),
        ({"hop_length": 1}, "hop_length must be at least 2"),
    ],
)
def test_parameters_are_checked(parameters, message):
    with pytest.raises(ValueError, match=message):
        MFCCStatistics(**parameters).transform(np.zeros((1, 220500)))


@pytest.fixture(scope="module")
def real_statistics(esc10_folder):
    clips = pd.read_csv(esc10_folder / "meta" / "esc50.csv") if (esc10_folder / "meta" / "esc50.csv").exists() else None
    if clips is None or clips.esc10.astype(bool).sum() != 400:
        pytest.skip("the real ESC-10 is not on this machine")
    clips = clips[clips.esc10.astype(bool)]
    X = MFCCStatistics().transform([esc10_folder / "audio" / name for name in clips.filename])
    return X, clips.target.to_numpy(), clips.fold.to_numpy()


@pytest.mark.parametrize("baseline", BASELINES)
def test_baselines_of_the_paper(real_statistics, baseline):
    X, y, folds = real_statistics
    model, published, tolerance = BASELINES[baseline]
    scores = [model.fit(X[folds != k], y[folds != k]).score(X[folds == k], y[folds == k]) for k in range(1, 6)]
    assert abs(100 * np.mean(scores) - published) <= tolerance
