"""What the options of several commands have in common."""

import argparse


def words(text: str) -> list[str]:
    """Split "a,b" at its commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def numbers(text: str) -> list[int]:
    """Read "1,2,3"."""
    try:
        return [int(word) for word in words(text)]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} should be numbers separated by commas, such as 1,3.") from None


def number(text: str) -> int:
    """Read one whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} should be a whole number, such as 2.") from None


def add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("store", help="folder of the store")


def add_features(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--features", help=f"names separated by commas (default: {default})")
    parser.add_argument("--recipe", help="TOML file with one table [features.NAME] per further feature")
    add_trust(parser)


def add_trust(parser: argparse.ArgumentParser) -> None:
    what = "a module of yours whose classes may be imported; may be given several times"
    parser.add_argument("--trust", action="append", default=[], metavar="MODULE", help=what)


def add_data_home(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data-home", help="where downloaded recordings are kept")
