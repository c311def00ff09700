"""Groupings by the outputs of a layer: filters of a convolution, neurons of a linear layer."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from methods.groups import Family, Groups
from methods.members import Member
from runners.networks.graph.layers import TracedLayer, numbered
from runners.networks.graph.structure import Structure, structure_of
from runners.networks.groupings import GROUPINGS
from runners.networks.groupings.coupled import members_of


@GROUPINGS.register("filter")
def filters(network: nn.Module, example: Tensor) -> Groups:
    """Filters and neurons: weight row, bias, and per-channel layers after it (batch norm, depthwise convolution)."""
    structure = structure_of(network, example)
    alone = alone_of(structure)
    return Groups([f for layer in _divided(structure) for f in _families(structure, layer, alone)])


@GROUPINGS.register("neuron")
def neurons(network: nn.Module, example: Tensor) -> Groups:
    """Neurons of the hidden linear layers whose outputs are not added to others: weight row and bias."""
    structure = structure_of(network, example)
    alone = alone_of(structure)
    linear = [x for x in _divided(structure) if isinstance(x.module, nn.Linear)]
    layers = [x for x in linear if bool(alone[_rows(structure, x)].all())]
    found = [f for x in layers for f in _families(structure, x, alone)]
    return Groups([f for f in found if f.parts[0].places is None])


def _divided(structure: Structure) -> list[TracedLayer]:
    """Return the layers that make channels of their own, but for those of the output, and those of a gate.

    A gate, as in squeeze-and-excitation, is a factor for each channel of another layer: it goes with that channel.
    """
    gates = structure.marked(structure.labels.gates)
    gate = structure.channels.with_any(structure.channels.sums, gates)[structure.channels.sums]
    layers = [x for x in structure.layers if x.name not in structure.outputs]
    rows = ((x, _rows(structure, x)) for x in layers if x.module.weight.shape[_output_dim(x)] > 1)  # one has no label
    return [x for x, own in rows if bool(structure.made[own].all()) and not bool(gate[own].all())]


def _rows(structure: Structure, layer: TracedLayer) -> Tensor:
    """Return the labels of the outputs of a layer."""
    dim = _output_dim(layer)
    return structure.labels.new(f"{layer.name}.weight".lstrip("."), dim, layer.module.weight.shape[dim])


def _output_dim(layer: TracedLayer) -> int:
    """Return the dim of a layer's weight that indexes its outputs."""
    return int(getattr(layer.module, "transposed", False))


def alone_of(structure: Structure) -> Tensor:
    """Return the mask (bool, (labels,)) of the channels that a single layer makes, and that can be removed.

    Nothing is added to such a channel; what is multiplied with it belongs to another layer.
    """
    sums, every = structure.channels.sums, structure.channels.all
    pairs = torch.stack([sums[structure.made], structure.range_of[structure.made]]).unique(dim=1)
    alone = (torch.bincount(pairs[0], minlength=int(sums.max()) + 1) == 1)[sums] & structure.free[every]
    # channels of a layer that only copies others, such as a padded shortcut, are sums of several layers too
    alone &= ~structure.channels.with_any(sums, structure.padded)[sums]
    return alone & ~structure.missed_if_zero(alone)[every]


def _families(structure: Structure, layer: TracedLayer, every: Tensor) -> Iterator[Family]:
    """Yield the family of a layer; a family for each part of its outputs, if they go different ways.

    every: bool (labels,), the channels of a single layer.
    """
    own = _rows(structure, layer)
    alone = every[own]
    found = structure.sets(structure.channels.sums, _members(structure, own[alone]))
    parts = [members_of(structure, part) for part in found]
    if not bool(alone.all()):
        parts.append(_row(structure, layer, (own[~alone] - own[0])[:, None]))
    for name, members in zip(numbered([layer.name] * len(parts)), parts, strict=True):
        yield Family(name, members)


def _members(structure: Structure, made: Tensor) -> Tensor:
    """Return the mask (bool, (labels,)) of all labels of the channels with these labels."""
    sums = structure.channels.sums
    return torch.isin(sums, sums[made])


def _row(structure: Structure, layer: TracedLayer, rows: Tensor) -> list[Member]:
    """Return row, bias, and the scale and shift of the batch norm that reads the layer's output directly.

    rows: int64 (m, 1).
    """
    own = [(f"{layer.name}.weight", _output_dim(layer)), (f"{layer.name}.bias", 0)]
    norm = [] if layer.norm is None else [(f"{layer.norm_name}.weight", 0), (f"{layer.norm_name}.bias", 0)]
    ranges = [structure.labels.ranges.get((name.lstrip("."), d)) for name, d in [*own, *norm]]
    return [structure.member(r, rows) for r in ranges if r is not None]
