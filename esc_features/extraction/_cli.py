"""The script `extract_features`."""

import argparse
import sys


def main(arguments: list[str] | None = None) -> int:
    """Run `extract_features`; return 0, 1 where a clip failed, or 2 where the call or the store is not usable."""
    options = _parser().parse_args(arguments)
    # Imported here: `--help` need not wait for scikit-learn.
    from ..exceptions import ClipTableError, DownloadError, ExtractionError, StoreError
    from ._extract import extract

    try:
        store = extract(
            options.dataset,
            options.out,
            features=options.features,
            recipe=options.recipe,
            n_jobs=options.n_jobs,
            categories=options.categories,
            folds=options.folds,
            data_home=options.data_home,
            mirror=options.mirror,
            overwrite=options.overwrite,
            verbose=not options.quiet,
        )
    except ExtractionError as error:
        print(error, file=sys.stderr)
        return 1
    except (StoreError, ClipTableError, DownloadError, ValueError, OSError, ImportError) as error:
        print(f"extract_features: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted; what was computed is kept. Run the same command again to finish.", file=sys.stderr)
        return 130
    if not options.quiet:
        print(store)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="extract_features",
        description="Compute the features of a data set into a store, a file a feature and fold. Run it again after "
        "an interruption or with more features: only what is missing is computed.",
    )
    parser.add_argument("dataset", help="demo, esc10, esc50, or a folder with meta/*.csv and audio/ like ESC-50")
    parser.add_argument("--features", help="names separated by commas (default: all of the recipe, or waveform,mel)")
    parser.add_argument("--recipe", help="TOML file with a table [features.NAME] for each further feature")
    parser.add_argument("--out", help="folder of the store (default: stores/NAME)")
    parser.add_argument("--n-jobs", type=int, help="workers (default: one a core)")
    parser.add_argument("--categories", type=_words, help="only these, separated by commas")
    parser.add_argument("--folds", type=_numbers, help="only these, separated by commas")
    parser.add_argument("--data-home", help="where downloaded recordings are kept")
    parser.add_argument("--mirror", help="where to download from, in the layout of the ESC-50 repository")
    parser.add_argument("--overwrite", action="store_true", help="replace files that another setting or audio made")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    return parser


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(text: str) -> list[int]:
    return [int(word) for word in _words(text)]


if __name__ == "__main__":
    sys.exit(main())
