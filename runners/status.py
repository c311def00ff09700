"""Say how far a suite is, what a run of it would do, and what a trial logs."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tabulate import tabulate

from results.errors import InputError
from results.reading import read
from runners.estimate import Backlog, Times, clock, measured, rows
from runners.finished import ID, find
from runners.leases import Held, held
from runners.progress import NOW, Labels, absent, backlog
from runners.run import Again, is_outdated, missing
from runners.spec import DenseSpec, TrialSpec
from runners.store import Store, read_json
from runners.suite import Suite

WATCH, FOLLOW = 2.0, 0.5  # seconds between two looks
RATE_OVER = 3 * 3600.0  # seconds, of trials per hour
MEASURE_AGAIN = 60.0  # seconds
FAILURES, PLANNED = 10, 40  # lines that are shown
STATUSES = ("done", "failed", "skipped")
CLEAR = "\033[2J\033[H"

_Now = Mapping[str, Any]  # the content of a now.json, and when it was `written` (s); empty if there is none


class _Row(NamedTuple):
    """A row as it is in its file, which was written at `time` (s)."""

    content: Mapping[str, Any]
    time: float


class _Look:
    """A suite in its results folder, which is looked at again and again."""

    def __init__(self, chosen: Suite, results: Path, reference: Path) -> None:
        self._name, self._store = chosen.name, Store(results, chosen.name)
        self._trials = {spec.id: spec for spec in chosen.trials}
        self._labels = Labels(chosen.trials)
        self._rows: dict[str, _Row] = {}
        self._times, self._measured = Times(), float("-inf")
        self._published = _published(reference / chosen.name, self._trials)
        self.finished = False

    def text(self) -> str:
        """Return what is known now. Raises InputError for a row of another version of klevel."""
        self._read()
        leases = {lease.name: lease for lease in held(self._store.leases)}
        left = {name: spec for name, spec in self._trials.items() if name not in self._rows}
        networks = absent(self._store, {n.id: n for n in (s.dense for s in left.values())}.values())
        tasks: dict[str, DenseSpec | TrialSpec] = {**networks, **left}
        running = [(tasks[name], lease) for name, lease in leases.items() if name in tasks]
        counts = Counter(row.content["status"] for row in self._rows.values())
        trials_running = sum(isinstance(task, TrialSpec) for task, _ in running)
        self.finished = not left
        lines = [
            f"{self._name}: {len(self._trials)} trials: {counts['done']} done, {trials_running} running,"
            f" {counts['failed']} failed, {counts['skipped']} skipped, {len(left) - trials_running} open"
        ]
        nows = {task.id: _now_of(self._store.folder(task)) for task, _ in running}
        if running:
            lines += ["", self._table(running, nows), ""]
        if left:
            lines.append(self._pace(backlog(self._times, left, networks), nows))
        return "\n".join([*lines, *self._failures(), *self._outdated(), *self._published])

    def _read(self) -> None:
        """Read the rows that are new, and now and then how long epochs took."""
        for name, spec in self._trials.items():
            path = self._store.trial(spec) / "row.json"
            try:
                written = path.stat().st_mtime
            except FileNotFoundError:
                self._rows.pop(name, None)
                continue
            if name not in self._rows or self._rows[name].time != written:
                content = read_json(path)
                if isinstance(content, dict) and content.get("status") in STATUSES:
                    self._rows[name] = _Row(content, written)
                else:
                    self._store.row(spec)  # says what is wrong
        if len(self._rows) < len(self._trials) and time.monotonic() - self._measured > MEASURE_AGAIN:
            self._times = measured(self._store, (row.content for row in self._rows.values()))
            self._measured = time.monotonic()

    def _table(self, running: Sequence[tuple[DenseSpec | TrialSpec, Held]], nows: Mapping[str, _Now]) -> str:
        """Return the tasks that run, with what they last said."""
        head = ["task", "method", "architecture", "keep", "settings", "seed", "phase", "epoch"]
        head += ["accuracy", "process", "host", "sign"]
        cells = []
        for task, lease in running:
            now = nows[task.id]
            what = ("dense network", task.architecture, "", "")
            if isinstance(task, TrialSpec):
                what = (task.method, task.architecture, f"{task.keep:g}", self._labels.settings(task))
            far = ("begins", "", "")
            if now:
                far = (now["phase"], f"{now['epoch']}/{now['epochs']}", f"{100 * now['accuracy']:.2f} %")
            sign = max(0.0, time.time() - now.get("written", lease.touched))
            where = (now.get("process", lease.process), now.get("host", lease.host))
            cells.append((task.id, *what, task.seed, *far, *where, f"{clock(sign)} ago"))
        return _tabulated(head, cells)

    def _pace(self, open_: Backlog, nows: Mapping[str, _Now]) -> str:
        """Return the line of trials per hour and of the time left."""
        wall = time.time()
        for name, now in nows.items():
            open_.begun(name, wall)
            if now:
                open_.at(name, now["phase"], now["epoch"], now["written"])
        recent = sorted(r.time for r in self._rows.values() if r.content["status"] != "skipped")
        recent = [t for t in recent if wall - t < RATE_OVER]
        jobs = max(1, len(nows))
        said = [] if nows else ["nothing runs"]
        if len(recent) > 1:
            said.append(f"{(len(recent) - 1) / max(1.0, wall - recent[0]) * 3600:,.1f} trials per hour")
        return ", ".join([*said, f"time left {clock(open_.seconds(jobs, wall))} with {jobs} at a time"])

    def _failures(self) -> list[str]:
        found = [(name, self._rows[name].content) for name in self._trials if name in self._rows]
        lines = [f"{name} failed: {row.get('reason')}" for name, row in found if row["status"] == "failed"]
        return _cut(lines, FAILURES, "failed")

    def _outdated(self) -> list[str]:
        """Return a line about rows that other code made, if there are any."""
        made = defaultdict[tuple[str, Any], list[str]](list)
        for name, found in self._rows.items():
            made[self._trials[name].method, found.content.get("method_code")].append(name)
        old = Counter[str]()
        for (method, _), names in made.items():  # which one row of them tells
            row = self._store.row(self._trials[names[0]])
            if row is not None and is_outdated(row):
                old[method] += len(names)
        if not old:
            return []
        methods = ", ".join(sorted(old))
        return [f"{old.total()} made by other code of {methods} than that of today: run --changed takes them again"]


def _published(folder: Path, trials: Mapping[str, TrialSpec]) -> list[str]:
    if not (folder / "trials.csv").is_file():
        return []
    known = set(read(folder)["trial"])
    return [f"{folder}: {len(known)} trials, {sum(name in known for name in trials)} of these"]


def _tabulated(head: Sequence[str], cells: Sequence[Sequence[Any]]) -> str:
    text: str = tabulate(cells, head, tablefmt="simple", disable_numparse=True)
    return text


def _now_of(folder: Path) -> _Now:
    """Return what a task last said."""
    with contextlib.suppress(OSError, InputError, TypeError):
        content: dict[str, Any] | None = read_json(folder / NOW)
        if content and {"phase", "epoch", "epochs", "accuracy"} <= content.keys():
            return content | {"written": (folder / NOW).stat().st_mtime}
    return {}


def _cut(lines: list[str], most: int, what: str) -> list[str]:
    return lines if len(lines) <= most else [*lines[:most], f"and {len(lines) - most} more {what}"]


def status(chosen: Suite, results: Path, reference: Path, watch: bool = False) -> None:
    """Print how far a suite is: counts, what runs, failures, the time left, rows by other code, published trials.

    watch: print it again every WATCH seconds until every trial has ended, or Ctrl-C.
    """
    look = _Look(chosen, results, reference)
    print((CLEAR if watch and sys.stdout.isatty() else "") + look.text(), flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        while watch and not look.finished:
            time.sleep(WATCH)
            print((CLEAR if sys.stdout.isatty() else "\n") + look.text(), flush=True)


def plan(chosen: Suite, results: Path, again: Again, jobs: int | None = None) -> None:
    """Print a table of the trials that a run would run, the dense networks that they share, and an estimate."""
    store = Store(results, chosen.name)
    pending = missing(store, chosen.trials, again)
    if not pending:
        print("nothing is missing")
        return
    alike = defaultdict[tuple[Any, ...], list[TrialSpec]](list)
    for spec in pending:
        alike[spec.method, spec.architecture, spec.dataset, spec.grouping, f"{spec.keep:g}"].append(spec)
    cells = [
        (len(found), *key, _joined(s.seed for s in found), sum(_epochs(s) for s in found))
        for key, found in alike.items()
    ]
    head = ("trials", "method", "architecture", "dataset", "grouping", "keep", "seeds", "epochs")
    lines = _tabulated(head, cells).splitlines()
    print("\n".join(_cut(lines, PLANNED + 2, "lines")))
    networks = {spec.dense.id: spec.dense for spec in pending}
    new = absent(store, networks.values())
    there = len(networks) - len(new)
    print(f"\ndense networks: {len(networks)}, shared by these trials; {there} of them are there already")
    todo = backlog(measured(store, rows(store)), {s.id: s for s in pending}, new)
    jobs = jobs or 1
    seconds = todo.seconds(jobs, 0.0)
    took = "no epoch of these was measured here yet" if seconds is None else f"{clock(seconds)} with {jobs} at a time"
    print(f"trials: {len(pending)}; epochs, those of dense networks included: {todo.total}; time: {took}")


def _joined(numbers: Iterable[int]) -> str:
    """Return numbers as `0-4 7`."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return " ".join("-".join(map(str, run)) for run in runs)


def _epochs(spec: TrialSpec) -> int:
    return spec.epochs.sparsify + spec.epochs.finetune


def log(trial: str, results: Path, follow: bool = False) -> None:
    """Print the log of a trial, or of a dense network, finished or not.

    follow: go on until it has ended, or Ctrl-C. Raises InputError if there is none.
    """
    where = _folder_of(trial, results)
    path, position = where / "log.txt", 0
    if not follow and not path.is_file():
        raise InputError(f"{where}: has no log{_why(where)}")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            ended = any((where / name).is_file() for name in ("row.json", "record.json"))
            position = _print_from(path, position)
            if ended or not follow:
                return
            time.sleep(FOLLOW)


def _print_from(path: Path, position: int) -> int:
    """Print what a file has behind a position, all of it if it is a new one; return the position of its end."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(position if size >= position else 0)
        print(file.read().decode("utf-8", "replace"), end="", flush=True)
        return file.tell()
    return position


def _folder_of(name: str, results: Path) -> Path:
    """Return the folder of a trial or of a dense network. Raises InputError unless there is exactly one."""
    if (Path(name) / "log.txt").is_file():
        return Path(name)
    dense = sorted(f for f in results.glob(f"*/dense/{name}*") if f.is_dir()) if ID.fullmatch(name) else []
    if not dense:
        return find(name, results)
    found = [*dense, *(f.parent for f in results.glob(f"*/trials/{name}*/trial.yaml"))]
    if len(found) > 1:
        raise InputError(f"{name}: may be any of {', '.join(map(str, found[:3]))}; give one of these folders")
    return found[0]


def _why(folder: Path) -> str:
    row = read_json(folder / "row.json")
    return f": it was {row.get('status')}, {row.get('reason')}" if isinstance(row, dict) else " yet"
