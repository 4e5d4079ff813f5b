"""`esc_features repair`: repair what verify reports, and compute nothing else."""

import argparse

from .._terminal import say
from ._options import add_store, add_trust, number, words

INTERRUPTED = "Finished work is kept. Run the same command again to continue."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    parser.add_argument("dataset", nargs="?", help="as for extract_features; default: the clips of the store")
    parser.add_argument("--audio", help="folder of the recordings (default: the one recorded in the store)")
    parser.add_argument("--features", help="features without a readable file, separated by commas")
    parser.add_argument("--recipe", help="TOML file that describes features of your own classes")
    add_trust(parser)
    parser.add_argument("--again", type=words, default=[], help="features to compute again, separated by commas")
    parser.add_argument("--n-jobs", type=number, help="number of workers (default: one per core)")
    parser.add_argument("--quiet", action="store_true", help="print errors only")


def run(options: argparse.Namespace) -> int:
    from ..extraction import repair

    store = repair(
        options.store,
        options.dataset,
        audio=options.audio,
        features=options.features,
        recipe=options.recipe,
        trusted=options.trust,
        again=options.again,
        n_jobs=options.n_jobs,
        verbose=not options.quiet,
    )
    if not options.quiet:
        say(store)
    return 0
