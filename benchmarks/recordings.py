"""Windows of long recordings: mel spectrograms of 3 s, half overlapped, and the memory that reading them takes."""

import numpy as np

from ._measure import Result, child, compare, interleave

_RATE = 48000
_WINDOW, _HOP = 3.0, 1.5

_READ = """
import json, resource, sys
from esc_features.audio import OpenRecording
from esc_features import MelSpectrogram
feature = MelSpectrogram(duration=3.0)
spec = feature.waveform()
feature.compute(spec.waveform_of(OpenRecording(sys.argv[2]).read(0, 3))[0][None])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with OpenRecording(sys.argv[1]) as recording:
    # Few enough windows that hours do not take hours, spread over the whole.
    step = max(1.5, recording.duration / 500)
    for number in range(int((recording.duration - 3) / step) + 1):
        feature.compute(spec.waveform_of(recording.read(number * step, number * step + 3))[0][None])
print(json.dumps({"megabytes": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}))
"""


def run(material):
    import soundfile

    minutes = 3 if material.quick else 60
    sound = np.random.default_rng(0).normal(0, 0.1, 60 * _RATE).cumsum()
    sound = sound / np.abs(sound).max() * 0.9
    results = []
    for container in ("flac", "wav"):
        path = material.scratch / f"long.{container}"
        with soundfile.SoundFile(path, "w", _RATE, 1, "PCM_16") as file:
            for _ in range(minutes):
                file.write(sound)
        results += _speed(path, minutes, rounds=2 if material.quick else 3)
    for hours in (1, 10):
        path = _sparse(material.scratch / f"{hours} h.wav", hours)
        grown = child(_READ, path, material.scratch / "long.wav")["megabytes"]
        results.append(
            Result("windows", f"memory over {hours} h, above the libraries", grown, "MB", None, "WAV, 48 kHz")
        )
        path.unlink()
    return results


def _speed(path, minutes, rounds):
    import librosa
    import pandas as pd

    from esc_features import MelSpectrogram

    starts = np.arange(0, minutes * 60 - _WINDOW + 1e-9, _HOP)
    windows = pd.DataFrame({"path": str(path), "start": starts, "end": starts + _WINDOW})
    feature = MelSpectrogram(duration=_WINDOW)

    def loop():
        for start in starts:
            y, _ = librosa.load(path, sr=16000, offset=start, duration=_WINDOW)
            power = librosa.feature.melspectrogram(y=y, sr=16000, n_mels=128, fmax=8000)
            librosa.power_to_db(power, ref=np.max)

    kind = path.suffix[1:].upper()

    def ours():
        feature.transform(windows)

    contestants = {
        f"esc_features, {kind}": ours,
        f"librosa.load(offset=) + librosa, {kind}": loop,
    }
    times = interleave(contestants, rounds)
    note = {f"esc_features, {kind}": f"{minutes} min in one thread, {len(starts)} windows of 3 s, half overlapped"}
    return compare("windows", times, f"esc_features, {kind}", 1e3 / len(starts), "ms per window", note)


def _sparse(path, hours):
    """A WAV file of so many hours, of which only the header takes room."""
    import struct

    samples = hours * 3600 * _RATE
    header = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", 36 + 2 * samples, b"WAVE", b"fmt ", 16, 1, 1, _RATE, 2 * _RATE, 2, 16
    )
    with path.open("wb") as file:
        file.write(header + struct.pack("<4sI", b"data", 2 * samples))
        file.truncate(file.tell() + 2 * samples)
    return path
