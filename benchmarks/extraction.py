"""Waveform and mel spectrogram of every clip: from the command to the result on disk.

Each contestant is a separate process. Its start-up (imports) and its work are timed separately. The total is for 2000
clips; the loops of librosa calls run on 400 of them and are scaled, because their time is linear.

Between start-up and work, each contestant allocates and frees a gigabyte of memory, which is not counted: the host of a
virtual machine may take back memory that was free for some seconds, and the next writer would have to wait for it (3 ms
per MB on the machine of RESULTS.md).
"""

import shutil
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from ._measure import Result, child, compare, interleave

_BEGIN = """
import json, sys, time
import numpy as np, pandas as pd
paths = pd.read_csv(sys.argv[1])["path"].tolist()[: int(sys.argv[3])]
def begin_work():
    global touching, ready
    start, cpu = time.perf_counter(), time.process_time()
    np.ones(1 << 27)
    touching = {"touching": time.perf_counter() - start, "touching_cpu": time.process_time() - cpu}
    ready = time.perf_counter()
def report(**more):
    print(json.dumps({"work": time.perf_counter() - ready, "clips": len(paths), **touching, **more}))
"""

_LIBROSA = """
import librosa, numpy as np
def features(path):
    y, _ = librosa.load(path, sr=16000)
    mel = librosa.feature.melspectrogram(y=y, sr=16000, n_mels=128, fmax=8000)
    return y, librosa.power_to_db(mel, ref=np.max)
features(paths[0])  # librosa imports most of itself on first use
begin_work()
"""

_SAVE = """
np.save(sys.argv[2] + "/waveform.npy", np.stack([y for y, _ in results]))
np.save(sys.argv[2] + "/mel.npy", np.stack([mel for _, mel in results]))
report()
"""

_COURSE = _BEGIN + _LIBROSA + "results = [features(path) for path in paths]" + _SAVE
_JOBLIB = (
    _BEGIN
    + _LIBROSA
    + "from joblib import Parallel, delayed\n"
    + "results = Parallel(n_jobs=2, prefer='PREFER')(delayed(features)(path) for path in paths)"
    + _SAVE
)
_LHOTSE = (
    _BEGIN
    + """
from lhotse import CutSet, NumpyFilesWriter, Recording
from lhotse.features.librosa_fbank import LibrosaFbank, LibrosaFbankConfig
begin_work()
extractor = LibrosaFbank(LibrosaFbankConfig(16000, 2048, 512, num_mel_bins=128, fmin=0, fmax=8000))
cuts = CutSet.from_cuts(Recording.from_file(path).resample(16000).to_cut() for path in paths)
cuts.compute_and_store_features(
    extractor, sys.argv[2] + "/lhotse", num_jobs=1, storage_type=NumpyFilesWriter, progress_bar=False)
report()
"""
)
_OURS = (
    _BEGIN
    + """
import contextlib, h5py, joblib
from esc_features import extract
from esc_features.features import MelSpectrogram
table = pd.read_csv(sys.argv[1], dtype={"src_file": str, "take": str})
MelSpectrogram().transform(paths[:1])  # as for the others, imports on first use count as start-up
begin_work()
with CONTEXT:
    extract(table, sys.argv[2] + "/store", features="waveform,mel", n_jobs=2, verbose=False)
report()
"""
)
_KERNELS = (
    _BEGIN
    + """
import numpy as np, scipy.fft, soundfile, soxr
from concurrent.futures import ThreadPoolExecutor
from threadpoolctl import threadpool_limits
import librosa
window = np.hanning(2049)[:-1].astype(np.float32)
filters = librosa.filters.mel(sr=16000, n_fft=2048, n_mels=128, fmax=8000)
def kernels(path):
    times = [time.perf_counter()]
    y, rate = soundfile.read(path, dtype="float32"); times.append(time.perf_counter())
    y = soxr.resample(y, rate, 16000, quality="HQ"); times.append(time.perf_counter())
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(y[:80000], 1024), 2048)[::512]
    spectrum = scipy.fft.rfft(frames * window, axis=1, overwrite_x=True); times.append(time.perf_counter())
    power = spectrum.real**2 + spectrum.imag**2
    mel = filters @ power.T; times.append(time.perf_counter())
    return np.diff(times)
kernels(paths[0])
begin_work()
with threadpool_limits(1), ThreadPoolExecutor(2) as pool:
    parts = np.sum(list(pool.map(kernels, paths)), axis=0) / len(paths) * 1e3
report(parts=dict(zip(["decode", "soxr HQ", "window + FFT", "power + mel product"], parts.round(2).tolist())))
"""
)


def run(material):
    few, many = (80, 400) if material.quick else (400, 2000)
    rounds = 2 if material.quick else 5
    scripts = {
        "esc_features, threads": (_OURS.replace("CONTEXT", "contextlib.nullcontext()"), many),
        "esc_features, loky": (_OURS.replace("CONTEXT", "joblib.parallel_config('loky')"), many),
        "bare kernels in two threads": (_KERNELS, many),
        "loop of librosa calls (the course)": (_COURSE, few),
        "joblib threads + librosa": (_JOBLIB.replace("PREFER", "threads"), few),
        "joblib loky + librosa": (_JOBLIB.replace("PREFER", "processes"), few),
        "lhotse LibrosaFbank": (_LHOTSE, few),
    }
    table = material.many_table
    answers = {name: [] for name in scripts}
    names = list(scripts)
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            code, count = scripts[name]
            out = material.scratch / "extraction"
            out.mkdir()
            answers[name].append(child(code, table, out, count))
            shutil.rmtree(out)
    results = []
    reference = "esc_features, threads"
    for title, figure in (("extraction, 2000 clips, start-up counted", _total), ("extraction, work alone", _work)):
        for name, rows in answers.items():
            ratio = statistics.median(figure(a) / figure(b) for a, b in zip(rows, answers[reference], strict=True))
            value = statistics.median(map(figure, rows))
            start = statistics.median(row["seconds"] - row["work"] - row["touching"] for row in rows)
            cpu = statistics.median(row["cpu"] - row["touching_cpu"] for row in rows)
            note = f"start-up {start:.1f} s" if figure is _total else f"{value / 2:.2f} ms per clip"
            if figure is _total:
                note += f"; {cpu:.1f} s of CPU for {rows[0]['clips']} clips"
            parts = rows[-1].get("parts")
            if parts and figure is _work:
                note += "; ms per clip and thread: " + ", ".join(f"{key} {value}" for key, value in parts.items())
            results.append(Result(title, name, value, "s", ratio, note))
    return results + _from_stored_waveforms(material, rounds)


def _from_stored_waveforms(material, rounds):
    """Compare another spectrogram, of 64 bands from stored waveforms, with its bare kernel."""
    import librosa
    import numpy as np
    import scipy.fft
    from threadpoolctl import threadpool_limits

    from esc_features import MelSpectrogram, extract

    store, feature = material.store, MelSpectrogram(n_mels=64)
    window = np.hanning(2049)[:-1].astype(np.float32)
    filters = librosa.filters.mel(sr=16000, n_fft=2048, n_mels=64, fmax=8000)
    waveforms = list(store["waveform"].to_numpy())

    def kernel(waveform):
        frames = np.lib.stride_tricks.sliding_window_view(np.pad(waveform, 1024), 2048)[::512]
        spectrum = scipy.fft.rfft(frames * window, axis=1, overwrite_x=True)
        return filters @ (spectrum.real**2 + spectrum.imag**2).T

    def bare():
        with threadpool_limits(1), ThreadPoolExecutor(2) as pool:
            for _ in pool.map(kernel, waveforms):
                pass

    def ours():
        start = time.perf_counter()
        extract(material.many_clips, store.path, features={"mel64": feature}, n_jobs=2, verbose=False)
        seconds = time.perf_counter() - start
        shutil.rmtree(store.path / "mel64")
        return seconds

    times = interleave({"bare kernel in two threads (reference)": bare, "esc_features": ours}, rounds)
    title = f"mel of 64 bands from stored waveforms, {len(waveforms)} clips"
    return compare(title, times, "bare kernel in two threads (reference)", 1e3 / len(waveforms), "ms per clip")


def _work(answer):
    return answer["work"] * 2000 / answer["clips"]


def _total(answer):
    return answer["seconds"] - answer["touching"] - answer["work"] + _work(answer)
