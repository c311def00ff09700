"""A masked network with its layers replaced by what is faster."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from runners.sparse.autotuning import MASKED, Clock, choose_fastest, time_interleaved
from runners.sparse.candidates import DENSEST, candidates
from runners.sparse.description import put

# What the network as a whole must gain to be changed at all, as a share of its time: wide, so that a second run on the
# same machine rarely decides otherwise.
WHOLE_MARGIN = 0.15


def deploy(
    network: nn.Module,
    names: Sequence[str],
    example: Tensor,
    *,
    kind: str | None = None,
    clock: Clock = time_interleaved,
) -> tuple[nn.Module, str]:
    """Return a copy with the faster of the masked layers' replacements, and the words for them.

    The words are `positions`, `csr`, `bsr`, `semi_structured` and `masked` (left as it is), each once, in alphabetical
    order, joined by `+`.
    names: the layers to look at; what is no convolution or linear layer is left as it is.
    example: a batch on the device, of the size that the layers are timed with. What every layer reads is kept for it.
    kind: replace by this kind wherever the zeros allow it, and time nothing.
    clock: how to time.

    A network that is not faster as a whole is left as it is: `masked`. Which replacement is the fastest may differ
    from run to run where times are about the margin apart.
    """
    seen = inputs_of(network, names, example)  # a layer that is never called itself, its weight alone used, must stay
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
    """Return the words of the layers for which a replacement is worth it, by name."""
    words = {n: choose_fastest(network.get_submodule(n), found[n], values, clock) for n, values in seen.items()}
    return {name: word for name, word in words.items() if word != MASKED}


def _replaced(network: nn.Module, layers: Mapping[str, nn.Module]) -> nn.Module:
    network = copy.deepcopy(network)
    for name, layer in layers.items():
        network = put(network, name, layer)
    return network


def _faster(network: nn.Module, deployed: nn.Module, example: Tensor, clock: Clock) -> bool:
    """Whether a network is faster as a whole: layers that hand on another layout may cost their neighbours time."""
    with torch.inference_mode(), _evaluating(network), _evaluating(deployed):
        seconds = clock({MASKED: lambda: network(example), "deployed": lambda: deployed(example)})
    return seconds["deployed"] <= (1 - WHOLE_MARGIN) * seconds[MASKED]


@torch.no_grad()
def inputs_of(network: nn.Module, names: Sequence[str], example: Tensor) -> dict[str, Tensor]:
    """Return what each of these layers reads in evaluation mode, when first called; the network is left as it was."""
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
