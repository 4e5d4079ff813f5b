"""Classify recordings with onnxruntime, numpy and soundfile alone: python predict.py dogs.onnx a.wav b.wav"""

import json
import sys

import numpy as np
import onnxruntime
import soundfile

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
about = session.get_modelmeta().custom_metadata_map
categories, rate = json.loads(about["categories"]), int(about["sample_rate"])
samples = round(float(about["duration"]) * rate)
for path in sys.argv[2:]:
    recording, its_rate = soundfile.read(path, dtype="float32", always_2d=True)
    if its_rate != rate:
        sys.exit(f"{path} has {its_rate} Hz, but the model takes {rate} Hz. Resample it, with soxr for instance.")
    waveform = np.zeros((1, samples), np.float32)
    clip = recording.mean(axis=1)[:samples]
    waveform[0, : len(clip)] = clip
    (probabilities,) = session.run(None, {"waveforms": waveform})[0]
    print(path, categories[probabilities.argmax()], f"{probabilities.max():.4f}", sep="\t")
