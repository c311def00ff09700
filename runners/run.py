"""Run a suite: first the dense networks, then the missing trials, then the CSVs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

import pandas as pd
import torch
from tqdm import tqdm

from methods import METHODS
from results.columns import Trial
from results.errors import InputError
from runners.dense import TaskContext, begin_dense, data_of
from runners.environment import code_of, machine
from runners.executors import Executor, executor
from runners.rehearsal import Rehearsal, rehearsals
from runners.row import row_of
from runners.spec import DenseSpec, TrialSpec
from runners.store import Store
from runners.tasks import EpochEvent, Listener, Outcome, RunContext, Task, prepare
from runners.trial import measure_again


@dataclass(frozen=True)
class Again:
    """The finished trials to run again: failed ones, those of changed methods, or all."""

    failed: bool = False
    changed: bool = False
    all: bool = False

    def wants(self, row: Trial) -> bool:
        """Return whether to run the trial of this row again."""
        return self.all or (self.failed and row.status == "failed") or (self.changed and is_outdated(row))


def is_outdated(row: Trial) -> bool:
    """Return whether another version of the method's code made a row; False for old rows without method_code."""
    return row.method_code is not None and row.method_code != code_of(METHODS[row.method])


NONE_AGAIN = Again()


def missing(store: Store, trials: Sequence[TrialSpec], again: Again = NONE_AGAIN) -> list[TrialSpec]:
    """Return the trials to run: those that have not finished, and those to run again."""
    rows = {spec.id: store.row(spec) for spec in trials}
    return [s for s in trials if (row := rows[s.id]) is None or again.wants(row)]


def run(
    context: RunContext,
    trials: Sequence[TrialSpec],
    jobs: int,
    again: Again = NONE_AGAIN,
    only_these: bool = False,
    timeout: float | None = None,
) -> pd.DataFrame:
    """Run the missing trials, merge their results into the CSVs (see `Store.collect`), and return the rows of all.

    timeout: seconds after which a task has failed. Raises InputError if a dataset or a file of weights is not
    available, or another run uses the folder.
    """
    store = Store(context.results, context.suite)
    with store.lock():
        pending = list(_not_skipped(store, missing(store, trials, again)))
        _check_files(store, pending)
        try:
            if pending:
                store.measured_on(machine())
                workers = min(jobs, len(pending))
                with _progress(len(pending)) as bar, executor(context, workers, _told(bar), timeout) as executes:
                    _run_pending(store, pending, bar, executes)
        finally:
            table = store.collect(trials, only_these)
    return table


def measure(context: RunContext, trials: Sequence[TrialSpec]) -> pd.DataFrame:
    """Measure every done trial again, one at a time, and write the CSVs.

    Raises InputError if no trial is done, or a dataset is not available.
    """
    store = Store(context.results, context.suite)
    prepare(context.threads)
    with store.lock():
        done = [s for s in trials if (row := store.row(s)) is not None and row.status == "done"]
        if not done:
            raise InputError(f"{store.root}: no trial of the suite is done here; run it first")
        _check_files(store, done)
        store.measured_on(machine())
        try:
            for spec in tqdm(done, unit="trial"):
                measure_again(spec, TaskContext(store, torch.device(context.device)))
        finally:
            table = store.collect(trials)
    return table


def _not_skipped(store: Store, trials: Sequence[TrialSpec]) -> Iterator[TrialSpec]:
    """Write a row with the reason for every trial that its method skips, and yield the others."""
    for spec in trials:
        reason = METHODS[spec.method].skip(spec)
        if reason is None:
            yield spec
        else:
            store.begin(spec)
            store.finish(spec, row_of(spec, store.suite, "skipped", reason))


def _check_files(store: Store, pending: Sequence[TrialSpec]) -> None:
    """Load every dataset and file of weights in this process first.

    Downloads happen once, and faults are found before any training. Raises InputError.
    """
    cpu = torch.device("cpu")
    for spec in {(s.dataset, s.recipe.train_images, s.recipe.normalisation): s for s in pending}.values():
        data_of(spec, cpu)
    for dense in {s.dense.id: s.dense for s in pending}.values():
        if dense.recipe.dense_weights is not None and _absent(store, dense):
            begin_dense(dense, data_of(dense, cpu))


def _told(bar: tqdm[NoReturn]) -> Listener:
    """Return a listener that shows the last epoch beside a progress bar."""

    def listen(event: EpochEvent) -> None:
        epoch = event.epoch
        bar.set_description_str(f"{event.name} seed {event.seed}", refresh=False)
        text = f"{epoch.phase} epoch {epoch.epoch} accuracy {100 * epoch.val_top1:.2f} %"
        bar.set_postfix_str(text, refresh=sys.stderr.isatty())

    return listen


def _run_pending(store: Store, pending: Sequence[TrialSpec], bar: tqdm[NoReturn], executor: Executor) -> None:
    """Rehearse what is to be pruned, train the dense networks, then run the trials whose network is there."""

    def refuse(trials: Iterable[TrialSpec], outcome: Outcome) -> None:
        for spec in trials:
            left.remove(spec)
            store.begin(spec)
            store.finish(spec, row_of(spec, store.suite, outcome.status, outcome.reason))
            bar.update()
            _say(bar, spec, outcome)

    left = list(pending)
    for task, outcome in executor.run(rehearsals(left)):
        if isinstance(task, Rehearsal) and outcome.status != "done":
            refuse(task.trials, outcome)
    networks = {spec.dense.id: spec.dense for spec in left}
    for task, outcome in executor.run([n for n in networks.values() if _absent(store, n)]):
        if outcome.status == "failed":
            lost = Outcome("failed", f"its dense network failed: {outcome.reason}")
            refuse([spec for spec in left if spec.dense.id == task.id], lost)
    for task, outcome in executor.run(left):
        bar.update()
        _say(bar, task, outcome)


def _say(bar: tqdm[NoReturn], task: Task, outcome: Outcome) -> None:
    if outcome.status == "failed":
        bar.write(f"trial {task.id} failed: {outcome.reason}", file=sys.stderr)


def _absent(store: Store, network: DenseSpec) -> bool:
    return store.dense_record(network) is None


@contextmanager
def _progress(total: int) -> Iterator[tqdm[NoReturn]]:
    """Show a progress bar over the trials; without a terminal, print a line every minute."""
    interval = 0.1 if sys.stderr.isatty() else 60
    with tqdm(total=total, unit="trial", mininterval=interval, disable=total == 0) as bar:
        yield bar
