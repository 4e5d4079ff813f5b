"""Dask clusters, for the commands with an option --dask."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

_LOCAL = "local"
# Ctrl-C in a terminal also reaches the workers, and each would print a traceback; this process ends them instead.
_IGNORE_CTRL_C = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Let joblib use a Dask cluster: "tcp://HOST:PORT" of its scheduler, or "local[:N]" to start N processes here.

    None changes nothing. A cluster started here ends with the block; one that was already running continues.
    """
    if address is None:
        yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError("A Dask cluster requires the extra dask: pip install 'esc_features[dask]'.") from error
    import joblib

    with ExitStack() as stack:
        place: object = address
        if address == _LOCAL or address.startswith(_LOCAL + ":"):
            place = stack.enter_context(_processes(_number(address)))
        try:
            client = stack.enter_context(Client(place))
        except (OSError, TimeoutError, ValueError) as error:
            raise ValueError(
                f"No Dask scheduler answers at {address} ({error}). Start one with `dask scheduler`, and use the "
                "address that it prints, such as tcp://192.168.0.1:8786; or use local:N for N processes on this "
                "machine."
            ) from error
        stack.enter_context(joblib.parallel_config("dask", client=client))
        try:
            yield
        except Exception as error:
            if client.status == "running":
                raise
            raise ConnectionError(
                f"The Dask scheduler at {address} is gone. What was computed is kept: start it again, and run the same "
                "command again."
            ) from error


@contextmanager
def _processes(count: int) -> Iterator[object]:
    from distributed import LocalCluster

    cluster = LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        scheduler_kwargs={"dashboard_address": ":0"},  # no warning if port 8787 is in use
        silence_logs=logging.CRITICAL,  # errors are raised here; a process that is being ended prints others, too
        preload=[_IGNORE_CTRL_C],
    )
    try:
        yield cluster
    finally:
        # After Ctrl-C, Dask may find workers in an unexpected state. They end with this process at the latest, so
        # closing the cluster is not tried again at exit.
        with suppress(Exception):
            cluster.close(timeout=10)
        cluster.shutdown_on_close = False


def _number(address: str) -> int:
    text = address.removeprefix(_LOCAL).removeprefix(":") or str(os.cpu_count() or 1)
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{address!r} must be local:N with a number of processes, such as local:4.")
    return int(text)
