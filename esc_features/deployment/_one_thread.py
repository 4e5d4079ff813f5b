"""Compute in the calling thread only, so that results do not depend on the number of threads."""

from __future__ import annotations

import contextlib
import functools
import sys


@contextlib.contextmanager
def one_thread():
    """Limit OpenMP to one thread in this thread: with more, sums are added up in another order."""
    if "torch" in sys.modules:
        sys.modules["torch"].get_num_threads()  # the first call in a thread sets its number: it must not come later
    with _controller().limit(limits=1, user_api="openmp"):
        yield


@functools.lru_cache(maxsize=1)
def _controller():
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
