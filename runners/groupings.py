"""How a network is divided into groups: functions from a network to families, by name.

An entry takes the network and an example batch and returns the `Groups`. The first member of a family is the layer's
weight; only parameters that produce a group's output are members; the output layer is never divided. How the zeros
become a smaller network is said in `runners.compaction`; a grouping that it does not know keeps them in place.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from methods.groups import Family, Groups
from runners.registry import Registry
from runners.wiring import Layer, layers

Divide = Callable[[nn.Module, Tensor], Groups]

GROUPINGS: Registry[Divide] = Registry("grouping")


@GROUPINGS.register("filter")
def filters(network: nn.Module, example: Tensor) -> Groups:
    """Filters and neurons: weight row, bias, and the batch norm's scale and shift behind it; removed for real."""
    return Groups([Family(layer.name, _row(layer)) for layer in layers(network, example)[:-1]])


@GROUPINGS.register("element")
def elements(network: nn.Module, example: Tensor) -> Groups:
    """Single weights (unstructured pruning); biases are left alone, zeros stay in place."""
    return Groups([Family(n.name, [_every(n.module.weight)]) for n in layers(network, example)[:-1]])


def _every(weight: Tensor) -> tuple[Tensor, tuple[int, ...]]:
    return weight, tuple(range(weight.dim()))


def _row(layer: Layer) -> list[tuple[Tensor, tuple[int, ...]]]:
    """All that makes up one output of a layer: with these at zero, the output is exactly zero."""
    owners = [layer.module, *([layer.norm] if layer.norm is not None else [])]
    tensors = [t for owner in owners for t in (owner.weight, owner.bias)]
    return [(t, (0,)) for t in tensors if isinstance(t, Tensor)]
