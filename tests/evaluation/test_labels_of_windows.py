"""From a table of annotated windows to a ranking: several labels per clip, through files and folds."""

import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import cross_val_predict
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from esc_features import MFCCStatistics, cut_windows, evaluate, extract, label_windows, load_clips, open_store
from esc_features.evaluation import LeaderboardDisplay

RATE = 8000
FEATURE = MFCCStatistics(sample_rate=RATE, duration=0.5, n_fft=256, hop_length=128, n_mels=20, n_mfcc=8)
TONES = {"high": 3000, "low": 300, "middle": 1000}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Three recordings of 20 s, one a fold, with tones that overlap, cut into windows of half a second."""
    folder, rng = tmp_path_factory.mktemp("long"), np.random.default_rng(0)
    times, annotations = np.arange(20 * RATE) / RATE, []
    for number in (1, 2, 3):
        sound = rng.normal(0, 0.02, len(times))
        for label, frequency in TONES.items():
            for start in rng.integers(0, 38, 12) / 2:
                sound += 0.1 * np.sin(2 * np.pi * frequency * times) * ((times >= start) & (times < start + 0.5))
                annotations.append((f"{number}.flac", start, start + 0.5, label))
        soundfile.write(folder / f"{number}.flac", sound, RATE)
    table = pd.DataFrame({"filename": ["1.flac", "2.flac", "3.flac"], "fold": [1, 2, 3]})
    windows = cut_windows(load_clips(table, folder), duration=0.5)
    annotations = pd.DataFrame(annotations, columns=["filename", "start", "end", "label"])
    return extract(label_windows(windows, annotations), folder / "store", features={"mfcc": FEATURE}, verbose=False)


def model():
    return make_pipeline(FEATURE, StandardScaler(), OneVsRestClassifier(LogisticRegression()))


def test_y_is_an_indicator_of_the_windows(store):
    assert store.y.shape == (120, 3) and store.categories == sorted(TONES)
    assert {0, 2} <= set(store.y.sum(axis=1).tolist())  # none of them, several of them


@pytest.mark.slow
def test_the_ranking_is_by_mean_average_precision(store, tmp_path):
    board = evaluate(store, {"logistic": model()}, out=tmp_path / "results", verbose=False)
    chances = cross_val_predict(model(), store.audio, store.y, cv=store.cv(), method="predict_proba")
    wanted = [
        average_precision_score(store.y[store.folds == fold], chances[store.folds == fold], average="macro")
        for fold in (1, 2, 3)
    ]
    assert np.mean(wanted) > 0.9
    assert board.to_text().splitlines()[1].split()[1] == "map"
    assert board.to_text().splitlines()[2].split()[1] == f"{100 * np.mean(wanted):.1f}"
    assert "mean average precision" in LeaderboardDisplay.from_leaderboard(board).ax_.get_xlabel().lower()
    again = evaluate(open_store(store.path), {"logistic": model()}, out=tmp_path / "results", verbose=False)
    assert again.table.equals(board.table)  # found, and not fitted again


def test_windows_of_a_recording_on_both_sides_are_a_leak(store):
    halves = np.arange(len(store)) % 2 == 0
    with pytest.raises(ValueError, match="3 recordings that training clips also come from"):
        store.check_split(halves, ~halves)
