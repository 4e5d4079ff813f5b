"""`esc_features explain`: show what extract_features would change now, and why."""

import argparse

from .._terminal import say
from ._options import add_dataset_options, add_features, add_store, dataset_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    parser.add_argument("dataset", nargs="?", help="as for extract_features; default: the clips of the store")
    add_features(parser, "those of the recipe or of the store")
    add_dataset_options(parser)


def run(options: argparse.Namespace) -> int:
    """Return 0, or 1 if something would be changed."""
    from ..extraction import explain

    clips = None
    if options.dataset is not None:
        from ..datasets import find_clips

        clips = find_clips(options.dataset, **dataset_options(options))
    table = explain(options.store, clips, features=options.features, recipe=options.recipe, trusted=options.trust)
    if table.attrs["changes"]:
        say(f"clips: {table.attrs['changes']}")
    for (feature, state, reason), rows in table.groupby(["feature", "state", "reason"], sort=False):
        folds = ", ".join(map(str, rows["fold"]))
        say(f"{feature}, fold {folds}: {state}{': ' if reason else ''}{reason}")
    return int((table["state"] != "fresh").any() or table.attrs["changes"] != "")
