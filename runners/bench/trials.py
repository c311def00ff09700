"""Run a trial as a suite does, in a temporary folder, and take the time of its parts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

from torch import nn

from results.columns import Trial
from runners import measurement, tasks
from runners.bench.rows import THREADS
from runners.networks import clock
from runners.spec import TrialSpec
from runners.store import Store
from runners.tasks import RunContext

SUITE = "bench"


class Trials:
    """A folder of trials that share a dense network."""

    def __init__(self, folder: Path) -> None:
        """folder: of the results."""
        self._context = RunContext(folder, SUITE, "cpu", THREADS)
        self._store = Store(folder, SUITE)

    def dense(self, spec: TrialSpec) -> None:
        """Train the dense network of a trial. Raises RuntimeError if that fails."""
        self._perform(spec.dense)

    def keep_dense(self, spec: TrialSpec, network: nn.Module) -> None:
        """Take this network for the dense one of a trial."""
        self._store.save_dense(spec.dense, network, {"val_top1": 0.0, "test_top1": 0.0, "epochs": []})

    def run(self, spec: TrialSpec) -> Trial:
        """Run a trial from its beginning, and return its row. Raises RuntimeError without one."""
        self._perform(spec)
        row = self._store.row(spec)
        if row is None or row.train_seconds is None:
            raise RuntimeError(f"{spec.method} has no row: {'' if row is None else row.reason}")
        return row

    def _perform(self, task: Any) -> None:
        outcome = tasks.perform(self._context, task, lambda event: None)
        if outcome.status != "done" and not str(outcome.reason).startswith("collapsed"):
            raise RuntimeError(f"a trial ended as {outcome.status}: {outcome.reason}")


@contextlib.contextmanager
def few_latencies() -> Iterator[None]:
    """Take the latencies of a trial in as few passes as there can be: here they are not what is measured."""
    with (
        patch.object(measurement, "LEAST_REPEATS", 2),
        patch.object(measurement, "MOST_REPEATS", 2),
        patch.object(measurement, "BLOCK_SECONDS", 1e-4),
    ):
        yield


@contextlib.contextmanager
def apart(module: ModuleType, name: str) -> Iterator[list[float]]:
    """Take the seconds of each call of a function that a module calls by this name, to tell them from the rest."""
    seconds: list[float] = []
    function = getattr(module, name)

    def timed(*arguments: Any, **options: Any) -> Any:
        begin = clock.timer()
        try:
            return function(*arguments, **options)
        finally:
            seconds.append(clock.timer() - begin)

    with patch.object(module, name, timed):
        yield seconds


def spec_of(method: str, architecture: str, dataset: str, recipe: dict[str, Any], **more: Any) -> TrialSpec:
    """Return the spec of a trial."""
    given = {"method": method, "architecture": architecture, "dataset": dataset, "recipe": recipe, "seed": 0}
    return TrialSpec.model_validate({"keep": 0.5} | given | more)
