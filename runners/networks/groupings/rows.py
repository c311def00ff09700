"""Groupings by the outputs of a layer: filters of a convolution, neurons of a linear layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from methods.groups import Family, Groups
from methods.members import Member
from results.errors import Untraceable
from runners.networks.compaction.dependencies import Component, components
from runners.networks.graph.layers import TracedLayer, trace_layers
from runners.networks.groupings import GROUPINGS


@GROUPINGS.register("filter")
def filters(network: nn.Module, example: Tensor) -> Groups:
    """Filters and neurons: weight row, bias, and per-channel layers after it (batch norm, depthwise convolution)."""
    return Groups(_families(network, example))


@GROUPINGS.register("neuron")
def neurons(network: nn.Module, example: Tensor) -> Groups:
    """Neurons of the hidden linear layers whose outputs are not added to others: weight row and bias."""
    found = _alone(network, example)
    return Groups([Family(n, _all_of(c)) for n, c in found.items() if isinstance(c.layer, nn.Linear)])


def _families(network: nn.Module, example: Tensor) -> list[Family]:
    alone = _alone(network, example)
    followers = {id(item.owner) for name, c in alone.items() for item in c.producers if item.owner is not c.layer}
    return [
        Family(layer.name, _all_of(alone[layer.name]) if layer.name in alone else _row(layer))
        for layer in trace_layers(network, example)[:-1]
        if id(layer.module) not in followers
    ]


def _alone(network: nn.Module, example: Tensor) -> dict[str, Component]:
    """Return the components with a single producing layer, by its name: nothing else is added to its channels."""
    try:
        return {c.name: c for c in components(network, example) if c.removable and len(c.channel_mixing) == 1}
    except Untraceable:
        return {}


def _all_of(component: Component) -> list[Member]:
    return [member for item in component.producers for member in parts(item.owner, item.table)]


def _row(layer: TracedLayer) -> list[Member]:
    """Return row, bias, and the scale and shift of the batch norm that reads the layer's output directly."""
    owners = [layer.module, *([layer.norm] if layer.norm is not None else [])]
    return [member for owner in owners for member in parts(owner, torch.arange(len(layer.module.weight))[:, None])]


def parts(owner: object, table: Tensor) -> list[Member]:
    """Return the members, weight and bias, of a module that produces channels; at zero they make its channels zero.

    table: int64 (m, c), the channels of each group. A PReLU and a module without parameters have no members.
    """
    tensors = [] if isinstance(owner, nn.PReLU) else [getattr(owner, name, None) for name in ("weight", "bias")]
    return [_member(t, table) for t in tensors if isinstance(t, Tensor)]


def _member(parameter: Tensor, table: Tensor) -> Member:
    """Return the slices of a parameter as a member, without `places` if slice j is group j."""
    if table.flatten().tolist() == list(range(len(parameter))) and table.shape[1] == 1:
        return Member(parameter, (0,))
    return Member(parameter, (0,), places=(table[:, 0] if table.shape[1] == 1 else table).to(parameter.device))
