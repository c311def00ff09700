"""Show how far a run is, here and, by files `now.json`, to `klevel status`.

On a terminal: a bar over the epochs of all tasks, and a line for each task that runs. Without: a line every minute.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Protocol

from tqdm import tqdm

from runners.estimate import BETWEEN, Backlog, Times, add_overhead, by_macs, clock, measured, rows, wall, work_of
from runners.leases import held
from runners.spec import TUNED, DenseSpec, TrialSpec
from runners.store import Store, write_json
from runners.tasks import EpochEvent, Outcome, Task
from runners.tensorboard import Scalars

NOW = "now.json"
BETWEEN_WRITES = 1.0  # seconds, of a task's now.json
BETWEEN_LOOKS = 5.0  # seconds, at the leases
KEYS = ("scope", "measure", "start", "equal", *TUNED)  # of a trial, beside its method's hyper-parameters


class Labels:
    """Name tasks for people. Trials of one method are told apart by the settings that differ among them."""

    def __init__(self, trials: Iterable[TrialSpec]) -> None:
        """trials: those to tell apart."""
        number, given = Counter[str](), Counter[tuple[str, str]]()
        values = defaultdict[tuple[str, str], set[str]](set)
        for spec in trials:
            number[spec.method] += 1
            for key, value in ({k: getattr(spec, k) for k in KEYS} | spec.hyperparameters).items():
                given[spec.method, key] += 1
                values[spec.method, key].add(repr(value))
        self._differing = defaultdict[str, list[str]](list)
        for method, key in values:
            if len(values[method, key]) > 1 or given[method, key] < number[method]:
                self._differing[method].append(key)

    def settings(self, spec: TrialSpec) -> str:
        """Return the settings that differ, as `lam 0.3 scope layer`."""
        names = self._differing[spec.method]
        found = {key: getattr(spec, key) for key in KEYS} | {"start": spec.starts_from}
        found |= spec.all_hyperparameters if names else {}
        return " ".join(f"{key} {value}" for key in names if (value := found.get(key)) is not None)

    def of(self, task: DenseSpec | TrialSpec) -> str:
        """Return a line that names a task."""
        where = f"{task.architecture} {task.dataset}"
        if isinstance(task, DenseSpec):
            return f"dense network {where} seed {task.seed}"
        parts = (task.method, where, task.grouping, f"keep {task.keep:g}", self.settings(task), f"seed {task.seed}")
        return " ".join(filter(None, parts))


class Summary(NamedTuple):
    """What is shown of a whole run. epochs, trials: done and all. left: seconds."""

    epochs: tuple[int, int]
    trials: tuple[int, int]
    failed: int
    running: int
    left: float | None

    def __str__(self) -> str:
        """Return it as one line, without the epochs."""
        done, all_ = self.trials
        return f"{done}/{all_} trials, {self.failed} failed, {self.running} running, time left {clock(self.left)}"


class View(Protocol):
    """Where progress is shown. interval: seconds from one time to the next."""

    interval: float

    def show(self, summary: Summary, lines: Mapping[str, str]) -> None:
        """Show the whole, and a line for each task that runs."""

    def say(self, text: str) -> None:
        """Say something once."""

    def close(self) -> None:
        """End."""


class Lines:
    """Lines for a log."""

    interval = 60.0

    def show(self, summary: Summary, lines: Mapping[str, str]) -> None:
        """Write one line of the whole."""
        done, total = summary.epochs
        self.say(f"{done}/{total} epochs, {summary}")

    def say(self, text: str) -> None:
        """Write a line."""
        print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Do nothing."""


class Bars:
    """A bar on a terminal, with lines below it, which keep their places."""

    interval = 1.0

    def __init__(self, total: int) -> None:
        """total: epochs."""
        form = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} epochs [{elapsed}{postfix}]"
        self._bar: tqdm[NoReturn] = tqdm(total=total, bar_format=form, dynamic_ncols=True, position=0, file=sys.stderr)
        self._lines: list[tqdm[NoReturn]] = []
        self._names: list[str | None] = []

    def show(self, summary: Summary, lines: Mapping[str, str]) -> None:
        """Draw all anew."""
        self._bar.n, self._bar.total = summary.epochs
        self._bar.set_postfix_str(str(summary), refresh=False)
        self._bar.refresh()
        self._names = [name if name in lines else None for name in self._names]
        for name in (name for name in lines if name not in self._names):
            if None not in self._names:
                self._names.append(None)
                self._lines.append(tqdm(bar_format="{desc}", position=len(self._names), leave=False, file=sys.stderr))
            self._names[self._names.index(None)] = name
        width = _columns() - 1
        for used, line in zip(self._names, self._lines, strict=True):
            line.set_description_str(lines[used][:width] if used else "")

    def say(self, text: str) -> None:
        """Write a line above the bar."""
        self._bar.write(text, file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it is."""
        for line in reversed(self._lines):
            line.close()
        self._bar.close()


def _columns() -> int:
    """Return the width of the terminal of stderr."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        return shutil.get_terminal_size().columns


@dataclass
class _Heard:
    """What this run heard of a task: its last epoch, when (s), when it began, its training seconds and their epochs."""

    last: EpochEvent
    at: float
    began: float
    training: float = 0.0
    epochs: int = 0
    written: float = float("-inf")


class Progress:
    """What is known of a run, which it tells what happens."""

    def __init__(
        self,
        store: Store,
        pending: Sequence[TrialSpec],
        jobs: int,
        view: View | None = None,
        scalars: Scalars | None = None,
    ) -> None:
        """Show what is to be run, `jobs` at a time.

        view: by default one for a terminal where stderr is one. scalars: where epochs are written as well.
        """
        self._store, self._jobs, self._scalars = store, jobs, scalars
        self._tasks: dict[str, DenseSpec | TrialSpec] = {spec.id: spec for spec in pending}
        self._labels, self._number = Labels(pending), len(self._tasks)
        self._names: dict[str, str] = {}  # of what runs
        dense = {name: spec.dense for name, spec in self._tasks.items() if isinstance(spec, TrialSpec)}
        self._network = {name: network.id for name, network in dense.items()}
        self._waiting = Counter(self._network.values())  # trials of each dense network
        self._backlog = backlog(measured(store, rows(store)), self._tasks, absent(store, dense.values()))
        self._tasks |= {network.id: network for network in dense.values()}
        self._heard: dict[str, _Heard] = {}
        self._ended = Counter[str]()
        self._others, self._looked = 0, float("-inf")
        self._lock, self._closed = threading.RLock(), threading.Event()
        self._view: View = view or (Bars(self._backlog.total) if sys.stderr.isatty() else Lines())
        self._drawer = threading.Thread(target=self._draw_on, daemon=True)
        self.draw()
        self._drawer.start()

    def epoch(self, event: EpochEvent) -> None:
        """Hear of an epoch of a task, in any process of this run. May be called from another thread."""
        name, now = event.task.id, time.monotonic()
        with self._lock:
            if name not in self._backlog:  # an event that comes after the end of its task
                return
            self._backlog.ended(self._network.get(name, ""))  # perhaps trained by another run
            self._learn(name, event, now)
            self._backlog.at(name, event.epoch.phase, event.epoch.epoch, now)
            heard = self._heard[name]
            if now - heard.written >= BETWEEN_WRITES:
                heard.written = now
                with contextlib.suppress(OSError):
                    write_json(self._folder(name) / NOW, _now(event))
            if self._scalars is not None:
                self._scalars.epoch(event)

    def ended(self, task: Task, outcome: Outcome) -> None:
        """Hear of the end of a dense network, or of a trial, by this run or another."""
        with self._lock:
            heard = self._heard.pop(task.id, None)
            if heard is not None and outcome.status == "done":
                self._learn_whole(task, heard)
            self._backlog.ended(task.id)
            if isinstance(task, TrialSpec):
                self._ended[outcome.status] += 1
                self._end_network(task.id)
            self._forget(task.id)
            if outcome.status == "failed":
                what = "trial" if isinstance(task, TrialSpec) else "dense network"
                with contextlib.suppress(OSError):
                    self._view.say(f"{what} {task.id} failed: {outcome.reason}")

    def draw(self) -> None:
        """Show how far it is now."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked >= BETWEEN_LOOKS:
                self._looked = now
                self._look(now)
            running = self._backlog.running
            left = self._backlog.seconds(self._jobs + self._others, now)
            epochs, ended = (self._backlog.done, self._backlog.total), self._ended.total()
            summary = Summary(epochs, (ended, self._number), self._ended["failed"], len(running), left)
            with contextlib.suppress(OSError):  # the terminal is gone; the run goes on
                self._view.show(summary, {name: self._line(name) for name in running})

    def close(self) -> None:
        """End, and take back what says that tasks run."""
        self._closed.set()
        self._drawer.join()
        with self._lock:
            self.draw()
            for name in self._heard:
                self._forget(name)
            self._view.close()

    def _draw_on(self) -> None:
        while not self._closed.wait(self._view.interval):
            self.draw()

    def _look(self, now: float) -> None:
        """Find by the leases what has begun, here and in other runs."""
        self._others = 0
        with contextlib.suppress(OSError):
            for lease in held(self._store.leases):
                if (lease.host, lease.process) == (platform.node(), os.getpid()):
                    self._backlog.begun(lease.name, now)
                elif lease.name in self._backlog:
                    self._others += 1

    def _learn(self, name: str, event: EpochEvent, now: float) -> None:
        """Learn how long an epoch took, and what it took beside its training."""
        epoch, task = event.epoch, event.task
        heard = self._heard.get(name)
        if heard is None:
            heard = self._heard[name] = _Heard(event, now, now - epoch.seconds)
        last = heard.last.epoch
        like = work_of(task).like
        if not (isinstance(task, TrialSpec) and epoch.phase == "finetune" and by_macs(task.equal)):
            self._backlog.times.add(like, epoch.phase, epoch.seconds)
        if (last.phase, last.epoch + 1) == (epoch.phase, epoch.epoch):
            self._backlog.times.add(like, BETWEEN, max(0.0, now - heard.at - epoch.seconds))
        heard.last, heard.at = event, now
        heard.training, heard.epochs = heard.training + epoch.seconds, heard.epochs + 1

    def _learn_whole(self, task: Task, heard: _Heard) -> None:
        """Learn what a task took as a whole beside its training."""
        if isinstance(task, DenseSpec):
            whole: float | None = time.monotonic() - heard.began
        else:
            whole = wall(self._folder(task.id))
        like = work_of(heard.last.task).like
        add_overhead(self._backlog.times, like, whole, heard.training, heard.epochs)

    def _end_network(self, trial: str) -> None:
        """Strike out the dense network of a trial if no other needs it; another run may have trained it."""
        if (network := self._network.pop(trial, None)) is not None:
            self._waiting[network] -= 1
            if not self._waiting[network]:
                self._backlog.ended(network)
                self._forget(network)

    def _forget(self, name: str) -> None:
        if self._scalars is not None:
            self._scalars.ended(name)
        with contextlib.suppress(OSError):
            (self._folder(name) / NOW).unlink(missing_ok=True)

    def _folder(self, name: str) -> Path:
        return self._store.folder(self._tasks[name])

    def _line(self, name: str) -> str:
        """Return the line of a task that runs."""
        text = self._names.get(name) or self._names.setdefault(name, self._labels.of(self._tasks[name]))
        heard = self._heard.get(name)
        if heard is None:
            return f"{text}: begins"
        epoch, of = heard.last.epoch, epochs_of(heard.last)
        return f"{text}: {epoch.phase} {epoch.epoch}/{of}, {100 * epoch.val_top1:.2f} %"


def absent(store: Store, networks: Iterable[DenseSpec]) -> dict[str, DenseSpec]:
    """Return those dense networks that are still to be trained, by id."""
    found = {network.id: network for network in networks}
    files = ("record.json", "network.pt")
    return {i: n for i, n in found.items() if not all((store.dense(n) / file).is_file() for file in files)}


def backlog(
    times: Times, trials: Mapping[str, DenseSpec | TrialSpec], networks: Mapping[str, DenseSpec | TrialSpec]
) -> Backlog:
    """Return what these dense networks and trials are to do."""
    dense, open_ = ({name: work_of(task) for name, task in tasks.items()} for tasks in (networks, trials))
    return Backlog(times, dense, open_)


def epochs_of(event: EpochEvent) -> int:
    """Return the epochs of the phase of an event: more than planned where equal multiply-adds allow them."""
    planned = dict(work_of(event.task).epochs)[event.epoch.phase]
    return max(planned, event.epoch.epoch)


def _now(event: EpochEvent) -> dict[str, Any]:
    epoch = event.epoch
    return {
        "phase": epoch.phase, "epoch": epoch.epoch, "epochs": epochs_of(event), "accuracy": epoch.val_top1,
        "host": event.host, "process": event.process, "seconds": epoch.seconds,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip


@contextmanager
def shown(store: Store, pending: Sequence[TrialSpec], jobs: int, scalars: Scalars | None = None) -> Iterator[Progress]:
    """Show the progress of trials that are to be run, `jobs` at a time. scalars: where epochs are written as well."""
    progress = Progress(store, pending, jobs, scalars=scalars)
    try:
        yield progress
    finally:
        progress.close()
