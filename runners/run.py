"""Run a suite: first the dense networks, then the missing trials, then the CSVs."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd
import torch
from tqdm import tqdm

from methods import METHODS
from results.columns import Trial
from results.errors import InputError
from results.reading import read
from runners.dense import TaskContext, begin_dense, data_of
from runners.environment import code_of, machine
from runners.executors import Executor, Slots, executor
from runners.leases import Leases, held
from runners.precision import check
from runners.progress import Progress, shown
from runners.rehearsal import Rehearsal, rehearsals
from runners.row import code_columns, row_of
from runners.spec import DenseSpec, TrialSpec
from runners.store import Store, mended
from runners.tasks import Outcome, RunContext, Task, prepare
from runners.tensorboard import Scalars
from runners.trial import measure_again

PAUSE = 2.0  # seconds between two looks at what other runs do
WAIT = 6.0  # seconds to wait for a run that writes the CSVs; who is to end has ten


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
    """Return the trials to run: those that have not finished, and those to run again. Raises Unreadable."""
    return [spec for spec, _ in _with_rows(trials, store.row, again)]


def _with_rows(
    trials: Sequence[TrialSpec], read: Callable[[TrialSpec], Trial | None], again: Again
) -> list[tuple[TrialSpec, Trial | None]]:
    """Return the trials to run, each with its row if it has finished before."""
    rows = ((spec, read(spec)) for spec in trials)
    return [(spec, row) for spec, row in rows if row is None or again.wants(row)]


def run(
    context: RunContext,
    trials: Sequence[TrialSpec],
    slots: Slots,
    again: Again = NONE_AGAIN,
    only_these: bool = False,
    scalars: Scalars | None = None,
) -> pd.DataFrame:
    """Run the missing trials, merge their results into the CSVs (see `Store.collect`), and return the rows of all.

    Other runs may work in the same folder: each task is done by one of them, and this returns when all are done.
    scalars: where epochs are written for TensorBoard too.

    Raises InputError if a dataset or a file of weights is not available, or a device lacks the precision of a recipe.
    """
    store = Store(context.results, context.suite)
    with contextlib.closing(Leases(store.leases)) as leases:
        found = _with_rows(trials, lambda spec: mended(partial(store.row, spec)), again)
        pending = [spec for spec, _ in found]
        _check_precisions(slots, pending)
        _check_files(store, pending)
        for spec, row in found:
            if row is not None:
                store.reopen(spec, row)
        try:
            if pending:
                store.measured_on(machine())
                for line in edited(store, pending):
                    tqdm.write(line, file=sys.stderr)
                few = slots.at_most(len(pending))
                with (
                    shown(store, pending, few.number, scalars=scalars) as progress,
                    executor(context, few, progress.epoch) as executes,
                ):
                    _Work(store, leases, pending, progress, executes).finish()
        finally:
            table = _collect(store, leases, trials, only_these)
    return table


def _collect(store: Store, leases: Leases, trials: Sequence[TrialSpec], only_these: bool) -> pd.DataFrame:
    """Write the CSVs, one run at a time: else what another has written since this one began to read would go."""
    end = time.monotonic() + WAIT
    while not leases.claim("csvs") and time.monotonic() < end:
        time.sleep(PAUSE / 10)
    try:
        return store.collect(trials, only_these)
    finally:
        leases.release("csvs")


def edited(store: Store, trials: Sequence[TrialSpec]) -> Iterator[str]:
    """Yield a line for each function of a user's own that rows in the CSV have another source of."""
    path = store.root / "trials.csv"
    if not path.is_file() or not any(spec.sources for spec in trials):
        return
    rows = read(store.root).reindex(columns=["dataset", "architecture", "grouping", *code_columns(trials[0])])
    for name, source in {item: None for spec in trials for item in spec.sources.items()}:
        other = pd.Series([source not in str(codes).split("+") for codes in rows["own_code"]], dtype=bool)
        network = ((rows["dataset"] == name) | (rows["architecture"] == name)) & other
        groups = (rows["grouping"] == name) & (rows["own_grouping_code"] != source)
        if count := int((network | groups).sum()):
            yield f"{name} was edited: {count} rows of {path} are of its earlier source; they stay, and are told apart"


def measure(context: RunContext, trials: Sequence[TrialSpec]) -> pd.DataFrame:
    """Measure every done trial again, one at a time, and write the CSVs.

    Raises InputError if no trial is done, another run is at work, or a dataset is not available.
    """
    store = Store(context.results, context.suite)
    prepare(context.threads)
    if (other := next(held(store.leases), None)) is not None:
        raise InputError(
            f"{store.root}: process {other.process} of {other.host} is at work here, and times want a quiet machine"
        )
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


def _check_files(store: Store, pending: Sequence[TrialSpec]) -> None:
    """Load every dataset and file of weights in this process first.

    Downloads happen once, and faults are found before any training. Raises InputError.
    """
    cpu = torch.device("cpu")
    for spec in {(s.dataset, s.recipe.train_images, s.recipe.normalisation): s for s in pending}.values():
        data_of(spec, cpu)
    for dense in {s.dense.id: s.dense for s in pending}.values():
        if dense.recipe.dense_weights is not None and mended(partial(store.dense_record, dense)) is None:
            begin_dense(dense, data_of(dense, cpu))


def _check_precisions(slots: Slots, pending: Sequence[TrialSpec]) -> None:
    """Raise InputError if a device of this machine cannot compute in the precision of a recipe."""
    for device in slots.devices if slots.cluster is None else ():
        for precision in {spec.recipe.precision for spec in pending}:
            check(precision, torch.device(device))


class _Work:
    """What is left to do for a run."""

    def __init__(
        self, store: Store, leases: Leases, pending: Sequence[TrialSpec], progress: Progress, executor: Executor
    ) -> None:
        self._store, self._leases, self._progress, self._executor = store, leases, progress, executor
        self._left = {spec.id: spec for spec in pending}
        self._refused: dict[str, Outcome] = {}
        self._whole = set[str]()  # dense networks that were read

    def finish(self) -> None:
        """Rehearse what is to be pruned, train the dense networks, and run the trials whose network is there.

        Waits for what other runs do of these.
        """
        for spec in self._wanted():
            if (reason := METHODS[spec.method].skip(spec)) is not None:
                self._refuse([spec], Outcome("skipped", reason))
        for task, outcome in self._executor.run(rehearsals(self._wanted())):
            if isinstance(task, Rehearsal) and outcome.status != "done":
                self._refuse(task.trials, outcome)
        while self._left:
            before = len(self._left)
            for task, outcome in self._run(n for n in self._networks() if self._absent(n)):
                self._progress.ended(task, outcome)
                if outcome.status == "failed":
                    lost = Outcome("failed", f"its dense network failed: {outcome.reason}")
                    self._refuse([s for s in self._wanted() if s.dense.id == task.id], lost)
            there = {n.id for n in self._networks() if not self._absent(n)}
            for task, outcome in self._run(s for s in self._wanted() if s.dense.id in there):
                self._end(task, outcome)
            self._write_refused()
            if len(self._left) == before:
                time.sleep(PAUSE)

    def _absent(self, network: DenseSpec) -> bool:
        """Return whether a dense network is not there; a broken one is set aside, once it is looked at first."""
        if network.id not in self._whole:
            if mended(partial(self._store.dense_record, network)) is None:
                return True
            if mended(partial(self._store.dense_weights, network)) is None:
                return True
            self._whole.add(network.id)
        return False

    def _wanted(self) -> list[TrialSpec]:
        """Return what is left and is to be run."""
        return [spec for spec in self._left.values() if spec.id not in self._refused]

    def _networks(self) -> list[DenseSpec]:
        """Return the dense networks of what is to be run."""
        return list({spec.dense.id: spec.dense for spec in self._wanted()}.values())

    def _run(self, tasks: Iterable[DenseSpec | TrialSpec]) -> Iterator[tuple[Task, Outcome]]:
        """Run those tasks that no other run does or has done, and yield each with its outcome."""
        for task, outcome in self._executor.run(task for task in tasks if self._claim(task)):
            self._leases.release(task.id)
            yield task, outcome

    def _claim(self, task: DenseSpec | TrialSpec) -> bool:
        """Return whether a task is for this run to do, and not done by another."""
        if self._done(task) or not self._leases.claim(task.id):
            return False
        if self._done(task):  # between the two
            self._leases.release(task.id)
            return False
        return True

    def _done(self, task: DenseSpec | TrialSpec) -> bool:
        """Return whether a task has ended, and strike out a trial that another run has done."""
        if isinstance(task, DenseSpec):
            return not self._absent(task)
        if (row := self._store.row(task)) is not None:
            self._end(task, Outcome(row.status, row.reason))
        return row is not None

    def _refuse(self, trials: Iterable[TrialSpec], outcome: Outcome) -> None:
        """Write a row for each of these trials, which are not run."""
        self._refused |= {spec.id: outcome for spec in trials}
        self._write_refused()

    def _write_refused(self) -> None:
        for spec in [self._left[i] for i in self._refused if i in self._left]:
            if self._claim(spec):
                outcome = self._refused[spec.id]
                self._store.begin(spec)
                self._store.finish(spec, row_of(spec, self._store.suite, outcome.status, outcome.reason))
                self._leases.release(spec.id)
                self._end(spec, outcome)

    def _end(self, task: Task, outcome: Outcome) -> None:
        if self._left.pop(task.id, None) is not None:
            self._progress.ended(task, outcome)
