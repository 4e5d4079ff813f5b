"""`esc_features extract`, also installed as `extract_features`: compute features into a store."""

import argparse

from .._terminal import say
from ._options import add_dask, add_dataset_options, add_features, dataset_options, number

DESCRIPTION = (
    "Compute features of a data set into a store, one file per feature and fold. Run it again after an interruption, "
    "after editing the clips or with more features: only what is missing is computed."
)
INTERRUPTED = "Finished work is kept. Run the same command again to continue."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", help="demo, esc10, esc50, the folder of a data set, or a CSV file")
    add_features(parser, "all of the recipe, or waveform,mel")
    parser.add_argument("--out", help="folder of the store (default: stores/NAME)")
    parser.add_argument("--n-jobs", type=number, help="number of workers (default: one per core)")
    add_dask(parser)
    add_dataset_options(parser)
    parser.add_argument("--mirror", help="where to download from, in the layout of the ESC-50 repository")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace files with other parameters or library versions"
    )
    parser.add_argument("--quiet", action="store_true", help="print errors only")


def run(options: argparse.Namespace) -> int:
    from .._dask import connected
    from ..extraction import extract

    with connected(options.dask):
        store = extract(
            options.dataset,
            options.out,
            features=options.features,
            recipe=options.recipe,
            trusted=options.trust,
            n_jobs=options.n_jobs,
            mirror=options.mirror,
            overwrite=options.overwrite,
            verbose=not options.quiet,
            **dataset_options(options),
        )
    if not options.quiet:
        say(store)
    return 0
