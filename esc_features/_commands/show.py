"""`esc_features show`: print what is in a store."""

import argparse

from .._terminal import say
from ._options import add_store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_store(parser)


def run(options: argparse.Namespace) -> int:
    from ..store import open_store

    say(open_store(options.store))
    return 0
