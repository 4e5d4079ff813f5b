"""The script `esc_features`: look at a store, check it, compare methods on it."""

import argparse
import sys

_MOST_LINES = 100


def main(arguments: list[str] | None = None) -> int:
    """Run `esc_features COMMAND`; return 0, 1 where something was found wrong, or 2 where the call is not usable."""
    parser = argparse.ArgumentParser(prog="esc_features", description="Look at a store, check it, use it.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    show = commands.add_parser("show", help="print what is in a store")
    show.add_argument("store", help="folder of the store")
    show.set_defaults(run=_show)
    verify = commands.add_parser("verify", help="check that a store is what it says")
    verify.add_argument("store", help="folder of the store")
    verify.add_argument("--quick", action="store_true", help="structure only; otherwise the checksum of every row too")
    verify.add_argument("--recompute", type=int, default=0, metavar="K", help="extract K clips of each file again")
    verify.add_argument("--audio", help="folder of the recordings (default: the one that the store names)")
    verify.add_argument("--recipe", help="TOML file that names features of your own classes")
    verify.set_defaults(run=_verify)
    explain = commands.add_parser("explain", help="say why files are not what would be extracted now")
    explain.add_argument("store", help="folder of the store")
    explain.add_argument("dataset", nargs="?", help="as for extract_features; default: the clips that the store names")
    explain.add_argument("--features", help="names separated by commas (default: those of the recipe, or the store)")
    explain.add_argument("--recipe", help="TOML file with a table [features.NAME] for each further feature")
    explain.add_argument("--data-home", help="where downloaded recordings are kept")
    explain.set_defaults(run=_explain)
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
    except (StoreError, ClipTableError, ValueError, OSError, ImportError) as error:
        print(f"esc_features: {error}", file=sys.stderr)
        return 2


def _show(options) -> int:
    from .store import open_store

    print(open_store(options.store))
    return 0


def _verify(options) -> int:
    from .extraction import verify

    problems = verify(
        options.store,
        checksums=not options.quick,
        recompute=options.recompute,
        audio=options.audio,
        recipe=options.recipe,
    )
    for file, clip, problem in problems.head(_MOST_LINES).itertuples(index=False):
        print(f"{file}: {clip}: {problem}" if clip else f"{file}: {problem}")
    if len(problems) > _MOST_LINES:
        print(f"and {len(problems) - _MOST_LINES} more")
    depth = "structure" if options.quick else "structure and every row"
    depth += f", {options.recompute} clips of each file extracted again" if options.recompute else ""
    print(f"{options.store} ({depth}): {len(problems) or 'no'} problem{'s' * (len(problems) != 1)}")
    return int(len(problems) > 0)


def _explain(options) -> int:
    from .extraction import explain

    clips = None
    if options.dataset is not None:
        from .datasets import find_clips

        clips = find_clips(options.dataset, data_home=options.data_home)
    table = explain(options.store, clips, features=options.features, recipe=options.recipe)
    for (feature, state, reason), rows in table.groupby(["feature", "state", "reason"], sort=False):
        folds = ", ".join(map(str, rows["fold"]))
        print(f"{feature}, fold {folds}: {state}{': ' if reason else ''}{reason}")
    return int((table["state"] != "fresh").any())


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
