"""`esc_features evaluate`: evaluate methods over the official folds, and rank them."""

import argparse

from .._terminal import say
from ._options import add_dask, add_store, number, numbers

INTERRUPTED = "The results so far are kept. Run the same command again to continue."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    parser.add_argument(
        "--methods",
        help="names, or module:name of your own pipelines, separated by commas; birdnet+convnet is an ensemble",
    )
    parser.add_argument("--folds", type=numbers, help="score only these folds, separated by commas")
    parser.add_argument("--seeds", type=numbers, default=[0], help="fit each method once per seed (default: 0)")
    parser.add_argument(
        "--metrics", help="columns of the table, such as macro_f1,top5,log_loss; methods are ranked by the first"
    )
    parser.add_argument("--n-jobs", type=number, default=1, help="number of parallel fits (default: 1)")
    add_dask(parser)
    parser.add_argument("--out", help="folder for the results (default: STORE/evaluation)")
    parser.add_argument(
        "--trust-results", action="store_true", default=None, help="trust results that came with the store"
    )
    parser.add_argument("--quiet", action="store_true", help="print the leaderboard only")


def run(options: argparse.Namespace) -> int:
    from .._dask import connected
    from ..evaluation import evaluate

    with connected(options.dask):
        board = evaluate(
            options.store,
            options.methods,
            folds=options.folds,
            seeds=options.seeds,
            metrics=options.metrics,
            n_jobs=options.n_jobs,
            out=options.out,
            trust_results=options.trust_results,
            verbose=not options.quiet,
        )
    say(board.to_text())
    if options.quiet:
        return 0
    folder = options.out or f"{options.store}/evaluation"
    say(f"Report, figures and tables (leaderboard.html, .md, .tex, .csv): {folder}")
    return 0
