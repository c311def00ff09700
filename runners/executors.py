"""Run many tasks, in this process or in several; a failing task is reported and does not stop the others."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from results.errors import WorkerDied
from runners import environment
from runners.dense import TaskContext, train_dense
from runners.row import line_of, row_of_error
from runners.spec import DenseSpec, TrialSpec
from runners.store import Store
from runners.training import EpochRecord
from runners.trial import run_trial

Spec = DenseSpec | TrialSpec


@dataclass(frozen=True)
class RunContext:
    """Values shared by all tasks of a run: results folder, suite, device, and CPU threads of each task."""

    results: Path
    suite: str
    device: str
    threads: int


@dataclass(frozen=True)
class EpochEvent:
    """The end of an epoch of a task. name: method, architecture and dataset."""

    name: str
    seed: int
    epoch: EpochRecord


Listener = Callable[[EpochEvent], None]
_log = logging.getLogger("klevel")


def perform(context: RunContext, spec: Spec, listen: Listener) -> str | None:
    """Run one task; return None, or the reason in one line if it failed.

    A trial that fails, or whose grouping does not apply to its network, leaves a row with the reason.
    """
    store = Store(context.results, context.suite)
    folder = store.begin(spec) if isinstance(spec, TrialSpec) else store.dense(spec)
    with _logged_to(folder / "log.txt"):
        _log.info("%s %s", type(spec).__name__, spec.model_dump_json(exclude_defaults=True))
        try:
            return _do(spec, TaskContext(store, torch.device(context.device), _reporter(spec, listen)))
        except Exception as error:
            if not isinstance(spec, TrialSpec):
                _log.exception("failed")
                return line_of(error)
            row = row_of_error(spec, context.suite, error)
            _log.info("%s: %s", row.status, row.reason, exc_info=row.status == "failed")
            store.finish(spec, row)
            return row.reason if row.status == "failed" else None


def _do(spec: Spec, context: TaskContext) -> str | None:
    """Run a task and save its results; return the reason if a trial ran to its end but failed."""
    if isinstance(spec, DenseSpec):
        train_dense(spec, context)
        return None
    row = run_trial(spec, context)
    _log.info("%s: test accuracy %.4f%s", row.status, row.test_top1, f", {row.reason}" if row.reason else "")
    return row.reason


def _reporter(spec: Spec, listen: Listener) -> Callable[[EpochRecord], None]:
    """Return a function that reports each epoch of a task to the log and the listener."""
    method = spec.method if isinstance(spec, TrialSpec) else "dense network"

    def report(epoch: EpochRecord) -> None:
        _log.info("%s epoch %d: loss %.4f, validation %.4f", epoch.phase, epoch.epoch, epoch.train_loss, epoch.val_top1)
        listen(EpochEvent(f"{method} {spec.architecture} {spec.dataset}", spec.seed, epoch))

    return report


@contextlib.contextmanager
def _logged_to(path: Path) -> Iterator[None]:
    """Write the log to this file only, behind what an interrupted task wrote there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    _log.propagate = False
    try:
        yield
    finally:
        _log.removeHandler(handler)
        handler.close()


def prepare(threads: int) -> None:
    """Configure torch so that the same task gives the same numbers in every process."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # no TF32 on accelerators: with it, masked and compact networks differ by more than 1e-4
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def execute(
    context: RunContext, specs: Sequence[Spec], jobs: int, listen: Listener
) -> Iterator[tuple[Spec, str | None]]:
    """Run the tasks, `jobs` at a time, and yield each with its outcome as it ends: see `perform`.

    Raises WorkerDied if a worker process dies; the results of finished tasks are kept.
    """
    if jobs == 1 or len(specs) == 1:
        prepare(context.threads)
        for spec in specs:
            yield spec, perform(context, spec, listen)
    elif specs:
        yield from _in_processes(context, specs, min(jobs, len(specs)), listen)


def _in_processes(
    context: RunContext, specs: Sequence[Spec], jobs: int, listen: Listener
) -> Iterator[tuple[Spec, str | None]]:
    spawn = multiprocessing.get_context("spawn")
    queue = spawn.SimpleQueue()
    threading.Thread(target=_forward, args=(queue, listen), daemon=True).start()
    pool = ProcessPoolExecutor(jobs, spawn, initializer=_begin_worker, initargs=(context.threads, queue))
    try:
        futures = {pool.submit(_perform_in_worker, context, spec): spec for spec in specs}
        for future in as_completed(futures):
            yield futures[future], future.result()
        # only after a regular end: a worker killed while it put an event holds the lock of the queue forever
        queue.put(None)
    except BrokenProcessPool:
        raise WorkerDied(
            "a worker process was killed (out of memory?); call again to go on, perhaps with --jobs 1"
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.kill()
            process.join()


def _forward(queue: Any, listen: Listener) -> None:
    while (event := queue.get()) is not None:
        listen(event)


_event_queue: Any = None  # of a worker: the queue to the main process


def _begin_worker(threads: int, queue: Any) -> None:
    global _event_queue
    _event_queue = queue
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process handles Ctrl-C, and ends its workers
    environment.die_with_main_process()
    prepare(threads)


def _perform_in_worker(context: RunContext, spec: Spec) -> str | None:
    return perform(context, spec, _event_queue.put)
