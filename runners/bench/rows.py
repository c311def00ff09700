"""The registry of what is measured, and how much of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from results.errors import line_of
from results.performance import Row
from runners.bench.clock import Spread
from runners.tasks import prepare

THREADS = 1  # as `klevel run` gives each trial


@dataclass(frozen=True)
class Form:
    """How much is measured.

    full: also what takes minutes. repeats: rounds, at least. batch: images of a training step. images: of an epoch.
    of_trial: images of an epoch of a whole trial. weights: numbers of single weights. norms: group norms that are
    sorted. epochs: of sparsify and of fine-tune.
    """

    full: bool = False
    repeats: int = 5
    batch: int = 128
    images: int = 512
    of_trial: int = 8192
    weights: tuple[int, ...] = (100_000, 1_000_000)
    norms: int = 1_000_000
    epochs: tuple[int, int] = (8, 3)


SHORT = Form()
FULL = Form(full=True, images=1280, weights=(100_000, 1_000_000, 10_000_000), norms=10_000_000)

Measure = Callable[[Form], Iterator[Row]]


@dataclass(frozen=True)
class Group:
    """A group of rows: its name, a line of help, and the function that measures it."""

    name: str
    help: str
    measure: Measure


GROUPS: dict[str, Group] = {}


def group(name: str) -> Callable[[Measure], Measure]:
    """Put a function into GROUPS under this name; the first line of its docstring is its help."""

    def add(function: Measure) -> Measure:
        GROUPS[name] = Group(name, (function.__doc__ or "").split("\n")[0], function)
        return function

    return add


def row(group: str, name: str, measures: str, found: Spread, target: float | None = None, unit: str = "ratio") -> Row:
    """Return the row of a measured value."""
    return Row(group, name, measures, unit, found.value, found.low, found.high, found.repeats, target)


def measure(form: Form, groups: Sequence[Group], listen: Callable[[Row], None] = lambda row: None) -> list[Row]:
    """Measure groups of rows in this process, with one thread, and return them. listen: hears of each.

    A group that raises ends with a row that says why; where a package is not installed, that is no fault.
    """
    found = []
    with as_a_trial():
        for one in groups:
            for each in _guarded(one, form):
                found.append(each)
                listen(each)
    return found


@contextlib.contextmanager
def as_a_trial() -> Iterator[None]:
    """Set up torch as a trial has it, with one thread, and restore what it was before."""
    threads, rules = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    try:
        prepare(THREADS)
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(rules, warn_only=True)


def _guarded(group: Group, form: Form) -> Iterator[Row]:
    try:
        yield from group.measure(form)
    except ModuleNotFoundError as error:
        yield Row(group.name, "the rest", group.help, reason=f"needs {error.name}, which is not installed")
    except Exception as error:  # whatever it is: the other groups are measured
        yield Row(group.name, "the rest", group.help, reason=line_of(error), failed=True)
