"""`esc_features predict`: detect sounds in recordings of any length."""

import argparse

from .._terminal import say
from ._options import add_dask, add_trust, number

INTERRUPTED = "With --out, the results so far are kept: run the same command again to continue."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="model file written by save_model or esc_features train")
    parser.add_argument("recordings", nargs="+", help="files, folders, patterns or URLs")
    parser.add_argument("--hop", type=float, help="seconds from one window to the next (default: length of a window)")
    parser.add_argument("--threshold", type=float, help="write events of at least this probability instead of windows")
    parser.add_argument("--gap", type=float, default=0.0, help="longest pause within an event, in seconds (default: 0)")
    out = "file to write: .csv, .parquet, .txt (Audacity) or .selections.txt (Raven); default: print events"
    parser.add_argument("--out", help=out)
    parser.add_argument("--n-jobs", type=number, default=-1, help="number of workers (default: one per core)")
    add_dask(parser)
    add_trust(parser, "a class, function or module that the model may import; may be repeated")
    parser.add_argument("--quiet", action="store_true", help="print errors only")


def run(options: argparse.Namespace) -> int:
    """Return 0, or 1 if a recording could not be read."""
    import warnings

    # After Ctrl-C, joblib warns about every chunk in progress.
    warnings.filterwarnings("ignore", message=".*tasks? (which|have|has)", category=UserWarning)
    from .._dask import connected

    with connected(options.dask):
        return _print(options) if options.out is None else _write(options)


def _write(options: argparse.Namespace) -> int:
    from ..deployment import predict_to_file

    summary = predict_to_file(
        options.model,
        options.recordings,
        options.out,
        hop=options.hop,
        threshold=options.threshold,
        gap=options.gap,
        n_jobs=options.n_jobs,
        trusted=options.trust,
        verbose=not options.quiet,
    )
    if not options.quiet:
        found = f"{summary.windows:,} windows" if summary.events is None else f"{summary.events:,} events"
        say(f"{summary.recordings:,} recordings, {found}: {', '.join(map(str, summary.files))}")
    return _name_failures(summary.failures)


def _print(options: argparse.Namespace) -> int:
    import warnings

    from ..deployment import load_model, merge_detections, predict_windows

    model = load_model(options.model, trusted=options.trust)
    with warnings.catch_warnings(action="ignore"):  # recordings that fail are named below
        windows = predict_windows(
            model, options.recordings, options.hop, n_jobs=options.n_jobs, verbose=not options.quiet
        )
    events = merge_detections(windows, 0.5 if options.threshold is None else options.threshold, options.gap)
    for event in events.itertuples(index=False):
        say(f"{event.filename}\t{event.start:.2f}\t{event.end:.2f}\t{event.label}\t{event.score:.3f}")
    return _name_failures(windows.attrs["failures"])


def _name_failures(failures: dict[str, str]) -> int:
    for reason in failures.values():
        say(f"Failed: {reason}", error=True)
    return int(bool(failures))
