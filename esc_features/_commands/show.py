"""`esc_features show`: print the content of a store, or the card of a model."""

import argparse
from pathlib import Path

from .._terminal import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="STORE|MODEL", help="folder of a store, or file of a model")


def run(options: argparse.Namespace) -> int:
    if Path(options.path).is_file():
        from ..deployment import read_card

        say(read_card(options.path))
        return 0
    from ..store import open_store

    say(open_store(options.path))
    return 0
