"""Loading one epoch of batches: the course's Dataset, which decodes every clip each time, compared with a store."""

import time

import numpy as np

from ._measure import Result

BATCH = 32


class WavDataset:
    """The Dataset of the course: a clip is loaded and transformed when it is needed."""

    def __init__(self, paths, targets):
        self.paths, self.targets = paths, targets

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        import librosa
        import torch

        y, _ = librosa.load(self.paths[index], sr=16000)
        mel = librosa.feature.melspectrogram(y=y, sr=16000, n_mels=128, fmax=8000)
        return torch.from_numpy(librosa.power_to_db(mel, ref=np.max)), self.targets[index]


def run(material):
    from torch.utils.data import DataLoader

    from esc_features.models import ClipDataset, ClipLoader

    few = 64 if material.quick else 200
    clips, store = material.clips, material.store
    course = WavDataset(clips["path"].tolist()[:few], clips["target"].tolist()[:few])
    _ = course[0]
    X, target = store["mel"], store.target
    train = X[X.folds != 1]
    contestants = {
        "esc_features": ClipLoader(ClipDataset(train, target[X.folds != 1]), batch_size=BATCH, shuffle=True),
        "WavDataset, DataLoader(num_workers=0)": DataLoader(course, BATCH, shuffle=True),
        "WavDataset, DataLoader(num_workers=2)": DataLoader(course, BATCH, shuffle=True, num_workers=2),
    }
    per_clip = {name: [] for name in contestants}
    for _ in range(2 if material.quick else 4):
        for name, loader in contestants.items():
            start = time.perf_counter()
            count = sum(len(batch) for batch, _ in loader)
            per_clip[name].append((time.perf_counter() - start) / count)
    best = {name: sorted(values)[len(values) // 2] for name, values in per_clip.items()}
    reference = best["esc_features"]
    return [
        Result("one loading epoch, 1600 clips", name, seconds * 1600e3, "ms", seconds / reference, note)
        for (name, seconds), note in zip(best.items(), ("", f"from {few} clips", f"from {few} clips"), strict=True)
    ]
