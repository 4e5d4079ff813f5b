"""Predictions over hours: predict_windows beside a loop of librosa and torch, memory, the first answer, ONNX."""

import statistics
import time

import numpy as np

from ._measure import Result, child, compare, interleave

_HOP, _RATE = 2.5, 44100

_HEAR = """
import json, sys, time
began = time.perf_counter()
import psutil
from esc_features.deployment import load_model, predict_windows
model = load_model(sys.argv[1])
predict_windows(model, sys.argv[2], hop=2.5, n_jobs=2)  # warm: libraries and buffers
process, most = psutil.Process(), 0
from esc_features.deployment._predict_windows import predict_chunks
from esc_features.deployment._stretches import stretches_of
cpu = time.process_time()
for chunk in predict_chunks(model, stretches_of(sys.argv[3]), 2.5, n_jobs=2):
    most = max(most, int(open("/proc/self/status").read().split("RssAnon:")[1].split()[0]) / 1e3)
print(json.dumps({"megabytes": most, "processor": time.process_time() - cpu}))
"""

_FIRST = """
import sys
from esc_features import load_model
load_model(sys.argv[1]).predict([sys.argv[2]])
"""


def run(material):
    import soundfile
    from sklearn.pipeline import make_pipeline

    from esc_features import MelSpectrogram, predict_windows, save_model
    from esc_features.models import ConvNetClassifier

    folder = material.scratch / "predict"
    folder.mkdir()
    rng = np.random.default_rng(0)
    waveforms, names = rng.normal(0, 0.1, (20, 80000)).astype("f4"), np.repeat([f"c{i}" for i in range(10)], 2)
    net = ConvNetClassifier(max_epochs=1, random_state=0, device="cpu")
    model = make_pipeline(MelSpectrogram(), net).fit(waveforms, names)
    save_model(model, folder / "m.esc")
    seconds = 300 if material.quick else 3600
    minute = rng.normal(0, 0.1, 60 * _RATE) * np.abs(np.sin(np.arange(60 * _RATE) / 9000))
    files = {"minute": 60, "hour": seconds, "ten hours": 10 * seconds}
    for name, length in files.items():
        with soundfile.SoundFile(folder / f"{name}.wav", "w", _RATE, 1, "PCM_16") as file:
            for _ in range(length // 60):
                file.write(minute)
    hour = folder / "hour.wav"
    contestants = {
        "predict_windows, two cores": lambda: predict_windows(model, hour, hop=_HOP, n_jobs=2),
        "predict_windows, one core": lambda: predict_windows(model, hour, hop=_HOP),
        "loop of librosa and torch": lambda: _loop(model, hour, seconds),
    }
    timed = {name: _timed(function) for name, function in contestants.items()}
    times = interleave(timed, 1 if material.quick else 3, warm_up=False)
    results = []
    for result in compare("predict", times, "loop of librosa and torch", 1, "s"):
        results.append(result)
        speed = seconds / result.value
        results.append(
            Result("predict", f"{result.contestant}: times real time", speed, "x", None, f"{seconds} s, hop 2.5 s")
        )
    return [*results, *_memory(folder), *_first_answer(folder), *_onnx(model, folder, waveforms)]


def _timed(function):
    def run():
        began = time.perf_counter()
        function()
        return time.perf_counter() - began

    return run


def _loop(model, path, seconds):
    """What people write: load each window by librosa, compute its spectrogram by librosa, ask the network."""
    import librosa
    import torch

    module = model[-1].module_.eval()
    with torch.inference_mode():
        for start in np.arange(0, seconds - 5 + _HOP / 2, _HOP):
            clip, _ = librosa.load(path, sr=16000, offset=start, duration=5.0)
            power = librosa.feature.melspectrogram(y=clip, sr=16000, n_mels=128, fmax=8000)
            decibels = librosa.power_to_db(power, ref=np.max)
            module(torch.from_numpy(decibels[np.newaxis])).softmax(dim=1).numpy()


def _memory(folder):
    results, first = [], None
    for name in ("hour", "ten hours"):
        answer = child(_HEAR, folder / "m.esc", folder / "minute.wav", folder / f"{name}.wav", timeout=3000)
        first = first or answer["megabytes"]
        note = f"{answer['processor']:.1f} s of processor time"
        results.append(
            Result("predict", f"most memory, {name}", answer["megabytes"], "MB", answer["megabytes"] / first, note)
        )
    return results


def _first_answer(folder):
    statements = {"import torch": "import torch", "load_model to first answer": _FIRST}
    times = {name: [] for name in statements}
    for _ in range(5):
        for name, code in statements.items():
            times[name].append(child(code, folder / "m.esc", folder / "minute.wav")["seconds"])
    ratios = [a / b for a, b in zip(times["load_model to first answer"], times["import torch"], strict=True)]
    return [
        Result("predict", name, statistics.median(seconds), "s", statistics.median(ratios) if "load" in name else 1.0)
        for name, seconds in times.items()
    ]


def _onnx(model, folder, waveforms):
    try:
        import onnxruntime

        from esc_features.deployment import export_onnx

        export_onnx(model, folder / "m.onnx", recordings=folder / "minute.wav")
    except ImportError:
        return []
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "m.onnx", options, providers=["CPUExecutionProvider"])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        times = interleave(
            {
                "pipeline (torch), one core, 20 clips": _timed(lambda: model.predict_proba(waveforms)),
                "onnxruntime, one core, 20 clips": _timed(lambda: session.run(None, {"waveforms": waveforms})),
            },
            7,
        )
    finally:
        torch.set_num_threads(threads)
    return compare("predict", times, "pipeline (torch), one core, 20 clips", 1e3, "ms")
