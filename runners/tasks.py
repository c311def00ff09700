"""The tasks of a run: try to prune an untrained network, train a dense one, run a trial. A failing one is reported."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import torch

from results.errors import MachineFault, line_of
from runners.cache import Cache, Use
from runners.dense import TaskContext, train_dense
from runners.precision import check
from runners.rehearsal import Rehearsal, rehearse
from runners.row import Status, row_of, row_of_error, status_of
from runners.spec import DenseSpec, TrialSpec
from runners.store import Store
from runners.training import EpochRecord
from runners.trial import run_trial

# a full, absent or failing disk, or one that is read only
OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENOTCONN}
Task = Rehearsal | DenseSpec | TrialSpec


@dataclass(frozen=True)
class RunContext:
    """Values shared by all tasks of a run: results folder, suite, device, and CPU threads of each task.

    cache: what is done with the dense networks of other suites.
    """

    results: Path
    suite: str
    device: str
    threads: int
    cache: Use = "use"

    def on(self, device: str) -> RunContext:
        """Return the same for another device."""
        return replace(self, device=device)


@dataclass(frozen=True)
class EpochEvent:
    """The end of an epoch of a task, in a process of a host."""

    task: DenseSpec | TrialSpec
    epoch: EpochRecord
    host: str = field(default_factory=platform.node)
    process: int = field(default_factory=os.getpid)


class Outcome(NamedTuple):
    """How a task ended. reason: in one line, where it is not done."""

    status: Status
    reason: str | None = None


Listener = Callable[[EpochEvent], None]
_log = logging.getLogger("klevel")


def perform(context: RunContext, task: Task, listen: Listener) -> Outcome:
    """Run one task to its end.

    A trial that fails, or whose grouping does not apply to its network, leaves a row with the reason. Raises
    MachineFault, and leaves everything as it is, where the machine failed.
    """
    if isinstance(task, Rehearsal):
        error = rehearse(task, torch.device(context.device))
        return Outcome("done") if error is None else Outcome(*status_of(error))
    store = Store(context.results, context.suite)
    folder = store.begin(task) if isinstance(task, TrialSpec) else store.dense(task)
    with _logged_to(folder / "log.txt"):
        _log.info("%s %s", type(task).__name__, task.model_dump_json(exclude_defaults=True))
        try:
            cache = Cache(context.results, context.cache)
            return _do(task, TaskContext(store, torch.device(context.device), _reporter(task, listen), cache))
        except MachineFault:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in OF_THE_MACHINE:
                raise MachineFault(
                    f"{error.filename or folder}: {error.strerror}; nothing is lost, call again"
                ) from error
            if isinstance(task, DenseSpec):
                _log.exception("failed")
                return Outcome("failed", line_of(error))
            row = row_of_error(task, context.suite, error)
            _log.info("%s: %s", row.status, row.reason, exc_info=row.status == "failed")
            store.finish(task, row)
            return Outcome(row.status, row.reason)


def _do(task: DenseSpec | TrialSpec, context: TaskContext) -> Outcome:
    """Run a task and save its results."""
    check(task.recipe.precision, context.device)
    if isinstance(task, DenseSpec):
        train_dense(task, context)
        return Outcome("done")
    row = run_trial(task, context)
    _log.info("%s: test accuracy %.4f%s", row.status, row.test_top1, f", {row.reason}" if row.reason else "")
    return Outcome(row.status, row.reason)


def give_up(context: RunContext, task: Task, reason: str) -> Outcome:
    """Write the row of a trial whose process ended without one."""
    if isinstance(task, TrialSpec):
        Store(context.results, context.suite).finish(task, row_of(task, context.suite, "failed", reason))
    return Outcome("failed", reason)


def _reporter(spec: DenseSpec | TrialSpec, listen: Listener) -> Callable[[EpochRecord], None]:
    """Return a function that reports each epoch of a task to the log and the listener."""

    def report(epoch: EpochRecord) -> None:
        _log.info("%s epoch %d: loss %.4f, validation %.4f", epoch.phase, epoch.epoch, epoch.train_loss, epoch.val_top1)
        listen(EpochEvent(spec, epoch))

    return report


class _QuietHandler(logging.FileHandler):
    """A log that a full disk cuts off: what else is written then says so."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - of logging
        """Say nothing."""


@contextlib.contextmanager
def _logged_to(path: Path) -> Iterator[None]:
    """Write the log to this file only, behind what an interrupted task wrote there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = _QuietHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    _log.propagate = False
    try:
        yield
    finally:
        _log.removeHandler(handler)
        with contextlib.suppress(OSError):
            handler.close()


def prepare(threads: int) -> None:
    """Configure torch so that the same task gives the same numbers in every process."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # no TF32 on accelerators: with it, masked and compact networks differ by more than 1e-4
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
