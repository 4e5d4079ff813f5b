"""
Long recordings with several sounds at once
===========================================

Field recordings are long, sounds in them overlap, and annotations are corrected again and again. Here such recordings
are mixed from the clips of the data set at known positions, one recording per fold, so that folds share no recording.
They are cut into windows, labelled with the annotations, and scored by mean average precision.

``--minutes 12`` makes an hour of recordings from the five folds of ESC-10.
"""

# %%
# One recording per fold: its clips at random positions over quiet noise. The annotations record where each clip is.

import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import soundfile
from _common import command_line, get_store, save
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from esc_features import MFCCStatistics, cut_windows, evaluate, extract, label_windows, load_clips
from esc_features.evaluation import LeaderboardDisplay
from esc_features.plotting import BLUE, VERMILION

options = command_line(__doc__, minutes=2.0)
short = get_store(options, "waveform")["waveform"]
home = Path(options.out or "stores/demo").with_name("long-recordings")
home.mkdir(parents=True, exist_ok=True)
rate, random = short.parameters["sample_rate"], np.random.default_rng(0)
annotations = []
for fold in np.unique(short.folds):
    sound = random.normal(0, 0.001, round(options.minutes * 60 * rate)).astype(np.float32)
    for clip in np.flatnonzero(short.folds == fold):
        waveform = short[clip]
        first = int(random.integers(len(sound) - len(waveform)))
        sound[first : first + len(waveform)] += waveform
        start, end = first / rate, (first + len(waveform)) / rate
        annotations.append({"filename": f"fold{fold}.flac", "start": start, "end": end, "label": short.y[clip]})
    soundfile.write(home / f"fold{fold}.flac", sound / max(1, np.abs(sound).max()), rate)
annotations = pd.DataFrame(annotations)
print(f"{len(annotations)} sounds in {options.minutes * len(np.unique(short.folds)):g} minutes")

# %%
# Each clip is now a window of 3 s, and windows overlap by half. A window gets the labels of the annotations that it
# overlaps by at least half of the shorter of the two.

folds = np.unique(short.folds)
recordings = load_clips(pd.DataFrame({"filename": [f"fold{fold}.flac" for fold in folds], "fold": folds}), home)
windows = label_windows(cut_windows(recordings, duration=3, hop=1.5), annotations)
print(windows["labels"].map(len).value_counts().sort_index().rename("windows").to_string())

# %%
# The store's ``y`` is an indicator matrix with one row per window and one column per category.

feature = MFCCStatistics(duration=3.0)
store = extract(windows, home / "store", features={"mfcc": feature})
print(store.y.shape, store.categories)

# %%
# The multi-label classifiers of scikit-learn work as they are. The folds are those of the recordings.

methods = {
    "logistic": make_pipeline(feature, StandardScaler(), OneVsRestClassifier(LogisticRegression(C=0.1, max_iter=1000))),
    "forest": make_pipeline(feature, RandomForestClassifier(200, random_state=0, n_jobs=-1)),
}
board = evaluate(store, methods)
print(board.to_text())
save(LeaderboardDisplay.from_leaderboard(board).figure_, options, "11_leaderboard")

# %%
# The probability of one category over time, in a recording that the model was not trained on, and where the category
# really is.

X, y = store["mfcc"], store.y
held_out = X.folds == folds[0]
model = methods["forest"].fit(store.audio[~held_out], y[~held_out])
column = int(y[held_out].sum(axis=0).argmax())
category = store.categories[column]
heard = model.predict_proba(store.audio[held_out])[column][:, -1]
figure, axes = plt.subplots(figsize=(9, 2.5), layout="constrained")
axes.plot(X[held_out].clips["start"] + 1.5, heard, color=BLUE, label="probability")
for _, place in annotations[
    (annotations["filename"] == f"fold{folds[0]}.flac") & (annotations["label"] == category)
].iterrows():
    axes.axvspan(place["start"], place["end"], color=VERMILION, alpha=0.25, linewidth=0)
axes.set(xlabel="Time (s)", title=f"{category} in the recording of fold {folds[0]} (shaded: annotations)", ylim=(0, 1))
save(figure, options, "11_heard")

# %%
# The cost of an edit. When an annotation is corrected, no recording is opened. When a recording is added, its windows
# are computed and the others are copied.

annotations.loc[0, "label"] = next(label for label in store.categories if label != annotations["label"][0])
started = time.perf_counter()
extract(label_windows(windows, annotations), store.path, features={"mfcc": feature})
print(f"a corrected annotation: {time.perf_counter() - started:.2f} s")
soundfile.write(home / "extra.flac", random.normal(0, 0.001, 30 * rate), rate)
names = [*recordings["filename"], "extra.flac"]
more = load_clips(pd.DataFrame({"filename": names, "fold": [*folds, folds[0]]}), home)
started = time.perf_counter()
extract(label_windows(cut_windows(more, duration=3, hop=1.5), annotations), store.path, features={"mfcc": feature})
print(f"30 s more: {time.perf_counter() - started:.2f} s")
