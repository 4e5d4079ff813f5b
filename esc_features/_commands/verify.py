"""`esc_features verify`: check the integrity of a store."""

import argparse

from .._terminal import say
from ._options import add_store, add_trust, number

_MOST_LINES = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    parser.add_argument("--quick", action="store_true", help="check the structure only, not the checksum of every row")
    parser.add_argument(
        "--recompute", type=number, default=0, metavar="K", help="extract K clips of each file again and compare"
    )
    parser.add_argument("--audio", help="folder of the recordings (default: the one recorded in the store)")
    parser.add_argument("--recipe", help="TOML file that describes features of your own classes")
    add_trust(parser)


def run(options: argparse.Namespace) -> int:
    """Return 0, or 1 if there are problems."""
    from ..extraction import verify

    problems = verify(
        options.store,
        checksums=not options.quick,
        recompute=options.recompute,
        audio=options.audio,
        recipe=options.recipe,
        trusted=options.trust,
    )
    for file, clip, problem in problems.head(_MOST_LINES).itertuples(index=False):
        say(f"{file}: {clip}: {problem}" if clip else f"{file}: {problem}")
    if len(problems) > _MOST_LINES:
        say(f"and {len(problems) - _MOST_LINES} more")
    depth = "structure" if options.quick else "structure and every row"
    depth += f", {options.recompute} clips of each file extracted again" if options.recompute else ""
    say(f"{options.store} ({depth}): {len(problems) or 'no'} problem{'s' * (len(problems) != 1)}")
    if problems.attrs["command"]:
        say(f"To repair this: {problems.attrs['command']}")
    return int(len(problems) > 0)
