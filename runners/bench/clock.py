"""Time functions in turns, round by round, so that a slow period of the machine is in both parts of a ratio."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch.utils.benchmark.utils import timer as _timer

Function = Callable[[], object]
Times = dict[str, list[float]]  # seconds of a call, one number a round

timer: Callable[[], float] = _timer.timer  # waits for an accelerator first

BLOCK_SECONDS = 0.002  # of a turn, at least
MOST_CALLS, MOST_ROUNDS = 200, 60  # of a turn, of a contest
SECONDS = 2.0  # a contest that is shorter has more rounds than it was asked for
QUICK = 0.3  # seconds: what takes longer is called once before it is timed, else twice


class Spread(NamedTuple):
    """Median and quartiles over the rounds."""

    value: float
    low: float
    high: float
    repeats: int


def rounds(functions: Mapping[str, Function], repeats: int, before: Function = lambda: None) -> Times:
    """Return the seconds of a call of each function, in `repeats` rounds or more, in each of which all take a turn.

    The order is turned around from round to round. A turn is one call, or as many as fill BLOCK_SECONDS. before: is
    called before each of them, and is not timed. Waits for an accelerator.
    """
    numbers = {name: _calls(function, before) for name, function in functions.items()}
    times: Times = {name: [] for name in functions}
    begin, done = timer(), 0
    while done < repeats or (done < MOST_ROUNDS and timer() - begin < SECONDS):
        for name in list(functions)[:: -1 if done % 2 else 1]:
            times[name].append(sum(once(functions[name], before) for _ in range(numbers[name])) / numbers[name])
        done += 1
    return times


def once(function: Function, before: Function = lambda: None) -> float:
    """Return the seconds of one call."""
    before()
    begin = timer()
    function()
    return timer() - begin


def _calls(function: Function, before: Function) -> int:
    """Return the calls of a turn, after the first calls, which allocate and look for an algorithm."""
    first = once(function, before)
    if first < QUICK:
        first = once(function, before)
    return max(1, min(MOST_CALLS, round(BLOCK_SECONDS / max(first, 1e-9))))


def ratio(times: Times, over: str, under: str) -> Spread:
    """Return the time of one function / that of another, round by round."""
    return spread([a / b for a, b in zip(times[over], times[under], strict=True)])


def spread(values: list[float]) -> Spread:
    """Return median and quartiles of values, at least one."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0], 1)
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high, len(values))
