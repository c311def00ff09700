"""Time functions in turns: a slow period of the machine then hits all of them alike, and ratios are stable."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch.utils.benchmark.utils import timer as _timer

Function = Callable[[], object]
Times = dict[str, list[float]]  # seconds of a call, one number a block

timer: Callable[[], float] = _timer.timer  # waits for an accelerator first


def seconds(function: Function, number: int, warm: int = 0, before: Function | None = None) -> float:
    """Return the mean seconds of `number` calls of a function, after `warm` calls that do not count.

    before: is called before each call, and is not timed.
    """
    for _ in range(warm):
        function()
    if before is not None:
        return sum(_once(function, before) for _ in range(number)) / number
    begin = timer()
    for _ in range(number):
        function()
    return (timer() - begin) / number


def _once(function: Function, before: Function) -> float:
    before()
    begin = timer()
    function()
    return timer() - begin


def in_turns(
    functions: Mapping[str, Function],
    numbers: Mapping[str, int],
    enough: Callable[[Times], bool],
    warm: int = 0,
    before: Function | None = None,
) -> Times:
    """Return the seconds per call of each function, by name, one value for each block of calls.

    numbers: calls of a block. enough: whether these times suffice; asked after each round, a block of every function.
    The order is turned around from round to round, so that none always follows the same. warm: calls before each block
    that do not count, since another function was called last. before: is called before each call, and is not timed.
    """
    times: Times = {name: [] for name in functions}
    order = list(functions)
    while not enough(times):
        for name in order:
            times[name].append(seconds(functions[name], numbers[name], warm, before))
        order.reverse()
    return times
