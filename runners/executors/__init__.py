"""Run many tasks: in this process, or in several. All are one interface; what is done is `runners.tasks`.

An executor takes the next task when it has room for it, so that what is taken is what runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from runners.executors.in_process import InProcess
from runners.executors.processes import Processes, news
from runners.tasks import Listener, Outcome, RunContext, Task


class Executor(Protocol):
    """A way to run tasks."""

    def run(self, todo: Iterable[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Run tasks that do not depend on each other, and yield each with its outcome as it ends."""


@dataclass(frozen=True)
class Slots:
    """Where tasks run at a time: `jobs` on each of these devices.

    timeout: seconds after which a task has failed, which takes a process of its own.
    """

    devices: Sequence[str]
    jobs: int = 1
    timeout: float | None = None

    def at_most(self, tasks: int) -> Slots:
        """Return as many slots as there are tasks, devices first."""
        jobs = max(1, min(self.jobs, -(-tasks // len(self.devices))))
        return Slots(self.devices[: max(1, tasks)], jobs, self.timeout)

    @property
    def number(self) -> int:
        """How many tasks run at a time."""
        return self.jobs * len(self.devices)


@contextlib.contextmanager
def executor(context: RunContext, slots: Slots, listen: Listener) -> Iterator[Executor]:
    """Provide a way to run tasks, in this process if one is enough. listen: hears of every epoch."""
    if slots.number == 1 and slots.timeout is None:
        yield InProcess(context.on(slots.devices[0]), listen)
    else:
        contexts = [context.on(device) for device in slots.devices]
        with news(listen) as address:
            processes = Processes(contexts, slots.jobs, address, slots.timeout)
            with contextlib.closing(processes):
                yield processes
