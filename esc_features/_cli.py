"""The script `esc_features`: look at a store, check it, compare methods on it."""

import argparse
import sys


def main(arguments: list[str] | None = None) -> int:
    """Run `esc_features COMMAND`; return 0, 1 where something was found wrong, or 2 where the call is not usable."""
    parser = argparse.ArgumentParser(prog="esc_features", description="Look at a store, check it, use it.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    show = commands.add_parser("show", help="print what is in a store")
    show.add_argument("store", help="folder of the store")
    show.set_defaults(run=_show)
    options = parser.parse_args(arguments)
    from .exceptions import ClipTableError, StoreError

    try:
        return options.run(options)
    except (StoreError, ClipTableError, ValueError, OSError) as error:
        print(f"esc_features: {error}", file=sys.stderr)
        return 2


def _show(options) -> int:
    from .store import open_store

    print(open_store(options.store))
    return 0


if __name__ == "__main__":
    sys.exit(main())
