"""Compare changes of DeepConvNetClassifier's recipe: `python -m benchmarks.recipes ESC-10 --arms whole --seeds 0,1`.

Each run trains on one or more of folds 1 to 4 and predicts the others; fold 5 is never read. `base`, the present
recipe, and the arms take turns on the same folds and seeds. Finished runs are kept in `--out` and not repeated.
Results so far: docs/inside/experiments.md.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.pipeline import make_pipeline

from esc_features.augmentation import BatchTransform, Mixup, RandomCrop
from esc_features.datasets import find_clips
from esc_features.models import DeepConvNetClassifier
from esc_features.preprocessing import Standardizer

SHIFT, CROP, GAIN, MIXUP, MASKS = DeepConvNetClassifier().iterator_train__transforms


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
    "whole": {"epochs": 0.6, "iterator_train__transforms": (SHIFT, GAIN, MIXUP, MASKS)},
    "third": {"epochs": 1.4, "iterator_train__transforms": (SHIFT, RandomCrop(1 / 3), GAIN, MIXUP, MASKS)},
    "equalise": {"iterator_train__transforms": (SHIFT, CROP, Equalise(), GAIN, MIXUP, MASKS)},
    "mixup1": {"iterator_train__transforms": (SHIFT, CROP, GAIN, Mixup(1.0), MASKS)},
    "smooth": {"criterion__label_smoothing": 0.1},
    "batch16": {"batch_size": 16},
}


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recipes", description=__doc__)
    parser.add_argument("audio", help="folder of ESC-10, or of benchmarks.confusable")
    parser.add_argument("--arms", default=",".join(ARMS), help="changes to compare with the recipe")
    parser.add_argument("--seeds", default="0", help="seeds of the fits, with commas")
    parser.add_argument("--epochs", type=int, default=170, help="of the recipe; arms have as much time")
    parser.add_argument("--width", type=int, default=12, help="channels of the first convolution")
    parser.add_argument("--train-folds", type=int, default=1, help="folds to train on")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results/recipes", help="finished runs")
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
            train = ((clips["fold"] - fold) % 4 < options.train_folds).to_numpy()
            sources.append(clips["src_file"][~train].astype(str))
            for arm in arms:
                file = options.out / f"{arm}-{fold}-{seed}-{options.epochs}-{options.width}-{options.train_folds}.npz"
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
