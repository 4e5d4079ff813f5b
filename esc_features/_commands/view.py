"""`esc_features view`: browse and play the clips of a store in a web browser."""

import argparse

from .._terminal import say
from ._options import add_store

INTERRUPTED = "The viewer has ended."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free port)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument("--audio", metavar="FOLDER", help="folder of the recordings, if they have moved")
    parser.add_argument("--results", metavar="FOLDER", help="results of evaluate (default: STORE/evaluation)")
    parser.add_argument("--model", action="append", default=[], help="model file to try on recordings; may be repeated")
    parser.add_argument(
        "--corrections", metavar="CSV", help="file for corrected labels (default: STORE-corrections.csv)"
    )
    parser.add_argument("--export", metavar="FOLDER", help="write clips as a web page that opens from disk, and exit")
    parser.add_argument(
        "--where", default="", help="clips to export, as in the address of the page: 'category=dog&fold=1'"
    )
    parser.add_argument("--most", type=int, default=200, help="refuse to export more clips than this (default: 200)")


def run(options: argparse.Namespace) -> int:
    from ..viewer import Viewer, export_site

    viewer = Viewer(
        options.store,
        options.port,
        audio=options.audio,
        results=options.results,
        models=options.model,
        corrections=options.corrections,
    )
    if options.export is not None:
        try:
            say(export_site(viewer, options.export, options.where, options.most))
        finally:
            viewer.close()
        return 0
    say(f"{viewer.url}\nReachable from this machine only. Stop with Ctrl-C.")
    if not options.no_browser:
        import webbrowser

        webbrowser.open(viewer.url)
    try:
        viewer.serve()
    finally:
        viewer.close()
    return 0
