"""One run over a store: plan, begin the files, compute in parallel, publish."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from joblib.parallel import LokyBackend, MultiprocessingBackend, get_active_backend
from tqdm.auto import tqdm

from ..audio import Note
from ..datasets import clip_keys, clip_name
from ..storage import FoldFile, read_column, read_header
from ._cluster import is_dask, run_on_cluster
from ._compute import Block, Clip, Failure, Output
from ._lock import Claim
from ._others import lacking_line, refuse_disagreement
from ._plan import FilePlan, Plan, make_plan, refuse_stale
from ._publish import BegunFile, begin, check_space, moving_clips, publish, remove_left_over, seal, writing_failed
from ._sinks import Done, this_host, write_block, write_or_return_block, write_returned
from ._table import Edit, plan_edit

if TYPE_CHECKING:
    from ..features import Feature

BLOCK_CLIPS = 32
_MOST_CLIPS = 256
_BLOCK_BYTES = 64 << 20  # of rows that a worker returns at once, if it cannot write them


@dataclass(frozen=True)
class Job:
    """What one call has to bring up to date."""

    clips: pd.DataFrame
    features: dict[str, Feature]
    store: Path
    n_jobs: int | None
    computed_states: frozenset[str]
    check_rows: bool = False
    again: frozenset[str] = frozenset()
    verbose: bool = True

    @cached_property
    def edit(self) -> Edit:
        """How the clips of the store change."""
        return plan_edit(self.store, self.clips)

    def plan(self) -> Plan:
        return make_plan(
            self.edit.after,
            self.features,
            self.store,
            self.n_jobs,
            computed_states=self.computed_states,
            check_rows=self.check_rows,
            again=self.again,
        )


def number_of_jobs(n_jobs: int | None) -> int | None:
    """Return how many workers a call asks for; by default one per core."""
    if n_jobs is not None:
        if n_jobs == 0:
            raise ValueError("n_jobs=0 has no meaning: give a number of workers, or -1 for one per core.")
        return n_jobs
    _, configured = get_active_backend()
    return configured if configured not in (None, 1) else -1


class Run:
    """The execution of a job."""

    def __init__(self, job: Job, claim: Claim):
        self.job, self.claim = job, claim
        self.failures: list[Failure] = []
        self._published: list[tuple[Path, Future]] = []
        self._threads = _AtWork()
        self._versions: dict[str, str] = {}

    def bring_up_to_date(self) -> list[Failure]:
        """Compute what the plan asks for, publish it, and return the failures."""
        job, edit = self.job, self.job.edit
        plan = job.plan()
        refuse_stale(plan)
        refuse_disagreement(plan.others, job.features, job.store)
        self._say(_plan_line(job, plan))
        changes = edit.summary(plan.replaced)
        if changes:
            self._say(f"clips: {changes}")
        for note in _notes(plan):
            self._say(f"note: {note}")
        if lacking := lacking_line(plan.others, job.features, job.store):
            self._say(f"note: {lacking}")
        check_space(plan.waiting, job.store)
        begun = begin(plan.waiting)
        for file in begun:
            self._versions |= file.wanted.versions
        self._compute_and_publish(plan, begun)
        if self.failures:
            edit.write_first(plan.replaced)
        else:
            edit.write_last()
            remove_left_over(plan, job.store)
        if job.verbose and (begun or changes):
            pending = {file.wanted.path: len(file.pending) for file in begun}
            for planned in plan.files:
                self._say(self._file_line(planned, pending.get(planned.wanted.path)))
        return self.failures

    def stop(self) -> None:
        """Make all workers stop, and wait for the threads: they must not go on while something else runs."""
        self.claim.revoke()
        self._threads.wait()

    def _say(self, line: str) -> None:
        if self.job.verbose:
            print(line, flush=True)  # so that a pipe or a log shows it at once

    def _compute_and_publish(self, plan: Plan, begun: list[BegunFile]) -> None:
        """Run all blocks, and publish the files of each fold, if nothing failed, as soon as its last block is done.

        If files of a feature are replaced, all of them wait for the last one: rows may move from one to another.
        """
        shares = _shares(plan, begun)
        clips_left = {share.fold: len(share.rows) for share in shares}
        replacing = {file.wanted.name for file in plan.waiting if file.state in ("edited", "stale", "drifted")}
        sealed: list[tuple[BegunFile, Future]] = []
        if any(file.wanted.name not in replacing for file in begun):
            self.job.edit.write_first(plan.replaced)

        def finish(fold):
            failed = {failure.feature for failure in self.failures if failure.fold == fold}
            for file in begun:
                if file.wanted.fold == fold and file.wanted.name not in failed:
                    if file.wanted.name in replacing:
                        sealed.append((file, publisher.submit(seal, file)))
                    else:
                        self._published.append((file.wanted.path, publisher.submit(_seal_and_publish, file)))

        # Checking and synchronising a finished fold waits for the disk, so it happens during the computation.
        with ThreadPoolExecutor(2) as publisher, self._progress_bar(sum(clips_left.values())) as progress:
            for fold in [fold for fold, count in clips_left.items() if count == 0]:
                finish(fold)
            try:
                for block, done in self._results(block for share in shares for block in share.blocks(self.claim)):
                    write_returned(block, done)
                    self.failures += done.failures
                    progress.update(len(block.clips))
                    clips_left[block.fold] -= len(block.clips)
                    if clips_left[block.fold] == 0:
                        finish(block.fold)
            except OSError as error:
                files = {str(file.wanted.partial_path): file.wanted for file in begun}
                raise writing_failed(error, files.get(error.filename, begun[0].wanted)) from error
            for _, future in [*self._published, *sealed]:
                future.result()
        failed = {failure.feature for failure in self.failures}
        whole = [(file, future) for file, future in sealed if file.wanted.name not in failed]
        if whole:
            self.job.edit.write_first(plan.replaced, moving_clips([file for file, _ in whole]))
        publish([file for file, _ in whole])
        self._published += [(file.wanted.path, future) for file, future in whole]

    def _results(self, blocks: Iterator[Block]) -> Iterator[tuple[Block, Done]]:
        backend, _ = get_active_backend(prefer="threads")
        if is_dask(backend):
            yield from run_on_cluster(backend.client, blocks, self._versions)
            return
        # ray and multiprocessing cannot return results as they become available.
        as_they_come = getattr(backend, "supports_return_generator", False)
        parallel = Parallel(
            n_jobs=self.job.n_jobs,
            prefer="threads",
            return_as="generator_unordered" if as_they_come else "list",
            batch_size=1,
        )
        compute = self._way_to_compute(backend)
        at_work: dict[int, Block] = {}

        def tasks():
            for number, block in enumerate(blocks):
                at_work[number] = block
                yield delayed(_numbered)(compute, number, block)

        for number, done in parallel(tasks()):
            yield at_work.pop(number), done

    def _way_to_compute(self, backend) -> Callable[[Block], Done]:
        if getattr(backend, "supports_sharedmem", False):
            return self._threads.write_block
        if isinstance(backend, LokyBackend | MultiprocessingBackend):
            return write_block
        return partial(write_or_return_block, host=this_host())

    def _progress_bar(self, clips: int) -> tqdm:
        hidden = not (self.job.verbose and clips)
        return tqdm(total=clips, unit="clip", desc="extract", disable=hidden)

    def _file_line(self, file: FilePlan, pending: int | None) -> str:
        wanted = file.wanted
        count = len(wanted.clips)
        if pending is None:
            return f"{wanted.label}: {count} clips, already there"
        if wanted.path in [path for path, _ in self._published]:
            size = wanted.path.stat().st_size / 1e6
            kept = f", {count - pending} of them kept from before" if pending < count else ""
            return f"{wanted.label}: {count} clips{kept}, {size:,.1f} MB{_cut(file)}"
        failed = sum((failure.fold, failure.feature) == (wanted.fold, wanted.name) for failure in self.failures)
        why = f"{failed} of {count} clips failed" if failed else "it is replaced only together with the other folds"
        return f"{wanted.label}: NOT published, {why}"


class _AtWork:
    """Counts the threads of a run that are computing a block."""

    def __init__(self):
        self._number = 0
        self._ends = threading.Condition()

    def write_block(self, block: Block) -> Done:
        with self._one_more():
            return write_block(block)

    @contextmanager
    def _one_more(self) -> Iterator[None]:
        with self._ends:
            self._number += 1
        try:
            yield
        finally:
            with self._ends:
                self._number -= 1
                self._ends.notify_all()

    def wait(self, seconds: float = 60) -> None:
        """Wait until no thread is computing a block; once the claim is revoked, each ends after its current clip."""
        with self._ends:
            self._ends.wait_for(lambda: self._number == 0, seconds)


def _seal_and_publish(file: BegunFile) -> None:
    seal(file)
    publish([file])


def _numbered(compute: Callable[[Block], Done], number: int, block: Block) -> tuple[int, Done]:
    return number, compute(block)


@dataclass(frozen=True)
class _Share:
    """The pending rows of one fold; blocks are made one by one, so that memory does not grow with the clips."""

    fold: int
    files: list[BegunFile]
    rows: np.ndarray
    waveforms: dict[Path, FoldFile]

    def blocks(self, claim: Claim) -> Iterator[Block]:
        """Cut the fold into blocks; a block has all the outputs of its clips."""
        clips = self.files[0].wanted.clips
        step = _clips_per_block(clips["path"].iloc[self.rows], self.files)
        for chosen in (self.rows[start : start + step] for start in range(0, len(self.rows), step)):
            outputs = []
            for file in self.files:
                lacking = frozenset(np.intersect1d(chosen, file.pending).tolist())
                if lacking:
                    wanted = file.wanted
                    stored = self.waveforms.get(wanted.path)
                    outputs.append(Output(wanted.name, wanted.feature, file.header, lacking, stored))
            named = zip(chosen.tolist(), _clips(clips.iloc[chosen]), strict=True)
            yield Block(self.fold, list(named), outputs, claim)


def _shares(plan: Plan, begun: list[BegunFile]) -> list[_Share]:
    waveforms = {file.wanted.path: FoldFile(file.waveforms) for file in plan.waiting if file.waveforms}
    shares = []
    for fold in sorted({file.wanted.fold for file in begun}):
        files = [file for file in begun if file.wanted.fold == fold]
        rows = np.unique(np.concatenate([file.pending for file in files]))
        shares.append(_Share(fold, files, rows, waveforms))
    return shares


def _clips(table: pd.DataFrame) -> list[Clip]:
    names = [clip_name(*key) for key in clip_keys(table)]
    return [Clip(*values) for values in zip(table["path"], table["start"], table["end"], names, strict=True)]


def _clips_per_block(paths: pd.Series, files: list[BegunFile]) -> int:
    """Return the number of clips per task: more if many are cut from one recording, which is digested as a whole."""
    if paths.empty:
        return 1
    per_recording = len(paths) // paths.nunique()
    most = _BLOCK_BYTES // sum(file.header.data.row_bytes for file in files)
    return max(1, min(BLOCK_CLIPS * per_recording, _MOST_CLIPS, most))


def _cut(file: FilePlan) -> str:
    """Return how many clips are longer than the feature's duration, so that this is known from the start."""
    notes = read_column(read_header(file.wanted.path), "notes")
    cut = int(((notes & Note.CUT) != 0).sum())
    seconds = file.wanted.feature.waveform().duration
    return f"; {cut} of them longer than {seconds:g} s, and cut" if cut else ""


def _notes(plan: Plan) -> list[str]:
    """Return notes on files that stay as they are although library versions changed."""
    drift = {
        f"{file.wanted.name}: {reason}"
        for file in plan.files
        if file.state == "drifted" and file.state not in plan.computed_states
        for reason in file.verdict.reasons
    }
    return [f"{line} (esc_features verify --recompute shows whether it matters)" for line in sorted(drift)]


def _plan_line(job: Job, plan: Plan) -> str:
    states = Counter(file.state for file in plan.files)
    counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    clips = job.edit.after
    size = f"{len(clips)} clips, {clips['fold'].nunique()} folds"
    return f"{job.edit.dataset}: {size} -> {job.store} ({len(plan.files)} files: {counts})"
