"""Options shared by several commands."""

import argparse


def words(text: str) -> list[str]:
    """Split "a,b" at the commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def numbers(text: str) -> list[int]:
    """Read "1,2,3"."""
    try:
        return [int(word) for word in words(text)]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} must be numbers separated by commas, such as 1,3.") from None


def number(text: str) -> int:
    """Read one integer."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number, such as 2.") from None


def pairs(text: str) -> dict[str, str | None]:
    """Read "filename=file,category=label"; an empty right-hand side is None."""
    found = [word.partition("=") for word in words(text)]
    if not found or not all(sign and ours.strip() for ours, sign, _ in found):
        raise argparse.ArgumentTypeError(f"{text!r} must be pairs such as filename=file,category=label.")
    return {ours.strip(): theirs.strip() or None for ours, _, theirs in found}


def add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("store", help="folder of the store")


def add_features(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--features", help=f"names separated by commas (default: {default})")
    parser.add_argument("--recipe", help="TOML file with one table [features.NAME] per additional feature")
    add_trust(parser)


def add_trust(
    parser: argparse.ArgumentParser,
    what: str = "a module of your own whose classes may be imported; may be repeated",
) -> None:
    parser.add_argument("--trust", action="append", default=[], metavar="NAME", help=what)


def add_dataset_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a data set: its location, how to read it, and which clips to use."""
    parser.add_argument(
        "--audio", dest="audio_dir", metavar="FOLDER", help="folder that the file names of a table are relative to"
    )
    parser.add_argument(
        "--columns", type=pairs, help="names of the table's columns: filename=file,category=label (category= for none)"
    )
    parser.add_argument("--categories", type=words, help="use only these categories, separated by commas")
    parser.add_argument("--folds", type=numbers, help="use only these folds, separated by commas")
    parser.add_argument("--folds-by", metavar="source:K[:SEED]", help="assign K folds, keeping source recordings whole")
    parser.add_argument("--corrections", metavar="CSV", help="table of corrected labels: filename[,start,end],category")
    parser.add_argument("--data-home", help="folder for downloaded recordings")


def dataset_options(options: argparse.Namespace) -> dict:
    """Return the options of a data set as keyword arguments of `find_clips` and `extract`."""
    names = ("audio_dir", "columns", "categories", "folds", "folds_by", "corrections", "data_home")
    return {name: getattr(options, name) for name in names}


def add_dask(parser: argparse.ArgumentParser) -> None:
    what = "run on a Dask cluster: address of its scheduler, or local:N for N processes on this machine"
    parser.add_argument("--dask", metavar="ADDRESS", help=what)
