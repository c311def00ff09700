"""Time functions in turns: a slow period of the machine then hits all of them alike, and ratios are stable."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch.utils.benchmark.utils.timer import timer

Function = Callable[[], object]
Times = dict[str, list[float]]


def seconds(function: Function, number: int, warm: int = 0) -> float:
    """Return the mean seconds of `number` calls of a function, after `warm` calls that do not count."""
    for _ in range(warm):
        function()
    begin = timer()  # waits for an accelerator first
    for _ in range(number):
        function()
    return (timer() - begin) / number


def in_turns(
    functions: Mapping[str, Function],
    numbers: Mapping[str, int],
    enough: Callable[[Times], bool],
    warm: int = 0,
) -> Times:
    """Return the seconds per call of each function, by name, one value for each block of calls.

    numbers: calls of a block. enough: whether these times suffice; asked after each round, a block of every function.
    warm: calls before each block that do not count, since another function was called last.
    """
    times: Times = {name: [] for name in functions}
    while not enough(times):
        for name, function in functions.items():
            times[name].append(seconds(function, numbers[name], warm))
    return times
