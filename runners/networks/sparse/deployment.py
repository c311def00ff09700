"""Replace the layers of a masked network by sparse layers that are faster."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from runners.networks.sparse.autotuning import MASKED, Clock, choose_fastest, time_interleaved
from runners.networks.sparse.candidates import DENSEST, candidates
from runners.networks.sparse.description import put

# The whole network must be faster by this share to be changed; large, so that a second run on the same machine rarely
# decides otherwise.
WHOLE_MARGIN = 0.15


def deploy(
    network: nn.Module,
    names: Sequence[str],
    example: Tensor,
    *,
    kind: str | None = None,
    clock: Clock = time_interleaved,
) -> tuple[nn.Module, str]:
    """Return a copy with faster replacements of its masked layers, and the kinds of layers in use.

    The kinds are `positions`, `csr`, `bsr`, `semi_structured` and `masked` (not replaced), each once, in alphabetical
    order, joined by `+`.
    names: the layers to consider; modules other than convolutions and linear layers are never replaced.
    example: a batch on the device, of the size to time with. The inputs of all these layers are kept in memory.
    kind: use this kind for every layer whose zeros allow it, without timing.
    clock: times functions.

    If the network is not faster as a whole, no layer is replaced: `masked`. The choice may differ from run to run if
    times differ by about the margin.
    """
    seen = inputs_of(network, names, example)  # without layers that are never called (only their weights are used)
    found = {name: candidates(network.get_submodule(name), DENSEST if kind is None else 1) for name in seen}
    if kind is None:
        chosen = _fastest(network, found, seen, clock)
    else:
        chosen = {name: kind for name, possible in found.items() if kind in possible}
    deployed = _replaced(network, {name: found[name][word] for name, word in chosen.items()})
    if kind is None and chosen and not _faster(network, deployed, example, clock):
        return copy.deepcopy(network), MASKED
    return deployed, "+".join(sorted({chosen.get(name, MASKED) for name in names} or {MASKED}))


def _fastest(
    network: nn.Module, found: Mapping[str, Mapping[str, nn.Module]], seen: Mapping[str, Tensor], clock: Clock
) -> dict[str, str]:
    """Return the kinds of the chosen replacements, by the names of the layers."""
    words = {n: choose_fastest(network.get_submodule(n), found[n], values, clock) for n, values in seen.items()}
    return {name: word for name, word in words.items() if word != MASKED}


def _replaced(network: nn.Module, layers: Mapping[str, nn.Module]) -> nn.Module:
    network = copy.deepcopy(network)
    for name, layer in layers.items():
        network = put(network, name, layer)
    return network


def _faster(network: nn.Module, deployed: nn.Module, example: Tensor, clock: Clock) -> bool:
    """Return whether the network is faster as a whole: an output in another layout may slow the next layer down."""
    with torch.inference_mode(), _evaluating(network), _evaluating(deployed):
        seconds = clock({MASKED: lambda: network(example), "deployed": lambda: deployed(example)})
    return seconds["deployed"] <= (1 - WHOLE_MARGIN) * seconds[MASKED]


@torch.no_grad()
def inputs_of(network: nn.Module, names: Sequence[str], example: Tensor) -> dict[str, Tensor]:
    """Return the input of each of these layers at its first call in evaluation mode; the network is unchanged."""
    seen: dict[str, Tensor] = {}
    with _evaluating(network):
        hooks = [network.get_submodule(name).register_forward_pre_hook(_keeper(name, seen)) for name in names]
        try:
            network(example)
        finally:
            for hook in hooks:
                hook.remove()
    return seen


def _keeper(name: str, seen: dict[str, Tensor]) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    def keep(_: nn.Module, values: tuple[Tensor, ...]) -> None:
        seen.setdefault(name, values[0])

    return keep


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
