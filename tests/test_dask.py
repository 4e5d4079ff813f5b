"""What --dask connects to may end while a command uses it."""

import joblib
import pytest

from esc_features._dask import connected

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.slow


def test_a_scheduler_that_ends_is_named():
    import dask.config

    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        cluster = distributed.LocalCluster(1, processes=False, dashboard_address=None)
        with (
            pytest.raises(ConnectionError, match=rf"{cluster.scheduler_address} is gone.*run the same command again"),
            connected(cluster.scheduler_address),
        ):
            tasks = joblib.Parallel(return_as="generator")(joblib.delayed(sum)(range(3_000_000)) for _ in range(50))
            next(tasks)
            cluster.close()
            list(tasks)


def test_an_error_of_the_command_is_its_own():
    with (
        distributed.LocalCluster(1, processes=False, dashboard_address=None) as cluster,
        pytest.raises(ValueError, match="mine"),
        connected(cluster.scheduler_address),
    ):
        raise ValueError("mine")
