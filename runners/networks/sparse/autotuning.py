"""Autotuning: time the replacements of a layer on this device, and choose one if it is clearly faster."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from runners.networks.clock import Times, in_turns, seconds

MASKED = "masked"

# A replacement must be faster by this share: a smaller gain is not worth the change, and the choice varies less from
# run to run.
MARGIN = 0.1
AGREEMENT = 1e-5  # relative to the largest output, or to 1: a tenth of the tolerance for the whole network

BLOCK_SECONDS = 0.0005
LEAST_ROUNDS, MOST_ROUNDS, MOST_SECONDS = 3, 9, 0.04
TOO_SLOW = 1.5  # functions whose first time is more than this multiple of the fastest are not timed again

Clock = Callable[[Mapping[str, Callable[[], object]]], dict[str, float]]


def time_interleaved(functions: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median seconds of a call of each function, timed in turns: slow periods of the machine hit all.

    Functions that are TOO_SLOW are called only a few times.
    """
    for function in functions.values():
        function()  # the first call allocates, and searches for an algorithm
    first = {name: min(seconds(f, 1) for _ in range(2)) for name, f in functions.items()}
    fastest = min(first.values())
    contest = {name: f for name, f in functions.items() if first[name] <= TOO_SLOW * fastest}
    numbers = {name: max(1, round(BLOCK_SECONDS / max(first[name], 1e-7))) for name in contest}

    def enough(times: Times) -> bool:
        rounds = len(next(iter(times.values())))
        spent = sum(numbers[name] * sum(values) for name, values in times.items())
        return rounds >= MOST_ROUNDS or (rounds >= LEAST_ROUNDS and spent > MOST_SECONDS)

    return first | {name: statistics.median(v) for name, v in in_turns(contest, numbers, enough).items()}


def choose_fastest(
    layer: nn.Module,
    candidates: Mapping[str, nn.Module],
    values: Tensor,
    clock: Clock = time_interleaved,
    margin: float = MARGIN,
) -> str:
    """Return the name of the best candidate, or `masked` if none is clearly faster than the layer itself.

    candidates: simplest first; each must be faster by the margin than the best before it. Candidates that do not agree
    with the layer, or that the device cannot run, are skipped. values: the input of the layer.
    """
    contest = {MASKED: layer} | {name: c for name, c in candidates.items() if agrees(layer, c, values[:1])}
    if len(contest) == 1:
        return MASKED
    with torch.inference_mode():
        times = clock({name: _call(module, values) for name, module in contest.items()})
    best = MASKED
    for name in contest:
        if times[name] <= (1 - margin) * times[best]:
            best = name
    return best


def _call(module: nn.Module, values: Tensor) -> Callable[[], object]:
    return lambda: module(values)


@torch.no_grad()
def agrees(layer: nn.Module, candidate: nn.Module, values: Tensor) -> bool:
    """Return whether the outputs of a candidate and of the layer agree to AGREEMENT.

    The layer is evaluated in float64 on the CPU, so that a candidate that rounds to TF32 fails on every device. False
    if the candidate cannot run: torch supports sparse products for some sizes, types and devices only.
    """
    expected = copy.deepcopy(layer).cpu().double()(values.cpu().double())
    try:
        found = candidate(values)
    except (RuntimeError, NotImplementedError):
        return False
    scale = max(1.0, float(expected.abs().max()))
    return float((found.cpu().double() - expected).abs().max()) <= AGREEMENT * scale
