"""Work on the workers of a Dask cluster, for the commands that have an option --dask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_LOCAL = "local"


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Let joblib use a Dask cluster: "tcp://HOST:PORT" of its scheduler, or "local[:N]" for N processes made here.

    None changes nothing. A cluster that is made here ends with the block; one that was there before goes on.
    """
    if address is None:
        yield
        return
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ImportError("A Dask cluster needs the extra: pip install 'esc_features[dask]'.") from error
    import joblib

    with ExitStack() as stack:
        place: object = address
        if address == _LOCAL or address.startswith(_LOCAL + ":"):
            processes = _number(address)
            place = stack.enter_context(
                LocalCluster(n_workers=processes, threads_per_worker=1, processes=True, dashboard_address=None)
            )
        try:
            client = stack.enter_context(Client(place, timeout=10))
        except (OSError, TimeoutError, ValueError) as error:
            raise ValueError(
                f"No Dask scheduler answers at {address} ({error}). Start one with `dask scheduler`, and give the "
                "address that it prints, such as tcp://192.168.0.1:8786; or use local:N for N processes made here."
            ) from error
        stack.enter_context(joblib.parallel_config("dask", client=client))
        yield


def _number(address: str) -> int:
    text = address.removeprefix(_LOCAL).removeprefix(":") or str(os.cpu_count() or 1)
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{address!r} should be local:N with a number of processes, such as local:4.")
    return int(text)
