"""Show how far a run is: one bar over the trials; without a terminal, a line every minute."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from tqdm import tqdm

from runners.spec import TrialSpec
from runners.store import Store
from runners.tasks import EpochEvent, Outcome, Task


class Progress:
    """What is shown of a run, which it tells what happens."""

    def __init__(self, bar: tqdm[NoReturn]) -> None:
        """bar: over the trials."""
        self._bar = bar

    def epoch(self, event: EpochEvent) -> None:
        """Hear of an epoch of a task, in any process of this run. May be called from another thread."""
        epoch, task = event.epoch, event.task
        method = task.method if isinstance(task, TrialSpec) else "dense network"
        name = f"{method} {task.architecture} {task.dataset} seed {task.seed}"
        self._bar.set_description_str(name, refresh=False)
        text = f"{epoch.phase} epoch {epoch.epoch} accuracy {100 * epoch.val_top1:.2f} %"
        self._bar.set_postfix_str(text, refresh=sys.stderr.isatty())

    def ended(self, task: Task, outcome: Outcome) -> None:
        """Hear of the end of a dense network, or of a trial, by this run or another."""
        self._bar.update(isinstance(task, TrialSpec))
        if outcome.status == "failed":
            what = "trial" if isinstance(task, TrialSpec) else "dense network"
            self._bar.write(f"{what} {task.id} failed: {outcome.reason}", file=sys.stderr)


@contextmanager
def shown(store: Store, pending: Sequence[TrialSpec], jobs: int) -> Iterator[Progress]:
    """Show the progress of the trials that are to be run, `jobs` at a time."""
    interval = 0.1 if sys.stderr.isatty() else 60
    with tqdm(total=len(pending), unit="trial", mininterval=interval) as bar:
        yield Progress(bar)
