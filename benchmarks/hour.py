"""An hour with the clips of fold 5 at known places: how many are found by models trained on folds 1 to 4.

Nothing is chosen on fold 5. Models are trained on windows of recordings of 12 minutes, one per fold; the threshold is
the best one on an hour of fold 4, for a model trained on folds 1 to 3.
"""

import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
from sklearn.base import clone

from ._measure import Result

_RATE, _DURATION, _HOP = 44100, 5.0, 2.5
_METHODS = ("knn", "birdnet", "efficientnet", "convnet")
_NOTHING = "nothing"
_THRESHOLDS = np.arange(0.05, 1, 0.05)


def run(material):
    from esc_features import cut_windows, extract, label_windows, load_clips
    from esc_features.evaluation import named_methods

    folder = material.scratch / "hour"
    folder.mkdir()
    clips, minutes = material.clips, 15 if material.quick else 60
    places = pd.concat([_record(clips, fold, 12, folder / f"fold{fold}.wav") for fold in (1, 2, 3, 4)])
    hours = {fold: _record(clips, fold, minutes, folder / f"hour{fold}.wav") for fold in (4, 5)}
    names = [f"fold{fold}.wav" for fold in (1, 2, 3, 4)]
    recordings = load_clips(pd.DataFrame({"filename": names, "fold": (1, 2, 3, 4)}), folder)
    windows = label_windows(cut_windows(recordings, _DURATION, _HOP), places)
    windows["category"] = [labels[0] if labels else _NOTHING for labels in windows["labels"]]
    windows = windows.drop(columns=["labels", "target"])
    results = []
    for name in _METHODS[:1] if material.quick else _METHODS:
        method = named_methods()[name]
        try:
            store = extract(windows, folder / "store", features={name: method.feature}, n_jobs=2, verbose=False)
        except ImportError as error:
            results.append(Result("hour", name, None, "", None, f"skipped: {error}"))
            continue
        model, before = clone(method.make(0)), store.folds < 4
        dev = _predict(clone(model).fit(store.audio[before], store.y[before]), folder / "hour4.wav")
        threshold = max(_THRESHOLDS, key=lambda threshold: _score(dev, hours[4], threshold)[0])
        model.fit(store.audio, store.y)
        f1, precision, recall, found = _score(_predict(model, folder / "hour5.wav"), hours[5], threshold)
        note = f"precision {precision:.2f}, recall {recall:.2f} ({found} of {len(hours[5])}), threshold {threshold:.2f}"
        results.append(Result("hour", f"{name}: event F1", f1, "", None, note))
    return [*results, _killed(model, store, folder)]


def _record(clips, fold, minutes, path):
    """Write a recording with the clips of a fold at random places over quiet noise; return where they are."""
    import soundfile

    random = np.random.default_rng(fold)
    rows = clips[clips["fold"] == fold].sample(frac=1, random_state=fold)
    sound = random.normal(0, 0.001, minutes * 60 * _RATE).astype(np.float32)
    free = minutes * 60 - len(rows) * (_DURATION + 1)
    starts = np.sort(random.uniform(0, free, len(rows))) + np.arange(len(rows)) * (_DURATION + 1)
    for source, start in zip(rows["path"], starts, strict=True):
        clip, _ = soundfile.read(source, dtype="float32")
        first = round(start * _RATE)
        sound[first : first + len(clip)] += clip
    soundfile.write(path, sound.clip(-1, 1), _RATE)
    table = {"filename": path.name, "start": starts, "end": starts + _DURATION, "label": rows["category"].to_numpy()}
    return pd.DataFrame(table)


def _predict(model, path):
    from esc_features import predict_windows

    return predict_windows(model, path, hop=_HOP, n_jobs=2).drop(columns=_NOTHING)


def _score(windows, places, threshold):
    """Return F1, precision, recall and hits; of detection and event, half of the shorter one must be shared."""
    from esc_features import merge_detections

    events = merge_detections(windows, threshold).sort_values("score", ascending=False)
    found = np.zeros(len(places), bool)
    for event in events.itertuples():
        shared = np.minimum(event.end, places["end"]) - np.maximum(event.start, places["start"])
        enough = shared >= 0.5 * min(_DURATION, event.end - event.start)
        hits = np.flatnonzero(enough & (places["label"] == event.label) & ~found)
        found[hits[:1]] = True
    hits = int(found.sum())
    return 2 * hits / max(1, len(events) + len(places)), hits / max(1, len(events)), hits / len(places), hits


def _killed(model, store, folder):
    """Predict with the command, kill it halfway and run it again: the bytes must be those of an uninterrupted run."""
    from esc_features import save_model

    save_model(model, folder / "m.esc", store=store)
    whole, killed = folder / "whole.csv", folder / "killed.csv"
    partial = folder / "killed.csv.partial"
    command = [sys.executable, "-m", "esc_features", "predict", str(folder / "m.esc"), str(folder / "hour5.wav")]
    command += ["--hop", str(_HOP), "--quiet", "--out"]
    subprocess.run([*command, str(whole)], check=True)
    run = subprocess.Popen([*command, str(killed)])
    while run.poll() is None and (not partial.exists() or partial.stat().st_size < whole.stat().st_size / 3):
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    kept = partial.read_bytes().count(b"\n") - 1 if partial.exists() else 0
    subprocess.run([*command, str(killed)], check=True)
    same = whole.read_bytes() == killed.read_bytes()
    return Result(
        "hour", "killed and run again: same bytes", float(same), "", None, f"{kept} chunks of 32 windows kept"
    )
