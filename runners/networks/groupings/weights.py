"""Groupings within the weights of a layer: input channels, positions, kernels, blocks, N of M, single weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from methods.groups import Family, Groups
from methods.members import Member
from runners.networks.graph.layers import TracedLayer
from runners.networks.graph.structure import Structure, structure_of
from runners.networks.groupings import GROUPINGS

BLOCK = (4, 4)  # filters x input channels
M = 4


@GROUPINGS.register("channel")
def channels(network: nn.Module, example: Tensor) -> Groups:
    """Input channels of a layer: all weights of all filters that read one channel, except in the first layer."""
    maps = _maps(network, example)
    return Groups([Family(n.name, [_of_map(n.module.weight, maps.get(n.name))]) for n in _whole(network, example)[1:]])


@GROUPINGS.register("shape")
def shapes(network: nn.Module, example: Tensor) -> Groups:
    """Filter shapes: one position (input channel, row, column) over all filters of a layer (Wen et al. 2016)."""
    return Groups([Family(n.name, [Member(n.module.weight, _all_but_outputs(n))]) for n in _whole(network, example)])


@GROUPINGS.register("kernel")
def kernels(network: nn.Module, example: Tensor) -> Groups:
    """Kernels: the two-dimensional slice of one filter for one input channel; single weights of a linear layer."""
    return Groups([Family(n.name, [Member(n.module.weight, (0, 1))]) for n in _whole(network, example)])


@GROUPINGS.register("block")
def weight_blocks(network: nn.Module, example: Tensor) -> Groups:
    """Blocks of 4 filters x 4 input channels at one position of the kernel; smaller if 4 does not divide a layer."""
    return Groups([Family(n.name, [_blocked(n.module.weight)]) for n in _whole(network, example)])


@GROUPINGS.register("n_of_m")
def n_of_m(network: nn.Module, example: Tensor) -> Groups:
    """N of every 4 consecutive weights along the input channels (N:M sparsity), if 4 divides the input channels.

    Source: Mishra et al. 2021, "Accelerating Sparse Deep Neural Networks": hardware supports 2 of 4.
    """
    weights = {n.name: n.module.weight for n in _whole(network, example) if n.module.weight.shape[1] % M == 0}
    return Groups([Family(name, [_rows_of_m(w)], rows=w.numel() // M) for name, w in weights.items()])


@GROUPINGS.register("element")
def elements(network: nn.Module, example: Tensor) -> Groups:
    """Single weights (unstructured pruning); biases are never pruned."""
    return Groups([Family(n.name, [_every(n.module.weight)]) for n in _hidden(network, example)])


def _whole(network: nn.Module, example: Tensor) -> list[TracedLayer]:
    """Return the layers, without the output layer, whose filters read every input channel."""
    return [n for n in _hidden(network, example) if getattr(n.module, "groups", 1) == 1]


def _hidden(network: nn.Module, example: Tensor) -> list[TracedLayer]:
    """Return the layers, without those that make the output."""
    structure = structure_of(network, example)
    return [x for x in structure.layers if x.name not in structure.outputs]


def _all_but_outputs(layer: TracedLayer) -> tuple[int, ...]:
    return tuple(range(1, layer.module.weight.dim()))


def _every(weight: Tensor) -> Member:
    return Member(weight, tuple(range(weight.dim())))


def _maps(network: nn.Module, example: Tensor) -> dict[str, Tensor]:
    """Return the inputs (m, s) of linear layers that read m flattened maps of s pixels, by name."""
    structure = structure_of(network, example)
    result = {}
    for layer in structure.layers:
        if isinstance(layer.module, nn.Linear) and (f"{layer.name}.weight", 1) in structure.labels.ranges:
            own = structure.labels.ranges[f"{layer.name}.weight", 1].labels
            found = structure.sets(structure.channels.all, structure.marked([own]) & structure.read)
            if len(found) == 1 and len(found[0].ranges) > 1 and _single(structure, own):
                result[layer.name] = found[0].labels - own[0]
    return result


def _single(structure: Structure, read: Tensor) -> bool:
    """Return whether the channels with these labels are single outputs of each layer that makes them."""
    channels = structure.channels.all
    made = structure.made & torch.isin(channels, channels[read])
    pairs = torch.stack([channels[made], structure.range_of[made]])
    return bool(pairs.unique(dim=1).shape == pairs.shape)


def _of_map(weight: Tensor, table: Tensor | None) -> Member:
    return Member(weight, (1,), places=None if table is None else table.to(weight.device))


def _blocked(weight: Tensor) -> Member:
    """View the weight (out, in, ...) as (out / r, r, in / c, c, ...): the blocks r x c are the groups."""
    r, c = (math.gcd(n, size) for n, size in zip(weight.shape, BLOCK, strict=False))
    shape = (weight.shape[0] // r, r, weight.shape[1] // c, c, *weight.shape[2:])
    return Member(weight, (0, 2, *range(4, len(shape))), shape)


def _rows_of_m(weight: Tensor) -> Member:
    """View the weight (out, in, ...) as (out, in / M, M, ...): every value is a group, M along the inputs are a row."""
    shape = (weight.shape[0], weight.shape[1] // M, M, *weight.shape[2:])
    return Member(weight, (0, 1, *range(3, len(shape)), 2), shape)
