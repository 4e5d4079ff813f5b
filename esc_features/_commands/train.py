"""`esc_features train`: fit a method on all folds of a store, and save it as one file."""

import argparse

from .._terminal import say
from ._options import add_store, number

INTERRUPTED = "The results so far are kept. Run the same command again to continue."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    parser.add_argument("--method", required=True, help="method of the leaderboard, or module:name of a pipeline")
    parser.add_argument("--out", required=True, metavar="MODEL", help="model file to write, such as dogs.esc")
    parser.add_argument("--seed", type=number, default=0, help="seed of all fits (default: 0)")
    parser.add_argument("--n-jobs", type=number, default=1, help="number of parallel fits (default: 1)")
    parser.add_argument("--results", help="folder of the cross-validated results (default: STORE/evaluation)")
    parser.add_argument(
        "--licence", help="licence of the training data, for the card (default: that of an official data set)"
    )
    parser.add_argument("--about", default="", help="additional text for the card")
    parser.add_argument("--quiet", action="store_true", help="print errors only")


def run(options: argparse.Namespace) -> int:
    from pathlib import Path

    from ..deployment import save_model
    from ..evaluation import train
    from ..store import open_store

    if not Path(options.out).absolute().parent.is_dir():
        raise OSError(f"The folder of {options.out} does not exist: create it first.")
    trained = train(
        options.store,
        options.method,
        seed=options.seed,
        n_jobs=options.n_jobs,
        out=options.results,
        verbose=not options.quiet,
    )
    card = save_model(
        trained.pipeline,
        options.out,
        store=open_store(options.store),
        figures={name: score.value for name, score in trained.scores.items()},
        licence=options.licence,
        about=options.about or f"The method {trained.name} of the leaderboard, fitted on all folds.",
    )
    if not options.quiet:
        say(card)
        say(f"{options.out}, {Path(options.out).stat().st_size / 1e6:.1f} MB")
    return 0
