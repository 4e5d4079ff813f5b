"""Compare changes of DeepConvNetClassifier's recipe: `python -m benchmarks.recipes ESC-10 --arms crop --seeds 0,1`.

Each run trains on one of folds 1 to 4 and predicts the other three; fold 5 is never read. `base`, the recipe as it
is, and the arms take turns on the same folds and seeds. What has been run is kept in `--out` and not run again.
What came out so far: docs/inside/experiments.md.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.pipeline import make_pipeline

from esc_features.augmentation import BatchTransform, Gain, Mixup, SpecAugment, TimeShift
from esc_features.datasets import find_clips
from esc_features.models import DeepConvNetClassifier
from esc_features.preprocessing import Standardizer

SHIFT, GAIN, MIXUP, MASKS = TimeShift(0.5, fill="wrap"), Gain(0.2), Mixup(0.4), SpecAugment(fill=0.0)


class Crop(BatchTransform):
    """Keep half of each clip: the louder of two random stretches."""

    def change(self, X, y, generator):
        frames, clips = X.shape[-1] // 2, torch.arange(len(X))
        stretches = X.unfold(-1, frames, 1)
        starts = torch.randint(stretches.shape[2], (2, len(X)), generator=generator)
        levels = torch.stack([stretches[clips, :, start].amax(-1).mean(-1) for start in starts])
        return stretches[clips, :, starts[levels.argmax(0), clips]], y


class Equalise(BatchTransform):
    """Add a random gain to each band that changes linearly between four bands: another microphone, another room."""

    def change(self, X, y, generator):
        gains = 0.6 * torch.rand(len(X), 1, 4, generator=generator) - 0.3
        return X + torch.nn.functional.interpolate(gains, X.shape[1], mode="linear", align_corners=True)[
            :, 0, :, None
        ], y


# One change each. `epochs` is a factor, so that all arms train for the same time.
ARMS = {
    "base": {},
    "crop": {"epochs": 1.7, "iterator_train__transforms": (SHIFT, Crop(), GAIN, MIXUP, MASKS)},
    "equalise": {"iterator_train__transforms": (SHIFT, Equalise(), GAIN, MIXUP, MASKS)},
    "mixup1": {"iterator_train__transforms": (SHIFT, GAIN, Mixup(1.0), MASKS)},
    "batch16": {"batch_size": 16},
}


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recipes", description=__doc__)
    parser.add_argument("audio", help="folder of ESC-10")
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--width", type=int, default=12)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results/recipes")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    clips = find_clips(options.audio)
    clips = clips[clips["fold"] < 5].reset_index(drop=True)
    X, y = DeepConvNetClassifier.feature().transform(list(clips["path"])), clips["category"].to_numpy()
    arms = list(dict.fromkeys(["base", *options.arms.split(",")]))
    right, seconds = {arm: [] for arm in arms}, dict.fromkeys(arms, 0.0)
    sources = []
    for seed in map(int, options.seeds.split(",")):
        for fold in sorted(set(clips["fold"])):
            train = (clips["fold"] == fold).to_numpy()
            sources.append(clips["src_file"][~train].astype(str))
            for arm in arms:
                file = options.out / f"{arm}-{fold}-{seed}-{options.epochs}-{options.width}.npz"
                if not file.exists():
                    change = dict(ARMS[arm])
                    epochs = round(options.epochs * change.pop("epochs", 1))
                    net = DeepConvNetClassifier(
                        random_state=seed, max_epochs=epochs, module__width=options.width, **change
                    )
                    start = time.process_time()
                    model = make_pipeline(Standardizer(), net).fit(X[train], y[train])
                    took = time.process_time() - start
                    np.savez(file, right=model.predict(X[~train]) == y[~train], seconds=took)
                with np.load(file) as run:
                    right[arm].append(run["right"])
                    seconds[arm] += float(run["seconds"])
    runs = np.repeat(np.arange(len(sources)), [len(each) for each in sources])
    print(
        f"base: {100 * np.concatenate(right['base']).mean():.1f} %, {seconds['base']:.0f} s of CPU, {len(sources)} runs"
    )
    for arm in arms[1:]:
        gain, error = paired(np.concatenate(right[arm]), np.concatenate(right["base"]), runs, np.concatenate(sources))
        print(f"{arm}: {100 * gain:+.1f} ± {100 * error:.1f} points, {seconds[arm] / seconds['base']:.2f} x the time")


def paired(new, old, runs, sources):
    """Mean difference and its standard error, clustered by run and by source recording.

    A. C. Cameron, J. B. Gelbach and D. L. Miller, "Robust inference with multiway clustering", Journal of Business &
    Economic Statistics 29(2), 2011. The largest of the two-way and the two one-way errors.
    """
    difference = new.astype(float) - old
    rest = difference - difference.mean()

    def variance(groups):
        sums = np.bincount(np.unique(groups, return_inverse=True)[1], rest)
        return (sums**2).sum() * len(sums) / max(len(sums) - 1, 1) / len(rest) ** 2

    by_run, by_source = variance(runs), variance(sources)
    both = by_run + by_source - (rest**2).sum() / len(rest) ** 2
    return difference.mean(), max(by_run, by_source, both) ** 0.5


if __name__ == "__main__":
    main()
