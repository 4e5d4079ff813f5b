"""Synthesise 50 categories that are easily confused, in the layout of ESC-50: `python -m benchmarks.confusable FOLDER`.

A stand-in for ESC-50 on which recipes are compared: many categories, few clips of each. A category is one of the six
sounds of the demo with the range of every parameter (pitch, pace, tilt, …) narrowed to a third at a random position,
so that categories overlap. Noise and a second sound are mixed in as in the demo.
"""

import csv
import sys
from pathlib import Path

import numpy as np

from esc_features.datasets import _demo

CATEGORIES, FOLDS, CLIPS_PER_FOLD = 50, 5, 4
SHARE = 1 / 3


class Narrowed:
    """Random numbers for one recording, from the part of each range that belongs to its category."""

    def __init__(self, category, recording):
        self.position, self.inside = np.random.default_rng(category), np.random.default_rng([category, recording])

    def random(self):
        return (1 - SHARE) * self.position.random() + SHARE * self.inside.random()

    def uniform(self, low, high):
        return low + (high - low) * self.random()

    def integers(self, low, high):
        return int(self.uniform(low, high))


def clip(category, recording, take):
    sounds = list(_demo._SOUNDS.values())
    place, inside = np.random.default_rng([1, recording]), np.random.default_rng([2, recording, take])

    def another():
        return sounds[place.integers(6)](np.random.default_rng([3, recording]), inside)

    return _demo._mixed(sounds[category % 6](Narrowed(category, recording), inside), another, place, inside)


def main(folder):
    for part in ("audio", "meta"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    rows = []
    for fold in range(1, FOLDS + 1):
        for category in range(CATEGORIES):
            for number in range(CLIPS_PER_FOLD):
                source, take = 10_000 + (fold * CATEGORIES + category) * 2 + number // 2, number % 2
                name = f"{fold}-{source}-{'AB'[take]}-{category}.wav"
                (folder / "audio" / name).write_bytes(_demo._wav(clip(category, source, take)))
                rows.append([name, fold, category, f"kind_{category:02d}", False, source, "AB"[take]])
    with (folder / "meta/esc50.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", "fold", "target", "category", "esc10", "src_file", "take"])
        writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
