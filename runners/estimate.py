"""Estimate how long tasks take, from measured epochs of like ones: never from a mean over unlike ones.

The unit is an epoch of a phase. How long it takes is the median over epochs of the same place (architecture, dataset,
batch size and number of images), phase, method, grouping and keep, or else of fewer of these; or what the place is
known to take in another phase or method, times the ratio of the two at other places. What a task needs beside its
training epochs, such as evaluations, checkpoints and latencies, is counted as an `overhead` of each of its epochs.
"""

from __future__ import annotations

import contextlib
import heapq
from collections import defaultdict, deque
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from results.errors import InputError
from runners.spec import DenseSpec, TrialSpec
from runners.store import Store, read_json

RECENT = 50  # newest measurements that a median is over
EACH = 2  # finished trials of a kind that are read
MOST = 300  # finished trials that are read

Place = tuple[str, str, int, int | None]
Kind = tuple[str, str]  # phase, method
PHASES = ("dense", "sparsify", "finetune")
OVERHEAD = "overhead"  # seconds beside training, per epoch of a whole task
BETWEEN = "between"  # the same from one epoch to the next, known before any task has ended


class Like(NamedTuple):
    """What makes epochs alike. method, grouping: empty for a dense network."""

    architecture: str
    dataset: str
    batch_size: int
    train_images: int | None
    method: str = ""
    grouping: str = ""
    keep: float = 1.0

    @property
    def place(self) -> Place:
        """The part that does not depend on the method."""
        return self[:4]

    @property
    def dense(self) -> Like:
        """The same for the dense network."""
        return Like(*self.place)


class Work(NamedTuple):
    """Epochs of phases, in their order."""

    like: Like
    epochs: tuple[tuple[str, int], ...]

    @property
    def size(self) -> int:
        """Number of epochs."""
        return sum(n for _, n in self.epochs)

    def after(self, done: int) -> Work:
        """Return what is left when this many epochs are done."""
        left = []
        for phase, n in self.epochs:
            left.append((phase, n - min(n, done)))
            done -= min(n, done)
        return Work(self.like, tuple(left))


def work_of(task: DenseSpec | TrialSpec) -> Work:
    """Return the epochs of a task; those of a trial without its dense network's."""
    recipe = task.recipe
    place = (task.architecture, task.dataset, recipe.batch_size, recipe.train_images)
    if isinstance(task, DenseSpec):
        return Work(Like(*place), (("dense", recipe.dense_epochs),))
    _, sparsify, finetune = task.epochs
    like = Like(*place, _method(task.method, task.equal), task.grouping, task.keep)
    return Work(like, (("sparsify", sparsify), ("finetune", finetune)))


def _method(name: str, equal: str | None) -> str:
    """Return a method's name, and another where its epochs are as many as equal multiply-adds allow."""
    return f"{name}, equal {equal}" if by_macs(equal) else name


def by_macs(equal: str | None) -> bool:
    """Return whether the epochs of fine-tuning are known only once it begins. They count as those of the recipe."""
    return equal == "macs"


class Times:
    """Seconds per epoch that were measured."""

    def __init__(self) -> None:
        """Nothing is measured yet."""
        self._samples: defaultdict[Hashable, deque[float]] = defaultdict(lambda: deque(maxlen=RECENT))
        self._kinds: defaultdict[Place, dict[Kind, None]] = defaultdict(dict)
        self._found: dict[Hashable, float | None] = {}  # until the next measurement

    def add(self, like: Like, phase: str, seconds: float) -> None:
        """Add the measured seconds of an epoch."""
        for key in _keys(like, phase):
            self._samples[key].append(seconds)
        self._kinds[like.place][phase, like.method] = None
        self._found.clear()

    def of(self, like: Like, phase: str) -> float | None:
        """Return the seconds of an epoch; None if nothing that would tell was measured."""
        key = (like, phase)
        if key not in self._found:
            self._found[key] = self._alike(like, phase)
        return self._found[key]

    def cost(self, work: Work) -> float | None:
        """Return the seconds of a task, overhead included; None if they are not known."""
        seconds = [(n, self.of(work.like, phase)) for phase, n in work.epochs if n]
        overhead = self.of(work.like, OVERHEAD) or self.of(work.like, BETWEEN) or 0.0
        return None if any(s is None for _, s in seconds) else sum(n * ((s or 0.0) + overhead) for n, s in seconds)

    def _alike(self, like: Like, phase: str) -> float | None:
        *near, any_method = _keys(like, phase)
        for key in near:
            if key in self._samples:
                return self._median(key)
        by_ratio = self._by_ratio(like.place, (phase, like.method))
        if by_ratio is not None or any_method in self._samples:
            return self._median(any_method) if by_ratio is None else by_ratio
        return self._elsewhere(like.place) if phase in PHASES else None

    def _median(self, key: Hashable) -> float:
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = median(self._samples[key])
        return found

    def _by_ratio(self, place: Place, kind: Kind) -> float | None:
        """Return what other kinds take at a place, times what this kind takes of them at other places."""
        kinds = [(k, self._ratio(kind, k)) for k in self._kinds.get(place, ())]
        known = [self._median((place, *other)) * ratio for other, ratio in kinds if ratio is not None]
        return median(known) if known else None

    def _ratio(self, kind: Kind, other: Kind) -> float | None:
        key = ("ratio", kind, other)
        if key not in self._found:
            both = [p for p, kinds in self._kinds.items() if kind in kinds and other in kinds]
            pairs = [(self._median((p, *kind)), self._median((p, *other))) for p in both]
            ratios = [a / b for a, b in pairs if b > 0]
            self._found[key] = median(ratios) if ratios else None
        return self._found[key]

    def _elsewhere(self, place: Place) -> float | None:
        """Return the seconds of any phase at this place, or at those most like it; in proportion to their images."""
        at = {p: [k for k in kinds if k[0] in PHASES] for p, kinds in self._kinds.items()}
        for same in (4, 2, 1, 0):
            found = [
                median(self._median((p, *k)) for k in kinds) * _more_images(place, p)
                for p, kinds in at.items()
                if kinds and p[:same] == place[:same]
            ]
            if found:
                return median(found)
        return None


def _keys(like: Like, phase: str) -> list[Hashable]:
    """Return the names of what is measured, from the most alike to the least; the last is of any method."""
    place, method, grouping, keep = like.place, like.method, like.grouping, like.keep
    return [
        (place, phase, method, grouping, keep), (place, phase, method, grouping), (place, phase, method), (place, phase)
    ]  # fmt: skip


def _more_images(place: Place, other: Place) -> float:
    return place[3] / other[3] if place[3] and other[3] else 1.0


def rows(store: Store) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of all finished trials of a folder as they are in their files, unreadable ones left out."""
    for path in sorted((store.root / "trials").glob("*/row.json")):
        with contextlib.suppress(InputError, OSError):
            if isinstance(row := read_json(path), dict):
                yield row


def measured(store: Store, finished: Iterable[Mapping[str, Any]]) -> Times:
    """Return what finished trials, given by their rows, and dense networks of a folder took.

    Reads a few trials of each kind, MOST at most.
    """
    times, alike = Times(), defaultdict[Like, list[Mapping[str, Any]]](list)
    for row in finished:
        with contextlib.suppress(KeyError, TypeError):
            like = _like_of(row, _method(row["method"], row.get("equal")), row["grouping"], row["keep"])
            if len(alike[like]) < EACH:
                alike[like].append(row)
    for like, row in _some([(like, row) for like, found in alike.items() for row in found]):
        with contextlib.suppress(InputError, OSError, KeyError, TypeError, ValueError):
            _learn(times, like, row, store.root / "trials" / row["trial"])
    for path in _some(sorted((store.root / "dense").glob("*/record.json"))):
        with contextlib.suppress(InputError, OSError, KeyError, TypeError, ValueError):
            record = read_json(path)
            like = _like_of(record["spec"] | {"batch_size": 128, "train_images": None} | record["spec"]["recipe"])
            times.add(like, "dense", median(e["seconds"] for e in record["epochs"]))
    return times


def _some(all_: Sequence[Any]) -> Sequence[Any]:
    """Return MOST at most, evenly spaced."""
    return all_[:: -(-len(all_) // MOST) or 1]


def _like_of(content: Mapping[str, Any], *more: Any) -> Like:
    return Like(*(content[k] for k in ("architecture", "dataset", "batch_size", "train_images")), *more)


def _learn(times: Times, like: Like, row: Mapping[str, Any], folder: Path) -> None:
    """Learn from one finished trial."""
    seconds = defaultdict[str, list[float]](list)
    for epoch in read_json(folder / "epochs.json") or ():
        seconds[epoch["phase"]].append(epoch["seconds"])
    for phase, each in seconds.items():
        if phase == "finetune" and by_macs(row.get("equal")):
            times.add(like, phase, sum(each) / row["finetune_epochs"])
        else:
            times.add(like.dense if phase == "dense" else like, phase, median(each))
    own = [s for phase, each in seconds.items() if phase != "dense" for s in each]
    add_overhead(times, like, wall(folder), sum(own), row["sparsify_epochs"] + row["finetune_epochs"])


def add_overhead(times: Times, like: Like, whole: float | None, training: float, epochs: int) -> None:
    """Learn what a task took beside its training: `whole` seconds, `training` of them, for this many epochs.

    Nothing is learnt from a trial that was interrupted, or whose files were copied, so that `whole` is too short.
    """
    if whole is not None and epochs and whole >= training > 0:
        times.add(like, OVERHEAD, (whole - training) / epochs)


def wall(folder: Path) -> float | None:
    """Return the seconds from the (last) begin of a trial to its results, by its files; None if they are not there."""
    try:
        return (folder / "epochs.json").stat().st_mtime - (folder / "trial.yaml").stat().st_mtime
    except OSError:
        return None


@dataclass
class _Running:
    """A task that runs: its epochs, those done, and when (s, of the caller's clock) the last one ended."""

    size: int
    since: float
    done: int = 0


class Backlog:
    """Tasks that have not ended: dense networks, which come first, and trials. Counts epochs."""

    def __init__(self, times: Times, dense: Mapping[str, Work], trials: Mapping[str, Work]) -> None:
        """dense, trials: what is to be done, by id."""
        self.times = times
        self._dense, self._trials = dict(dense), dict(trials)
        self._running: dict[str, _Running] = {}
        self.total = sum(w.size for w in (*self._dense.values(), *self._trials.values()))
        self.done = 0

    def __contains__(self, name: object) -> bool:
        """Return whether a task has not ended."""
        return name in self._trials or name in self._dense

    @property
    def running(self) -> list[str]:
        """The tasks that have begun and not ended."""
        return list(self._running)

    def begun(self, name: str, now: float) -> None:
        """Hear that a task has begun."""
        if name in self and name not in self._running:
            self._running[name] = _Running(self._of(name).size, now)

    def at(self, name: str, phase: str, epoch: int, now: float) -> None:
        """Hear that an epoch of a phase has ended. More epochs than were planned make the total larger."""
        if name not in self:
            return
        self.begun(name, now)
        running, position = self._running[name], epoch
        for earlier, n in self._of(name).epochs:
            if earlier == phase:
                break
            position += n
        more = max(0, position - running.size)
        self.total += more
        self.done += position - running.done
        running.size, running.done, running.since = running.size + more, position, now

    def ended(self, name: str) -> None:
        """Hear that a task has ended, or is not needed: what it had left counts as done."""
        if name in self:
            work = self._of(name)
            running = self._running.pop(name, None) or _Running(work.size, 0.0)
            self.done += running.size - running.done
            self._dense.pop(name, None)
            self._trials.pop(name, None)

    def seconds(self, jobs: int, now: float) -> float | None:
        """Return the seconds until all is done, `jobs` at a time; None if they are not known."""
        costs, total = dict[Work, float | None](), 0.0
        for tasks in (self._dense, self._trials):
            begun = [self._left(tasks[name], r, now) for name, r in self._running.items() if name in tasks]
            waiting = [work for name, work in tasks.items() if name not in self._running]
            for work in set(waiting) - costs.keys():  # few, whatever the number of trials
                costs[work] = self.times.cost(work)
            known = [cost for cost in (*begun, *(costs[work] for work in waiting)) if cost is not None]
            if len(known) < len(tasks):
                return None
            total += schedule(known, jobs)
        return total

    def _left(self, work: Work, running: _Running, now: float) -> float | None:
        """Return the seconds that a running task has left, also within its epoch."""
        left = work.after(running.done)
        cost = self.times.cost(left)
        return cost and cost - min(max(0.0, now - running.since), cost / left.size)

    def _of(self, name: str) -> Work:
        return self._trials[name] if name in self._trials else self._dense[name]


def schedule(seconds: Iterable[float], jobs: int) -> float:
    """Return when the last of these tasks ends, of which `jobs` run at a time, begun in their order."""
    ends = [0.0] * max(1, jobs)
    for each in seconds:
        heapq.heapreplace(ends, ends[0] + each)
    return max(ends)


def clock(seconds: float | None) -> str:
    """Return a duration as M:SS, H:MM:SS or D d H:MM:SS, or `unknown`."""
    if seconds is None:
        return "unknown"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if not days and not hours:
        return f"{minutes}:{rest:02}"
    return f"{days} d " * (days > 0) + f"{hours}:{minutes:02}:{rest:02}"
