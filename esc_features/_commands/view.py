"""`esc_features view`: see and hear the clips of a store in a browser."""

import argparse

from .._terminal import say
from ._options import add_store

INTERRUPTED = "The viewer has ended."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    parser.add_argument("--port", type=int, default=0, help="where to listen on 127.0.0.1 (default: a free port)")
    parser.add_argument("--no-browser", action="store_true", help="print the address, and open no browser")
    parser.add_argument("--audio", metavar="FOLDER", help="where the file names start from, if recordings have moved")


def run(options: argparse.Namespace) -> int:
    from ..viewer import Viewer

    viewer = Viewer(options.store, options.port, audio=options.audio)
    say(f"{viewer.url}\nFor this machine alone. Ctrl-C ends.")
    if not options.no_browser:
        import webbrowser

        webbrowser.open(viewer.url)
    try:
        viewer.serve()
    finally:
        viewer.close()
    return 0
