"""Run many tasks: in this process, in several, or by Ray. All are one interface; what is done is `runners.tasks`.

An executor takes the next task when it has room for it, so that what is taken is what runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from results.errors import InputError
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

    timeout: seconds after which a task has failed, which takes a process of its own. cluster: the address of a Ray
    cluster, whose nodes then say how many run at a time; "" for Ray on this machine; None: no Ray.
    """

    devices: Sequence[str]
    jobs: int = 1
    timeout: float | None = None
    cluster: str | None = None

    def at_most(self, tasks: int) -> Slots:
        """Return as many slots as there are tasks, devices first."""
        jobs = max(1, min(self.jobs, -(-tasks // len(self.devices))))
        return replace(self, devices=self.devices[: max(1, tasks)], jobs=jobs)

    @property
    def number(self) -> int:
        """How many tasks run at a time."""
        return self.jobs * len(self.devices)


@contextlib.contextmanager
def executor(context: RunContext, slots: Slots, listen: Listener) -> Iterator[Executor]:
    """Provide a way to run tasks, in this process if one is enough. listen: hears of every epoch.

    Raises InputError if Ray is wanted and not installed, or its cluster is not there.
    """
    if slots.cluster is not None:
        try:
            from runners.executors.ray_cluster import RayCluster
        except ModuleNotFoundError:
            raise InputError("--executor ray needs ray: pip install '.[cluster]'") from None
        place = context.on(slots.devices[0])
        with contextlib.closing(
            RayCluster(place, slots.cluster, slots.jobs, slots.number, listen, slots.timeout)
        ) as cluster:
            yield cluster
    elif slots.number == 1 and slots.timeout is None:
        yield InProcess(context.on(slots.devices[0]), listen)
    else:
        contexts = [context.on(device) for device in slots.devices]
        with news(listen) as address:
            processes = Processes(contexts, slots.jobs, address, slots.timeout)
            with contextlib.closing(processes):
                yield processes
