"""Ratios of times that are taken in turns, round by round."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import NamedTuple

from runners.networks import clock
from runners.networks.clock import Function, Times

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


def rounds(functions: Mapping[str, Function], repeats: int, before: Function | None = None) -> Times:
    """Return the seconds of a call of each function, in `repeats` rounds or more, in each of which all take a turn.

    A turn is one call, or as many as fill BLOCK_SECONDS. before: is called before each of them, and is not timed.
    """
    numbers = {name: _calls(function, before) for name, function in functions.items()}
    begin = clock.timer()

    def enough(times: Times) -> bool:
        done = min(map(len, times.values()))
        return done >= repeats and (done >= MOST_ROUNDS or clock.timer() - begin >= SECONDS)

    return clock.in_turns(functions, numbers, enough, before=before)


def once(function: Function, before: Function | None = None) -> float:
    """Return the seconds of one call."""
    return clock.seconds(function, 1, before=before)


def _calls(function: Function, before: Function | None) -> int:
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
