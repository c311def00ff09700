"""Which replacement of a layer is worth it on this device: they are timed, and a clear win is asked for."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.utils.benchmark.utils.timer import timer

MASKED = "masked"

# A replacement must be faster by this share. Layers whose times are that near are not worth the change, and what is
# chosen varies less from run to run.
MARGIN = 0.1
AGREEMENT = 1e-5  # of the largest output, or of 1: a tenth of what the gate for the whole network allows

BLOCK_SECONDS = 0.0005
LEAST_ROUNDS, MOST_ROUNDS, MOST_SECONDS = 3, 9, 0.04
HOPELESS = 1.5  # what takes so many times as long as the fastest one when first called is not timed again

Clock = Callable[[Mapping[str, Callable[[], object]]], dict[str, float]]


def time_interleaved(functions: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Return median seconds of a call of each, taken in turns, so that a slow spell of the machine hits all.

    The slowest ones are called but a few times: see HOPELESS.
    """
    for function in functions.values():
        function()  # the first call allocates, and looks for an algorithm
    first = {name: min(_seconds(f, 1) for _ in range(2)) for name, f in functions.items()}
    fastest = min(first.values())
    contest = {name: f for name, f in functions.items() if first[name] <= HOPELESS * fastest}
    numbers = {name: max(1, round(BLOCK_SECONDS / max(first[name], 1e-7))) for name in contest}
    times: dict[str, list[float]] = {name: [] for name in contest}
    spent = 0.0
    for done in range(MOST_ROUNDS):
        if done >= LEAST_ROUNDS and spent > MOST_SECONDS:
            break
        for name, function in contest.items():
            times[name].append(_seconds(function, numbers[name]))
            spent += times[name][-1] * numbers[name]
    return first | {name: statistics.median(values) for name, values in times.items()}


def _seconds(function: Callable[[], object], number: int) -> float:
    begin = timer()  # waits for an accelerator first
    for _ in range(number):
        function()
    return (timer() - begin) / number


def choose_fastest(
    layer: nn.Module,
    candidates: Mapping[str, nn.Module],
    values: Tensor,
    clock: Clock = time_interleaved,
    margin: float = MARGIN,
) -> str:
    """Return the name of the candidate to take, or `masked` where none is clearly faster than the layer itself.

    candidates: simplest first; a later one must be faster by the margin than the best before it. Those that do not
    agree with the layer, or that the device cannot run, are passed over. values: the input of the layer.
    """
    contest = {MASKED: layer} | {name: c for name, c in candidates.items() if agrees(layer, c, values[:1])}
    if len(contest) == 1:
        return MASKED
    with torch.inference_mode():
        seconds = clock({name: _call(module, values) for name, module in contest.items()})
    best = MASKED
    for name in contest:
        if seconds[name] <= (1 - margin) * seconds[best]:
            best = name
    return best


def _call(module: nn.Module, values: Tensor) -> Callable[[], object]:
    return lambda: module(values)


@torch.no_grad()
def agrees(layer: nn.Module, candidate: nn.Module, values: Tensor) -> bool:
    """Whether a candidate computes what the layer does, to AGREEMENT. The layer is evaluated in float64 on the CPU.

    So a candidate that rounds to TF32 fails, however the convolutions of the device round. False as well where the
    candidate cannot be run: torch has sparse products for some sizes, types and devices alone.
    """
    expected = copy.deepcopy(layer).cpu().double()(values.cpu().double())
    try:
        found = candidate(values)
    except (RuntimeError, NotImplementedError):
        return False
    scale = max(1.0, float(expected.abs().max()))
    return float((found.cpu().double() - expected).abs().max()) <= AGREEMENT * scale
