"""Interleaved timing, facts about the machine, and rows of the result table."""

import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

LIBRARIES = (
    *("numpy", "scipy", "soxr", "soundfile", "librosa", "h5py", "scikit-learn", "skorch", "torch", "joblib"),
    *("zarr", "datasets", "lhotse", "webdataset", "opensoundscape"),
)


@dataclass(frozen=True)
class Result:
    """One row of the table: a contestant of a benchmark, its figure, and the ratio to that of the reference."""

    benchmark: str
    contestant: str
    value: float | None
    unit: str
    ratio: float | None = None
    note: str = ""


def interleave(
    contestants: Mapping[str, Callable[[], float | None]], rounds: int, warm_up: bool = True
) -> dict[str, list[float]]:
    """Run every contestant once per round, in an order that rotates; return the seconds of each.

    A contestant may return its own seconds, if not all of its call is to be counted.
    """
    names = list(contestants)
    if warm_up:
        for name in names:
            contestants[name]()
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            start = time.perf_counter()
            seconds = contestants[name]()
            times[name].append(time.perf_counter() - start if seconds is None else seconds)
    return times


def compare(benchmark: str, times: Mapping[str, list[float]], reference: str, scale: float, unit: str, notes=None):
    """Turn seconds into results: the median, and the median over rounds of the ratio to the reference in each round."""
    results = []
    for name, seconds in times.items():
        ratio = statistics.median(a / b for a, b in zip(seconds, times[reference], strict=True))
        results.append(
            Result(benchmark, name, statistics.median(seconds) * scale, unit, ratio, (notes or {}).get(name, ""))
        )
    return results


def drop_page_cache(*folders: Path) -> str:
    """Drop file contents from the page cache: all of them if permitted, or else those of the files in `folders`."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("1\n")
        return "drop_caches"
    except OSError:
        pass
    if not hasattr(os, "posix_fadvise"):
        return "not dropped"
    for folder in folders:
        for file in (path for path in Path(folder).rglob("*") if path.is_file()):
            descriptor = os.open(file, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)
    return "posix_fadvise"


def private_megabytes() -> float:
    """Return the memory of this process that is neither shared nor a page of a file."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        import psutil

        return psutil.Process().memory_info().rss / 1e6
    return int(status.split("RssAnon:")[1].split()[0]) / 1e3


def child(code: str, *arguments, timeout: float = 600) -> dict:
    """Run Python code in a separate process; return the JSON of its last line, its seconds and CPU seconds."""
    start, cpu = time.perf_counter(), _children_cpu()
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
    )
    seconds, cpu = time.perf_counter() - start, _children_cpu() - cpu
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    lines = done.stdout.strip().splitlines()
    answer = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    return {**answer, "seconds": seconds, "cpu": cpu}


def _children_cpu() -> float:
    times = os.times()
    return times.children_user + times.children_system


ROOT = Path(__file__).resolve().parents[1]


def versions() -> dict[str, str]:
    found = {}
    for library in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[library] = metadata.version(library)
    return found


def machine() -> dict[str, str | int]:
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, IndexError):
        model = Path("/proc/cpuinfo").read_text().split("model name")[1].splitlines()[0].strip(" \t:")
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "processor": model,
        "cores": cores,
        "system": platform.platform(),
        "python": platform.python_version(),
        "load average at start": load,
    }


def markdown(results: list[Result], about: dict) -> str:
    lines = ["| benchmark | contestant | figure | × reference | note |", "|---|---|---:|---:|---|"]
    previous = None
    for result in results:
        value = "" if result.value is None else f"{result.value:.3g} {result.unit}"
        if result.value is not None and result.value >= 1000:
            value = f"{result.value:,.0f} {result.unit}"
        ratio = "" if result.ratio is None else f"{result.ratio:.2f}" if result.ratio < 20 else f"{result.ratio:.0f}"
        name = "" if result.benchmark == previous else result.benchmark
        previous = result.benchmark
        lines.append(f"| {name} | {result.contestant} | {value} | {ratio} | {result.note} |")
    facts = "; ".join(f"{key} {value}" for key, value in about["machine"].items())
    libraries = ", ".join(f"{key} {value}" for key, value in about["versions"].items())
    return "\n".join(
        [
            f"Command: `{about['command']}` ({about['seconds']:.0f} s, {about['date']})",
            "",
            *lines,
            "",
            f"Machine: {facts}.",
            "",
            f"Versions: {libraries}.",
            "",
        ]
    )


def as_json(results: list[Result], about: dict) -> str:
    return json.dumps({**about, "results": [asdict(result) for result in results]}, indent=1)
