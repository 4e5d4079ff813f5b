"""Helpers of the lessons: options, the store, the four categories, saving figures, and players."""

import argparse
import base64
import html
import io
import sys
from pathlib import Path

import numpy as np
import soundfile

from esc_features import extract, open_store

# The categories of the course that the lessons follow, if the data set has them.
COURSE = ("dog", "cow", "chirping_birds", "vacuum_cleaner")


def command_line(doc, **options):
    """Read the command line of a lesson; `options` are its additional options, with their default values.

    A notebook has no command line (the arguments are those of the kernel), so all options have their default values.
    """
    parser = argparse.ArgumentParser(description=(doc or "").strip().partition("\n")[0])
    kinds = "demo, esc10, esc50, a folder like ESC-50, or a store"
    parser.add_argument("dataset", nargs="?", default="demo", help=f"{kinds} (default: demo)")
    parser.add_argument("--out", help="folder of the store (default: stores/NAME)")
    parser.add_argument(
        "--figures", type=Path, default=Path("figures"), help="folder for the figures (default: figures)"
    )
    for name, default in options.items():
        kind = type(default) if default is not None else str
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=default, help=f"default: {default}")
    in_notebook = "ipykernel" in sys.modules
    return parser.parse_args([] if in_notebook else None)


def get_store(options, features, categories=COURSE):
    """Open the store, or extract the features that it lacks. Of `esc50`, only `categories` are downloaded."""
    dataset, out = options.dataset, options.out
    if dataset not in ("demo", "esc10", "esc50") and any(Path(dataset).glob("*/fold*.h5")):
        return open_store(dataset)
    if dataset != "esc50":
        categories = None
    elif categories:
        out = out or "stores/esc50-course"
    return extract(dataset, out, features=features, categories=categories)


def four_categories(store):
    """Return the rows of the course's categories; others are substituted for those that the data set lacks."""
    there = [category for category in COURSE if category in store.categories]
    others = [category for category in store.categories if category not in there]
    chosen = [*there, *others][:4]
    rows = np.flatnonzero(np.isin(store.y, chosen))
    print(f"{store.dataset}: {len(rows)} clips of {', '.join(chosen)}", end="")
    print("" if len(there) == len(COURSE) else f" (the course has {', '.join(COURSE)})")
    return rows


def save(figure, options, name):
    """Save a figure and print its path."""
    options.figures.mkdir(parents=True, exist_ok=True)
    path = options.figures / f"{name}.png"
    figure.savefig(path, dpi=120)
    print(f"figure: {path}")


class Players:
    """Sounds that a notebook or page displays as players; a terminal prints their names.

    The page contains the samples, so it plays from any folder and without a server.
    """

    def __init__(self, sounds, sample_rate):
        self.sounds, self.sample_rate = sounds, sample_rate

    def __repr__(self):
        return f"Players({', '.join(self.sounds)})"

    def _repr_html_(self):
        return "".join(self._player(name, samples) for name, samples in self.sounds.items())

    def _player(self, name, samples):
        file = io.BytesIO()
        soundfile.write(file, samples / max(1.0, np.abs(samples).max()), self.sample_rate, "PCM_16", format="WAV")
        source = f"data:audio/wav;base64,{base64.b64encode(file.getvalue()).decode()}"
        name = html.escape(name)
        return f'<p>{name}<br><audio controls preload="none" aria-label="{name}" src="{source}"></audio></p>'
