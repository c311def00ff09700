"""Run tasks in several processes of this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection
from multiprocessing.connection import Listener as Connections
from pickle import UnpicklingError
from typing import Any, NamedTuple

from pebble import ProcessExpired, ProcessPool

from runners import environment, tasks
from runners.tasks import EpochEvent, Listener, Outcome, RunContext, Task

TRIES = 2  # of a task whose process dies


class _Place(NamedTuple):
    """A pool of processes, and what tasks that run there are told."""

    context: RunContext
    pool: ProcessPool


class Processes:
    """Run tasks in processes. A task whose process dies is tried once more in a new one."""

    def __init__(self, contexts: Sequence[RunContext], jobs: int, address: str, timeout: float | None) -> None:
        """Make room for `jobs` tasks in each context. Processes start with the first task.

        address: where the news of workers are heard. timeout: seconds after which a task has failed.
        """
        self._timeout = timeout
        spawn = multiprocessing.get_context("spawn")
        self._places = [
            _Place(c, ProcessPool(jobs, initializer=_begin_worker, initargs=(c.threads, address), context=spawn))
            for c in contexts
        ]
        self._free = self._places * jobs

    def run(self, todo: Iterable[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Run tasks, and yield them as they end."""
        source, tries = iter(todo), Counter[str]()
        running: dict[Future[Outcome], tuple[Task, _Place]] = {}
        while True:
            while self._free and (task := next(source, None)) is not None:
                place = self._free.pop(0)
                running[self._submit(task, place)] = task, place
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task, place = running.pop(future)
                tries[task.id] += 1
                error = future.exception()
                if isinstance(error, ProcessExpired) and tries[task.id] < TRIES:
                    running[self._submit(task, place)] = task, place
                    continue
                self._free.append(place)
                if isinstance(error, ProcessExpired | TimeoutError):
                    yield task, tasks.give_up(place.context, task, self._ended(error))
                else:
                    yield task, future.result()

    def _submit(self, task: Task, place: _Place) -> Future[Outcome]:
        future: Future[Outcome] = place.pool.schedule(_perform_in_worker, (place.context, task), timeout=self._timeout)
        return future

    def _ended(self, error: BaseException) -> str:
        """Say why a process ended that was to run a task."""
        if not isinstance(error, ProcessExpired):
            return f"took longer than {self._timeout:g} s"
        if error.exitcode >= 0:
            return f"its process ended with exit code {error.exitcode}, {TRIES} times"
        hint = ", perhaps out of memory" if -error.exitcode == signal.SIGKILL else ""
        return f"its process was killed by signal {-error.exitcode}{hint}, {TRIES} times"

    def close(self) -> None:
        """End all processes, whatever they do."""
        for place in self._places:
            place.pool.stop()  # type: ignore[no-untyped-call]
        for place in self._places:
            place.pool.join()


@contextlib.contextmanager
def news(listen: Listener) -> Iterator[str]:
    """Listen to what workers send to an address, each by a connection of its own, so that none can block another."""
    lock = threading.Lock()

    def hear(connection: Connection) -> None:
        with contextlib.suppress(EOFError, OSError, UnpicklingError):  # the worker has ended, perhaps within a message
            while True:
                event = connection.recv()
                with lock:
                    listen(event)

    def accept() -> None:
        while True:
            try:
                connection = listener.accept()
            except (OSError, EOFError, AuthenticationError):
                if closed.is_set():
                    return
                continue
            threading.Thread(target=hear, args=(connection,), daemon=True).start()

    closed = threading.Event()
    with Connections(authkey=multiprocessing.current_process().authkey) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield str(listener.address)
        finally:
            closed.set()


_main_process: Any = None  # of a worker: the connection to the main process


def _begin_worker(threads: int, address: str) -> None:
    global _main_process
    _main_process = Client(address, authkey=multiprocessing.current_process().authkey)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process handles Ctrl-C, and ends its workers
    environment.die_with_main_process()
    tasks.prepare(threads)


def _perform_in_worker(context: RunContext, task: Task) -> Outcome:
    return tasks.perform(context, task, _tell)


def _tell(event: EpochEvent) -> None:
    """Tell the main process of an epoch; end where it is gone, which is no fault of the task."""
    try:
        _main_process.send(event)
    except OSError:
        os._exit(1)
