"""The random numbers of a fit, independent of everything else in the process."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state

# PyTorch's layers draw initial weights and dropout only from the global generators. A fit lends them its own state
# while it draws; meanwhile a second thread waits.
_LENDING = threading.RLock()


def draw_seed(random_state: Any) -> int:
    """Return the seed that a `random_state` stands for; None draws one from the global generator of PyTorch."""
    if random_state is None:
        with _LENDING:
            return int(torch.randint(2**62, ()))
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31))


class Stream:
    """A stream of random numbers, for code that takes a generator and for code that uses only the global ones.

    Parameters
    ----------
    seeds : int
        Seeds of the stream; other seeds give independent streams.
    device : str
        Where the network computes.
    """

    def __init__(self, *seeds: int, device: str):
        loader, lent = np.random.SeedSequence(seeds).generate_state(2, np.uint64).tolist()
        self.generator = torch.Generator().manual_seed(loader % 2**63)
        self._globals = [torch.default_generator]
        if torch.device(device).type == "cuda":
            index = torch.device(device).index
            self._globals.append(torch.cuda.default_generators[torch.cuda.current_device() if index is None else index])
        self._states = [torch.Generator(g.device).manual_seed(lent % 2**63).get_state() for g in self._globals]
        self._is_lent = False

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """Let everything inside draw from this stream, and leave the global generators as they were."""
        if self._is_lent:
            yield
            return
        with _LENDING:
            outside = [generator.get_state() for generator in self._globals]
            self._set(self._states)
            self._is_lent = True
            try:
                yield
            finally:
                self._is_lent = False
                self._states = [generator.get_state() for generator in self._globals]
                self._set(outside)

    def lent_to(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Yield batches, each of which is made with numbers of this stream."""
        with self.lent():
            iterator = iter(batches)
        while True:
            with self.lent():
                try:
                    batch = next(iterator)
                except StopIteration:
                    return
            yield batch

    def _set(self, states: list[torch.Tensor]) -> None:
        for generator, state in zip(self._globals, states, strict=True):
            generator.set_state(state)


class FitStreams:
    """One stream per purpose, so that none changes the numbers of another.

    Training draws the same numbers with and without validation, and whatever callbacks do.
    """

    def __init__(self, seed: int, stage: int, device: str):
        self.seed = seed
        self.training, self.validation, self.callbacks = (Stream(seed, stage, n, device=device) for n in range(3))
