"""Run many tasks, in this process or in several. Both are one interface; what is done is `runners.tasks`."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection
from multiprocessing.connection import Listener as Connections
from pickle import UnpicklingError
from typing import Any, Protocol

from pebble import ProcessExpired, ProcessPool

from runners import environment, tasks
from runners.tasks import Listener, Outcome, RunContext, Task

TRIES = 2  # of a task whose process dies


class Executor(Protocol):
    """A way to run tasks."""

    def run(self, todo: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Run tasks that do not depend on each other, and yield each with its outcome as it ends."""


@contextlib.contextmanager
def executor(context: RunContext, jobs: int, listen: Listener, timeout: float | None = None) -> Iterator[Executor]:
    """Provide a way to run tasks, `jobs` at a time: in this process, or several.

    listen: hears of every epoch. timeout: seconds after which a task has failed, which takes a process of its own.
    """
    if jobs == 1 and timeout is None:
        yield InProcess(context, listen)
    else:
        with _news(listen) as address, contextlib.closing(Processes(context, jobs, address, timeout)) as processes:
            yield processes


class InProcess:
    """Run tasks here, one after the other: the death of one is the end of all."""

    def __init__(self, context: RunContext, listen: Listener) -> None:
        """Prepare torch."""
        self._context, self._listen = context, listen
        tasks.prepare(context.threads)

    def run(self, todo: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Run tasks in their order."""
        for task in todo:
            yield task, tasks.perform(self._context, task, self._listen)


class Processes:
    """Run tasks in processes. A task whose process dies is tried once more in a new one."""

    def __init__(self, context: RunContext, jobs: int, address: str, timeout: float | None) -> None:
        """address: where the news of workers are heard. Processes start with the first task."""
        self._context, self._timeout = context, timeout
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPool(jobs, initializer=_begin_worker, initargs=(context.threads, address), context=spawn)

    def run(self, todo: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Run tasks, and yield them as they end."""
        tries = Counter[str]()
        waiting: dict[Future[Outcome], Task] = {self._submit(task): task for task in todo}
        while waiting:
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                task = waiting.pop(future)
                tries[task.id] += 1
                error = future.exception()
                if isinstance(error, ProcessExpired) and tries[task.id] < TRIES:
                    waiting[self._submit(task)] = task
                elif isinstance(error, ProcessExpired | TimeoutError):
                    yield task, tasks.give_up(self._context, task, self._ended(error))
                else:
                    yield task, future.result()

    def _submit(self, task: Task) -> Future[Outcome]:
        return self._pool.schedule(_perform_in_worker, (self._context, task), timeout=self._timeout)

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
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()


@contextlib.contextmanager
def _news(listen: Listener) -> Iterator[str]:
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
    return tasks.perform(context, task, _main_process.send)
