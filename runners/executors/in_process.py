"""Run tasks in this process, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from runners import tasks
from runners.tasks import Listener, Outcome, RunContext, Task


class InProcess:
    """Run tasks here, one after the other: the death of one is the end of all."""

    def __init__(self, context: RunContext, listen: Listener) -> None:
        """Prepare torch."""
        self._context, self._listen = context, listen
        tasks.prepare(context.threads)

    def run(self, todo: Iterable[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Run tasks in their order."""
        for task in todo:
            yield task, tasks.perform(self._context, task, self._listen)
