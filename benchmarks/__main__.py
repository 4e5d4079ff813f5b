"""Run the benchmarks and write their table: `python -m benchmarks`."""

import argparse
import datetime
import importlib
import shutil
import sys
import tempfile
import time
from pathlib import Path

from ._data import Material
from ._measure import as_json, machine, markdown, versions

NAMES = (
    "extraction",
    "cluster",
    "recordings",
    "edits",
    "grid_search",
    "batches",
    "epoch",
    "training",
    "startup",
    "growth",
    "predict",
    "hour",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"which ones (default: all): {', '.join(NAMES)}")
    parser.add_argument("--audio", type=Path, help="ESC-50 or ESC-10 folder (default: the demo)")
    parser.add_argument("--quick", action="store_true", help="fewer clips and rounds, under two minutes")
    parser.add_argument("--out", type=Path, help="folder of results.md and results.json (default: benchmarks/results)")
    parser.add_argument("--scratch", type=Path, help="folder for up to 4 GB of data (removed at the end)")
    options = parser.parse_args()
    if wrong := set(options.names) - set(NAMES):
        parser.error(f"There is no benchmark {', '.join(sorted(wrong))}. Choose from {', '.join(NAMES)}.")
    if options.audio is not None and not options.audio.is_dir():
        parser.error(f"There is no folder {options.audio}.")
    out = options.out or Path(__file__).parent / "results"
    about = {
        "command": " ".join(["python -m benchmarks", *sys.argv[1:]]),
        "date": f"{datetime.date.today():%Y-%m-%d}",
        "machine": machine(),
        "versions": versions(),
    }
    for folder in filter(None, [out, options.scratch]):
        folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="esc_benchmarks", dir=options.scratch))
    began = time.perf_counter()
    results = []
    try:
        material = Material(options.audio, scratch, options.quick)
        for name in options.names or NAMES:
            start = time.perf_counter()
            found = importlib.import_module(f".{name}", __package__).run(material)
            results += found
            print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
            about["seconds"] = time.perf_counter() - began
            # After each benchmark, so that a stopped run leaves its results.
            (out / "results.md").write_text(markdown(results, about))
            (out / "results.json").write_text(as_json(results, about))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(markdown(results, about))


if __name__ == "__main__":
    main()
