"""Find where the values of a smaller network come from: number those of a copy, remove, and read the numbers."""

from __future__ import annotations

import copy
from bisect import bisect_right
from typing import NamedTuple

import torch
from torch import Tensor, nn

from runners.networks.compaction import Realised


class Origin(NamedTuple):
    """A tensor of the whole network, and the positions (int64, any shape) of values in it, as if it were flat."""

    name: str
    positions: Tensor


def origins(network: nn.Module, realised: Realised) -> dict[str, Origin] | None:
    """Return the origin of every parameter and buffer of floating-point numbers of a pruned network, by its name.

    None if a parameter has no origin, or several. A buffer without one, which a layer got in the removal, is left out.
    """
    names, first, following = list[str](), list[int](), 0
    numbered: dict[int, Tensor] = {}
    for name, tensor in tensors_of(network).items():
        count = tensor.numel()
        numbers = torch.arange(following, following + count, device=tensor.device).view(tensor.shape)
        held = isinstance(tensor, nn.Parameter)
        numbered[id(tensor)] = nn.Parameter(numbers, requires_grad=False) if held else numbers
        names.append(name)
        first.append(following)
        following += count
    values = dict(_named(realised.removal.of(copy.deepcopy(network, numbered))))
    found = {}
    for name, tensor in tensors_of(realised.network).items():
        origin = _origin(values.get(name), names, first, following)
        if origin is not None:
            found[name] = origin
        elif isinstance(tensor, nn.Parameter):
            return None
    return found


def tensors_of(network: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers of floating-point numbers by name, each once."""
    return {name: tensor for name, tensor in _named(network) if tensor.is_floating_point()}


def _named(network: nn.Module) -> list[tuple[str, Tensor]]:
    return [*network.named_parameters(), *network.named_buffers()]


def _origin(numbers: Tensor | None, names: list[str], first: list[int], following: int) -> Origin | None:
    if numbers is None or numbers.is_floating_point() or not numbers.numel():
        return None
    place = bisect_right(first, int(numbers.min())) - 1
    end = [*first, following][place + 1]
    return Origin(names[place], numbers.detach() - first[place]) if int(numbers.max()) < end else None
