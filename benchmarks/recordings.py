"""Windows of long recordings: mel spectrograms of 3 s, half overlapped, and the memory that reading them takes."""

import itertools
import shutil
import time

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
    # At most 500 windows, spread over the whole recording, so that hours do not take hours.
    step = max(1.5, recording.duration / 500)
    for number in range(int((recording.duration - 3) / step) + 1):
        feature.compute(spec.waveform_of(recording.read(number * step, number * step + 3))[0][None])
print(json.dumps({"megabytes": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}))
"""


def run(material):
    minutes = 3 if material.quick else 60
    results = []
    for container in ("flac", "wav"):
        path = _recording(material, minutes, container)
        results += _speed(path, minutes, rounds=2 if material.quick else 3)
    for hours in (1, 10):
        path = _sparse(material.scratch / f"{hours} h.wav", hours)
        grown = child(_READ, path, material.scratch / "long.wav")["megabytes"]
        results.append(
            Result("windows", f"memory over {hours} h, above the libraries", grown, "MB", None, "WAV, 48 kHz")
        )
        path.unlink()
    return results


def _recording(material, minutes, container):
    """Write the clips one after the other, repeatedly, at the sample rate of a field recorder."""
    import soundfile

    from esc_features import Waveform

    path = material.scratch / f"long.{container}"
    clips, feature = itertools.cycle(material.clips["path"]), Waveform(_RATE, duration=5.0)
    with soundfile.SoundFile(path, "w", _RATE, 1, "PCM_16") as file:
        for _ in range(minutes * 12):
            file.write(feature.transform([next(clips)])[0])
    return path


def _speed(path, minutes, rounds):
    kind = path.suffix[1:].upper()
    starts = np.arange(0, minutes * 60 - _WINDOW + 1e-9, _HOP)
    contestants, missing = {}, []
    for name, make in _CONTESTANTS.items():
        try:
            contestants[f"{name}, {kind}"] = make(path, starts)
        except ImportError as error:
            missing.append(Result("windows", f"{name}, {kind}", None, "", None, f"not installed: {error.name}"))
    times = interleave(contestants, rounds)
    reference = next(iter(contestants))
    note = {reference: f"{minutes} min, {len(starts)} windows of 3 s, half overlapped; the store is written"}
    return compare("windows", times, reference, 1e3 / len(starts), "ms per window", note) + missing


def _extract(path, starts):
    import pandas as pd

    from esc_features import MelSpectrogram, cut_windows, extract, load_clips

    recording, store = pd.DataFrame({"filename": [path.name]}), path.with_suffix(".store")

    def run():
        began = time.perf_counter()
        windows = cut_windows(load_clips(recording, path.parent), _WINDOW, _HOP)
        extract(windows, store, features={"mel": MelSpectrogram(duration=_WINDOW)}, n_jobs=2, verbose=False)
        seconds = time.perf_counter() - began
        shutil.rmtree(store)
        return seconds

    return run


def _transform(path, starts):
    import pandas as pd

    from esc_features import MelSpectrogram

    windows = pd.DataFrame({"path": str(path), "start": starts, "end": starts + _WINDOW})

    def run():
        MelSpectrogram(duration=_WINDOW).transform(windows)

    return run


def _librosa(path, starts):
    import librosa

    def run():
        for start in starts:
            y, _ = librosa.load(path, sr=16000, offset=start, duration=_WINDOW)
            power = librosa.feature.melspectrogram(y=y, sr=16000, n_mels=128, fmax=8000)
            librosa.power_to_db(power, ref=np.max)

    return run


def _opensoundscape(path, starts):
    from opensoundscape import Audio
    from opensoundscape.spectrogram import MelSpectrogram

    mel = {"window_samples": 2048, "overlap_samples": 1536, "n_mels": 128, "norm": "slaney", "mel_scale": "slaney"}

    def run():
        for start in starts:
            audio = Audio.from_file(path, 16000, load_metadata=False, offset=start, duration=_WINDOW)
            _ = MelSpectrogram.from_audio(audio, **mel).spectrogram

    return run


def _lhotse(path, starts):
    from lhotse import Recording
    from lhotse.features.librosa_fbank import LibrosaFbank, LibrosaFbankConfig

    extractor = LibrosaFbank(LibrosaFbankConfig(16000, 2048, 512, num_mel_bins=128, fmin=0, fmax=8000))

    def run():
        cuts = Recording.from_file(path).resample(16000).to_cut().cut_into_windows(_WINDOW, hop=_HOP)
        for cut in itertools.islice(cuts, len(starts)):
            cut.compute_features(extractor)

    return run


_CONTESTANTS = {
    "esc_features, extract in two threads": _extract,
    "esc_features, transform in one": _transform,
    "librosa.load(offset=) + librosa": _librosa,
    "opensoundscape": _opensoundscape,
    "lhotse LibrosaFbank": _lhotse,
}


def _sparse(path, hours):
    """Write a WAV file of the given length, of which only the header takes space on disk."""
    import struct

    samples = hours * 3600 * _RATE
    header = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", 36 + 2 * samples, b"WAVE", b"fmt ", 16, 1, 1, _RATE, 2 * _RATE, 2, 16
    )
    with path.open("wb") as file:
        file.write(header + struct.pack("<4sI", b"data", 2 * samples))
        file.truncate(file.tell() + 2 * samples)
    return path
