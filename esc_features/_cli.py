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
    evaluate = commands.add_parser("evaluate", help="compare methods by the folds, and rank them")
    evaluate.add_argument("store", help="folder of the store")
    evaluate.add_argument("--methods", help="names, or module:name of a pipeline of yours, separated by commas")
    evaluate.add_argument("--folds", type=_numbers, help="score only these, separated by commas")
    evaluate.add_argument("--seeds", type=_numbers, default=[0], help="one fit for each (default: 0)")
    evaluate.add_argument("--n-jobs", type=int, default=1, help="fits at a time (default: 1)")
    evaluate.add_argument("--out", help="folder of the results (default: STORE/evaluation)")
    evaluate.set_defaults(run=_evaluate)
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


def _evaluate(options) -> int:
    from .evaluation import evaluate

    try:
        board = evaluate(
            options.store,
            options.methods,
            folds=options.folds,
            seeds=options.seeds,
            n_jobs=options.n_jobs,
            out=options.out,
        )
    except KeyboardInterrupt:
        print("\nInterrupted; the results so far are kept. Run the same command again to go on.", file=sys.stderr)
        return 130
    print(board.to_text())
    print(f"Report and figures: {options.out or options.store + '/evaluation'}")
    return 0


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",") if word.strip()]


if __name__ == "__main__":
    sys.exit(main())
