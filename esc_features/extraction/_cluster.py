"""Compute blocks on a Dask cluster: a few at a time per worker, so that returned rows never pile up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from importlib import metadata
from typing import Any

from .._suggest import list_lines
from ..exceptions import StoreError
from ._compute import Block, Failure
from ._judge import version_of
from ._sinks import Done, this_host, write_or_return_block

Versions = tuple[tuple[str, str], ...]
_AHEAD = 2  # blocks per thread: one being computed, one waiting
_PATIENCE = 60.0  # seconds without a worker, unless Dask is configured otherwise
_LOOK = 1.0
_GIVEN_UP = (
    "The Dask cluster gave up what it was computing: its scheduler was stopped or restarted, or somebody cancelled it. "
    "What was computed before is kept: run the same command again."
)


def is_dask(backend: object) -> bool:
    """Return whether joblib is configured to use a Dask cluster."""
    return type(backend).__name__ == "DaskDistributedBackend"


def run_on_cluster(client: Any, blocks: Iterator[Block], versions: dict[str, str]) -> Iterator[tuple[Block, Done]]:
    """Compute blocks, and yield their results in the order in which they finish.

    A block whose worker dies is computed by another one; a block that kills several workers is a failure of its clips.
    Raise StoreError if no worker is left.
    """
    from distributed import wait

    wanted = tuple(sorted(versions.items()))
    _check_workers(client, wanted)
    host, workers = this_host(), _Workers(client)
    running: dict[Any, Block] = {}
    try:
        while True:
            room = max(1, workers.threads()) * _AHEAD
            while len(running) < room and (block := next(blocks, None)) is not None:
                future = client.submit(_compute, block, host, wanted, pure=False, key=_name_of(block))
                running[future] = block
            if not running:
                return
            try:
                ended = wait(list(running), timeout=_LOOK, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                continue
            except CancelledError as error:
                raise StoreError(_GIVEN_UP) from error
            for future in ended:
                if future.status in ("pending", "lost"):
                    continue  # the worker that held its result is gone since: another one computes it again
                block = running.pop(future)
                yield block, _outcome(future, block)
                future.release()
    finally:
        client.cancel(list(running))


def _name_of(block: Block) -> str:
    import uuid

    return f"extract-fold{block.fold}-row{block.clips[0][0]}-{uuid.uuid4().hex}"


def _compute(block: Block, host: str, versions: Versions) -> Done:
    """Compute a block on a worker; its versions are checked too, since it may have joined late."""
    different = _differences(versions)
    if different:
        raise StoreError(
            f"A worker that joined the cluster cannot be used: it has {', '.join(different)}. What was computed is "
            "kept: install the same versions there, and run the same command again."
        )
    return write_or_return_block(block, host)


def _differences(versions: Versions) -> list[str]:
    return [f"{name} {found} and not {wanted}" for name, wanted in versions if (found := version_of(name)) != wanted]


def _check_workers(client: Any, versions: Versions) -> None:
    """Refuse a cluster whose workers lack the package, or have other versions of libraries that decide the numbers.

    A worker that cannot be reached is left out: it has just left, and the versions are compared again with each block.
    """
    problems: dict[str, list[str]] = {}
    for name, wanted in versions:
        if wanted == "unknown":
            continue
        for worker, found in client.run(metadata.version, name, on_error="return").items():
            if isinstance(found, OSError):
                continue
            if isinstance(found, metadata.PackageNotFoundError):
                problems.setdefault(worker, []).append(f"no {name}")
            elif found != wanted:
                problems.setdefault(worker, []).append(f"{name} {found} and not {wanted}")
    if problems:
        differences = list_lines(f"{worker} has {', '.join(found)}" for worker, found in sorted(problems.items()))
        raise StoreError(
            f"{len(problems)} of the workers of the cluster cannot be used, because they would compute different "
            f"numbers:\n{differences}\nNothing was computed. Install the same versions on all machines, and run the "
            "same command again."
        )


class _Workers:
    """Counts the threads of a cluster; raises StoreError if it has had none for too long."""

    def __init__(self, client: Any):
        import dask.config

        self._client = client
        self._patience = float(dask.config.get("distributed.scheduler.no-workers-timeout", None) or _PATIENCE)
        self._looked, self._seen = -_LOOK, time.monotonic()
        self._threads = 0

    def threads(self) -> int:
        now = time.monotonic()
        if now - self._looked < _LOOK:
            return self._threads
        self._looked = now
        if self._client.status != "running":
            raise StoreError(
                "The scheduler of the Dask cluster is gone. What was computed is kept: run the same command again."
            )
        self._threads = sum(self._client.nthreads().values())
        if self._threads:
            self._seen = now
        elif now - self._seen > self._patience:
            raise StoreError(
                f"No worker of the Dask cluster is left (none for {self._patience:.0f} s). What was computed is kept: "
                "start workers, and run the same command again. To wait longer, set Dask's "
                "distributed.scheduler.no-workers-timeout."
            )
        return self._threads


def _outcome(future: Any, block: Block) -> Done:
    if future.status == "finished":
        return future.result()
    error = future.exception() if future.status == "error" else None
    if type(error).__name__ == "KilledWorker":
        text = "Several workers terminated unexpectedly while computing its block: perhaps they have too little memory."
        lost = [(clip.name, output.name) for row, clip in block.clips for output in block.outputs if row in output.rows]
        return Done([Failure(block.fold, name, feature, text) for name, feature in lost], [])
    if isinstance(error, ImportError):
        raise StoreError(
            f"A worker of the Dask cluster cannot import what the features need ({error}). Install it there, or send "
            "your own module with client.upload_file."
        ) from error
    if error is not None:
        raise error
    raise StoreError(_GIVEN_UP)
