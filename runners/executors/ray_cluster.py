"""Run tasks on the machines of a Ray cluster, or on this one. Ray places them; this hands them out and takes them back.

Where a node sees the results folder, its tasks work in it, as those of any process here do. Where it does not, a task
works in a folder of its node, gets the dense network that it needs through Ray, and sends back what it wrote.
"""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import ray
from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayError,
    RayTaskError,
)
from ray.util.queue import Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from results.errors import InputError, line_of
from runners import tasks
from runners.environment import machine
from runners.rehearsal import Rehearsal
from runners.spec import DenseSpec, TrialSpec
from runners.store import Store, write
from runners.tasks import EpochEvent, Listener, Outcome, RunContext, Task

TRIES = 2  # of a task whose process dies
NODES = 10  # tries of a task whose node dies: that is seldom the fault of the task
LOOK = 1.0  # seconds between two looks at the cluster and the clock
PATIENCE = 10.0  # seconds for what is ended to end
KEPT = 4  # dense networks that are kept ready for nodes that do not see the results folder
LAST = "row.json", "record.json"  # with them, a task has finished


@dataclass(frozen=True)
class _Job:
    """What all tasks of a run are told.

    sign: a file in the results folder, which holds the word. here: the folder in which klevel was called.
    """

    context: RunContext
    sign: Path
    word: str
    here: str

    def is_shared(self) -> bool:
        """Return whether this node sees the results folder, and no other one of the same name."""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return self.sign.read_text(encoding="ascii") == self.word
        return False

    @property
    def folder(self) -> Path:
        """The folder of a node that does not see the results folder."""
        return Path(tempfile.gettempdir()) / f"klevel-{self.word}"


class _Begun(NamedTuple):
    """News: a try of a task has begun."""

    task: str
    number: int


class _Answer(NamedTuple):
    """What comes back of a task.

    files: of its folder, by their paths in it, if the node does not see the results folder. outcome: None where such a
    node lacks the dense network.
    """

    outcome: Outcome | None
    node: str
    machine: Mapping[str, str | int]
    files: Mapping[str, bytes] | None = None


@dataclass
class _Flight:
    """A task that Ray has. deaths: how often its process or node has died; late: whether it was ended for its time."""

    task: Task
    number: int = 1
    deaths: int = 0
    late: bool = False
    reference: Any = None


class RayCluster:
    """Run tasks by Ray. A task whose process dies is tried once more, one whose node dies more often."""

    def __init__(
        self,
        context: RunContext,
        address: str,
        jobs: int,
        most: int,
        listen: Listener,
        timeout: float | None = None,
    ) -> None:
        """Connect to the cluster at an address; without one, to that of $RAY_ADDRESS, or start Ray on this machine.

        jobs: tasks at a time on each GPU, if the device of the context is one. most: tasks at a time in all, if Ray is
        started here. listen: hears of every epoch. timeout: seconds after which a task has failed.

        Raises InputError if there is no such cluster.
        """
        self._timeout, self._listen = timeout, listen
        self._cpus = context.threads
        device = context.device.partition(":")[0]  # which GPU, Ray says
        self._jobs = jobs if device == "cuda" else 0
        self._context = replace(context.on(device), results=context.results.resolve())
        self._store = Store(self._context.results, context.suite)
        self._running: dict[Future[_Answer], _Flight] = {}
        self._begun: dict[_Begun, float] = {}
        self._apart: set[str] = set()  # nodes that do not see the results folder
        self._machines: list[Mapping[str, str | int]] = []
        self._dense: dict[str, Any] = {}
        self._looked, self._known_room = -math.inf, 1
        self._closed = threading.Event()
        self._ours = not ray.is_initialized()
        if self._ours:
            address = address or os.environ.get("RAY_ADDRESS", "")
            _connect(address, most * self._cpus)
        try:
            self._check_room(alone=self._ours and not address)
            word = secrets.token_hex(16)
            self._job = _Job(self._context, _put_sign(self._store.root, word), word, str(Path.cwd()))
            near = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
            self._news = Queue(actor_options={"num_cpus": 0, "max_restarts": -1, "scheduling_strategy": near})
            # no retries by Ray: it counts lost nodes and processes that die alike, and those out of memory not at all
            self._wants = {"num_cpus": self._cpus, "num_gpus": self._gpu(), "max_retries": 0}
            self._remote = ray.remote(_perform)
        except BaseException:
            self._disconnect()
            raise
        self._ear = threading.Thread(target=self._hear, daemon=True)
        self._ear.start()

    def run(self, todo: Iterable[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Run tasks, as many at a time as the cluster has room for now, and yield them as they end."""
        source = iter(todo)
        while True:
            while len(self._running) < self._room() and (task := next(source, None)) is not None:
                self._submit(_Flight(task))
            if not self._running:
                return
            # a wait of Python's, which a signal interrupts as it should; ray.wait makes a KeyboardInterrupt of each
            for future in wait(self._running, LOOK, FIRST_COMPLETED).done:
                flight = self._running.pop(future)
                self._begun.pop(_Begun(flight.task.id, flight.number), None)
                outcome = self._end(flight, future)
                if outcome is None:
                    self._submit(replace(flight, number=flight.number + 1))
                else:
                    yield flight.task, outcome
            self._cancel_late()

    def close(self) -> None:
        """End all tasks, whatever they do, and Ray if it was started or connected here."""
        self._closed.set()
        for flight in self._running.values():
            _cancel(flight)
        wait(self._running, PATIENCE)  # what still ran could write to the results folder
        self._running.clear()
        self._sweep()
        self._job.sign.unlink(missing_ok=True)
        with contextlib.suppress(Exception):
            self._news.shutdown(force=True)
        self._ear.join(PATIENCE)  # before Ray is gone
        self._disconnect()

    def _disconnect(self) -> None:
        if self._ours:
            ray.shutdown()

    # What the cluster has room for

    def _room(self) -> int:
        """Return how many tasks may run at a time: at least one, which waits for a node if there is none now."""
        if time.monotonic() - self._looked > LOOK:
            self._looked = time.monotonic()
            nodes = (node["Resources"] for node in ray.nodes() if node["Alive"])
            self._known_room = max(1, sum(map(self._fits, nodes)))
        return self._known_room

    def _fits(self, resources: Mapping[str, float]) -> int:
        """Return how many tasks fit on a node."""
        fits = int(resources.get("CPU", 0) // self._cpus)
        return min(fits, int(resources.get("GPU", 0)) * self._jobs) if self._jobs else fits

    def _gpu(self) -> float:
        """Return the part of a GPU that a task gets, in the 1/10,000 in which Ray counts; 0 without one."""
        return 10_000 // self._jobs / 10_000 if self._jobs else 0.0

    def _check_room(self, alone: bool) -> None:
        """Say that no node has room for a task. Raises InputError where none can come."""
        if any(self._fits(node["Resources"]) for node in ray.nodes() if node["Alive"]):
            return
        wanted = f"{self._cpus} CPUs{' and a GPU' if self._jobs else ''}"
        if alone:
            raise InputError(f"--executor ray: Ray finds no {wanted} here")
        print(f"klevel: no node of the Ray cluster has {wanted}: waiting for one", file=sys.stderr)

    # Tasks

    def _submit(self, flight: _Flight) -> None:
        task = flight.task
        # within a list, so that it is only sent to a node that asks for it
        dense = [self._ready(task.dense)] if self._apart and isinstance(task, TrialSpec) else []
        remote = self._remote.options(name=task.id, **self._wants)
        flight.reference = remote.remote(self._job, task, flight.number, dense, self._news.actor)
        self._running[flight.reference.future()] = flight

    def _ready(self, spec: DenseSpec) -> Any:
        """Return a reference to the files of a dense network."""
        reference = self._dense.pop(spec.id, None)
        if reference is None:
            folder = self._store.dense(spec)
            reference = ray.put({name: (folder / name).read_bytes() for name in ("network.pt", "record.json")})
        self._dense[spec.id] = reference
        for old in list(self._dense)[:-KEPT]:  # tasks under way hold theirs themselves
            del self._dense[old]
        return reference

    def _end(self, flight: _Flight, future: Future[_Answer]) -> Outcome | None:
        """Return the outcome of a task that has ended; None if it is to be tried again."""
        error = future.exception()
        if isinstance(error, LocalRayletDiedError):
            raise error  # nothing can be run from here any more
        if error is None:
            return self._take(flight.task, future.result())
        if flight.late:
            return self._give_up(flight.task, f"took longer than {self._timeout:g} s")
        flight.deaths += 1
        node_died = isinstance(error, NodeDiedError | ObjectLostError)
        if flight.deaths < (NODES if node_died else TRIES):
            return None
        return self._give_up(flight.task, f"{_reason(error)}, {flight.deaths} times")

    def _take(self, task: Task, answer: _Answer) -> Outcome | None:
        """Bring what came back of a task to the results folder."""
        if answer.machine not in self._machines:
            self._machines.append(answer.machine)
            self._store.measured_on(answer.machine)
        if answer.outcome is None or answer.files is not None:
            self._apart.add(answer.node)
        if answer.files is not None and not isinstance(task, Rehearsal):
            try:
                _bring(self._store, task, answer.files)
            except InputError as error:
                return self._give_up(task, line_of(error))
        return answer.outcome

    def _give_up(self, task: Task, reason: str) -> Outcome:
        if isinstance(task, TrialSpec) and not self._store.trial(task).exists():
            self._store.begin(task)
        return tasks.give_up(self._context, task, reason)

    def _cancel_late(self) -> None:
        """End the tasks whose time is over. It begins when they do, not when Ray gets them."""
        if self._timeout is None:
            return
        for flight in self._running.values():
            begun = self._begun.get(_Begun(flight.task.id, flight.number), math.inf)
            if not flight.late and time.monotonic() - begun > self._timeout:
                flight.late = True
                _cancel(flight)

    def _hear(self) -> None:
        """Listen to what tasks tell. What is lost of it is not missed."""
        while not self._closed.is_set():
            try:
                message = pickle.loads(self._news.get())
            except Exception:  # the queue was ended, or is started again
                self._closed.wait(LOOK)
                continue
            if isinstance(message, _Begun):
                if self._timeout is not None:
                    self._begun[message] = time.monotonic()
            elif not self._closed.is_set():
                self._listen(message)

    def _sweep(self) -> None:
        """Remove the folders of nodes that do not see the results folder, of those that answer."""
        sweep, wants = ray.remote(_remove), {"num_cpus": 0, "max_retries": 0}
        with contextlib.suppress(Exception):
            there = [NodeAffinitySchedulingStrategy(node, soft=False) for node in self._apart]
            done = [sweep.options(scheduling_strategy=node, **wants).remote(self._job.folder) for node in there]
            ray.wait(done, num_returns=len(done), timeout=PATIENCE)


def _connect(address: str, cpus: int) -> None:
    """Connect to a cluster, or start Ray here with so many CPUs. Raises InputError if there is no such cluster."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told of a run
    size = {} if address else {"num_cpus": cpus, "include_dashboard": False}
    before = signal.getsignal(signal.SIGTERM)
    try:
        _check_answers(address)
        ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **size)
    except (OSError, RuntimeError, ValueError, RayError) as error:
        ray.shutdown()
        raise InputError(f"--executor ray{f' --address {address}' if address else ''}: {line_of(error)}") from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # Ray puts its own in its place


def _check_answers(address: str) -> None:
    """Raise OSError if nobody answers at HOST:PORT, for which Ray would wait many minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "/" not in host:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as one:
            one.settimeout(PATIENCE)
            one.connect((host.strip("[]"), int(port)))


def _put_sign(root: Path, word: str) -> Path:
    """Write a file by which a node recognises the results folder."""
    sign = root / f".cluster-{word[:8]}"
    write(sign, lambda path: path.write_text(word, encoding="ascii"))
    return sign


def _cancel(flight: _Flight) -> None:
    with contextlib.suppress(Exception):  # it has just ended, or its node is gone
        ray.cancel(flight.reference, force=True)


def _reason(error: BaseException) -> str:
    """Say in one line why Ray has no answer of a task."""
    if isinstance(error, RayTaskError):
        return line_of(error.cause if isinstance(error.cause, Exception) else error)
    if isinstance(error, OutOfMemoryError):
        return "its process was ended by Ray, as the memory of its node was full"
    if isinstance(error, NodeDiedError | ObjectLostError):
        return "its node died"
    return f"its process died ({type(error).__name__})"


def _bring(store: Store, task: DenseSpec | TrialSpec, files: Mapping[str, bytes]) -> None:
    """Write what a node sent of the folder of a task. Raises InputError for a path that leads out of it."""
    folder = store.folder(task)
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts or "\\" in name or "\0" in name:
            raise InputError(f"a node sent back a file {name!r}, which leads out of its folder")
    if isinstance(task, TrialSpec):
        store.begin(task)
    for name in sorted(files, key=lambda name: (name in LAST, name)):
        write(folder / name, _saving(files[name]))
    store.progress(task).unlink(missing_ok=True)


def _saving(content: bytes) -> Callable[[Path], int]:
    return lambda path: path.write_bytes(content)


# What runs on a node


def _perform(job: _Job, task: Task, number: int, dense: list[Any], news: Any) -> _Answer:
    """Run a task, in the results folder if it is there, else in a folder of this node."""
    news.put_nowait.remote(pickle.dumps(_Begun(task.id, number)))
    tasks.prepare(job.context.threads)
    node = ray.get_runtime_context().get_node_id()

    def tell(event: EpochEvent) -> None:
        # as bytes, which the queue need not understand; nobody waits for its answer
        news.put_nowait.remote(pickle.dumps(event))

    if job.is_shared():
        with contextlib.suppress(OSError):
            os.chdir(job.here)  # paths of a suite are seen from there
        return _Answer(tasks.perform(job.context, task, tell), node, _machine())
    if isinstance(task, TrialSpec) and not dense:
        return _Answer(None, node, _machine())
    outcome, files = _perform_apart(job, task, dense, tell)
    return _Answer(outcome, node, _machine(), files)


def _perform_apart(job: _Job, task: Task, dense: list[Any], tell: Listener) -> tuple[Outcome, dict[str, bytes]]:
    """Run a task in a folder of this node, and return what it wrote. A try that died here left how far it was."""
    context = replace(job.context, results=job.folder / task.id, cache="off")  # which goes with that folder
    if isinstance(task, Rehearsal):
        return tasks.perform(context, task, tell), {}
    job.folder.mkdir(mode=0o700, exist_ok=True)
    store = Store(context.results, context.suite)
    if isinstance(task, TrialSpec):
        for name, content in sorted(ray.get(dense[0]).items()):
            write(store.dense(task.dense) / name, _saving(content))
    outcome = tasks.perform(context, task, tell)
    folder = store.folder(task)
    paths = [path for path in folder.rglob("*") if path.is_file() and path != store.progress(task)]
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    _remove(context.results)
    return outcome, files


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


@cache
def _machine() -> dict[str, str | int]:
    return machine()
