"""Where the rows of a block go: into the file, if the worker sees it, or back to the run, which writes them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np

from .._platform import read_ahead, write_at
from ..exceptions import StoreError
from ..storage import Header, row_crc32
from ._compute import Block, Facts, Failure, Output, Row, compute_rows
from ._lock import Claim

ROWS_PER_WRITE = 8


@dataclass(frozen=True)
class Rows:
    """Computed rows of one file on their way to the run."""

    output: int
    rows: list[int]
    values: np.ndarray
    facts: list[Facts]


@dataclass(frozen=True)
class Done:
    """What comes back from a block: its failures, and its rows if the worker could not write them."""

    failures: list[Failure]
    returned: list[Rows]


class Sink(Protocol):
    """Takes the rows of a block as they are computed."""

    def take(self, row: Row) -> None:
        """Take a row."""

    def finish(self) -> list[Rows]:
        """End the block; return the rows that the run has to write."""


def write_block(block: Block) -> Done:
    """Compute a block and write its rows into the files: for workers on the machine of the run."""
    with block.claim.watch() as check, ExitStack() as opened:
        return _run(block, check, InPlace(block.outputs, opened))


def write_or_return_block(block: Block, host: str) -> Done:
    """Compute a block; write its rows if this is the machine of the run and sees its store, or else return them."""
    if _sees(block.claim, host):
        return write_block(block)
    return _run(block, lambda: None, Returned(block.outputs))


def _run(block: Block, check: Callable[[], None], sink: Sink) -> Done:
    if any(output.stored is None for output in block.outputs):
        read_ahead({clip.path: None for _, clip in block.clips})
    failures = []
    for result in compute_rows(block, check):
        if isinstance(result, Failure):
            failures.append(result)
        else:
            sink.take(result)
    return Done(failures, sink.finish())


def this_host() -> str:
    """Return an identifier of the running system: only within one do all processes see each other's writes at once."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")


@cache
def _sees(claim: Claim, host: str) -> bool:
    # Cached per run: later, another text means that the run is over, and nothing may be written or computed.
    if host != this_host():
        return False
    try:
        with claim.watch() as check:
            check()
    except (OSError, StoreError):
        return False
    return True


class InPlace:
    """Writes rows into the files at once."""

    def __init__(self, outputs: Sequence[Output], opened: ExitStack):
        self._outputs = outputs
        self._writers = [opened.enter_context(closing(RowWriter(output.header))) for output in outputs]

    def take(self, row: Row) -> None:
        self._writers[row.output].write(row.row, row.values, row.facts)

    def finish(self) -> list[Rows]:
        for writer in self._writers:
            writer.flush()
        return []


class Returned:
    """Keeps the rows of a block until it is done."""

    def __init__(self, outputs: Sequence[Output]):
        self._outputs = outputs
        self._rows: list[list[Row]] = [[] for _ in outputs]

    def take(self, row: Row) -> None:
        self._rows[row.output].append(row)

    def finish(self) -> list[Rows]:
        return [
            Rows(number, [row.row for row in rows], np.stack([row.values for row in rows]), [row.facts for row in rows])
            for number, rows in enumerate(self._rows)
            if rows
        ]


def write_returned(block: Block, done: Done) -> None:
    """Write the rows that a worker returned."""
    for rows in done.returned:
        with closing(RowWriter(block.outputs[rows.output].header)) as writer:
            for row, values, facts in zip(rows.rows, rows.values, rows.facts, strict=True):
                writer.write(row, values, facts)
            writer.flush()


class RowWriter:
    """Writes rows of an unfinished file at their places: first the values, then the facts, and `done` last.

    Neighbouring rows are written together, which needs fewer system calls.
    """

    def __init__(self, header: Header):
        self.header = header
        # Not through a link, which may lead out of the store.
        flags = os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(header.path, flags)
        self._rows = np.empty((ROWS_PER_WRITE, *header.data.shape), header.data.dtype)
        self._facts: list[Facts] = []
        self._checksums: list[int] = []
        self._first = 0

    def write(self, row: int, values: np.ndarray, facts: Facts, checksum: int | None = None) -> None:
        """Take a row, with its checksum if that is known; it is in the file after the next `flush`."""
        if len(self._facts) == ROWS_PER_WRITE or row != self._first + len(self._facts):
            self.flush()
        if not self._facts:
            self._first = row
        self._rows[len(self._facts)] = values
        self._facts.append(facts)
        self._checksums.append(row_crc32(self._rows[len(self._checksums)]) if checksum is None else checksum)

    def flush(self) -> None:
        """Write what was taken."""
        count = len(self._facts)
        if not count:
            return
        self._write("data", self._rows[:count])
        for number, name in enumerate(Facts._fields):
            self._write(name, [facts[number] for facts in self._facts])
        self._write("crc32", self._checksums)
        self._write("done", [1] * count)  # last, so that it vouches for the others
        self._facts, self._checksums = [], []

    def _write(self, name: str, values) -> None:
        column = self.header.columns[name]
        try:
            write_at(self._descriptor, np.asarray(values, column.dtype), column.offset_of(self._first))
        except OSError as error:  # name the file: the error may be shown by another process
            raise OSError(error.errno, error.strerror, str(self.header.path)) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
