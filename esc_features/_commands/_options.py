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


def pairs(text: str) -> dict[str, str | None]:
    """Read "filename=file,category=label"; nothing after the sign is None."""
    found = [word.partition("=") for word in words(text)]
    if not found or not all(sign and ours.strip() for ours, sign, _ in found):
        raise argparse.ArgumentTypeError(f"{text!r} should be pairs such as filename=file,category=label.")
    return {ours.strip(): theirs.strip() or None for ours, _, theirs in found}


def add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("store", help="folder of the store")


def add_features(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--features", help=f"names separated by commas (default: {default})")
    parser.add_argument("--recipe", help="TOML file with one table [features.NAME] per further feature")
    add_trust(parser)


def add_trust(
    parser: argparse.ArgumentParser,
    what: str = "a module of yours whose classes may be imported; may be given several times",
) -> None:
    parser.add_argument("--trust", action="append", default=[], metavar="NAME", help=what)


def add_dataset_options(parser: argparse.ArgumentParser) -> None:
    """Add what may be said about a data set: where it is, how it is read, and which part of it."""
    parser.add_argument(
        "--audio", dest="audio_dir", metavar="FOLDER", help="where the file names of a table start from"
    )
    parser.add_argument(
        "--columns", type=pairs, help="which column is which: filename=file,category=label (or category=)"
    )
    parser.add_argument("--categories", type=words, help="only these, separated by commas")
    parser.add_argument("--folds", type=numbers, help="only these, separated by commas")
    parser.add_argument("--folds-by", metavar="source:K[:SEED]", help="make K folds that keep source recordings whole")
    parser.add_argument(
        "--corrections", metavar="CSV", help="a table of labels to change: filename[,start,end],category"
    )
    parser.add_argument("--data-home", help="where downloaded recordings are kept")


def dataset_options(options: argparse.Namespace) -> dict:
    """Return them as the keyword arguments of `find_clips` and `extract`."""
    names = ("audio_dir", "columns", "categories", "folds", "folds_by", "corrections", "data_home")
    return {name: getattr(options, name) for name in names}


def add_dask(parser: argparse.ArgumentParser) -> None:
    what = "work on a Dask cluster: the address of its scheduler, or local:N for N processes of this machine"
    parser.add_argument("--dask", metavar="ADDRESS", help=what)
