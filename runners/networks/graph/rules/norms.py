"""Normalisations."""

from __future__ import annotations

import torch

from runners.networks.graph.arrays import along, over, vector
from runners.networks.graph.labels import Labels
from runners.networks.graph.rules.base import nothing_is_zero, rule
from runners.networks.graph.tape import Node
from runners.networks.graph.zeros import Zeros
from runners.networks.layers import counts_channels


def _affine(node: Node, first: int) -> list[int]:
    """Return the values of scale and shift, at this place of the arguments and the next."""
    return [v for v in (node.value(first, "weight"), node.value(first + 1, "bias")) if v is not None]


def _without_scale(zeros: Zeros, node: Node, first: int, size: int) -> torch.Tensor:
    """Return the mask of the channels whose scale and shift are zero; none without a scale."""
    weight, bias = node.value(first, "weight"), node.value(first + 1, "bias")
    if weight is None:
        return torch.zeros(size, dtype=torch.bool)
    result = vector(zeros.of(weight), 0, size)
    return result if bias is None else result & vector(zeros.of(bias), 0, size)


@rule("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training", "cudnn_batch_norm")
@rule("batch_norm", "_batch_norm_with_update", "_batch_norm_no_update", "miopen_batch_norm", "instance_norm")
class BatchNorm:
    """A scale and a shift of every channel, dim 1, with the statistics of that channel."""

    def labels(self, labels: Labels, node: Node) -> None:
        """Tie the channels to the entries of all parameters and statistics."""
        source, *vectors = node.inputs
        channels = labels.on(source, 1)
        for array in labels.within(source, [1])[1]:
            labels.fix(array)  # the statistics are over all else
        for value in vectors:
            if (own := labels.on(value, 0)) is not None:
                labels.tie_or_fix(own, channels)
        labels.set(node.outputs[0], labels.of(source))
        for output in node.outputs[1:]:
            labels.set(output, [])

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """A channel is zero if its scale and shift are."""
        nothing_is_zero(zeros, node)
        shape = zeros.channels.labels.tape.shapes[node.inputs[0]]
        zeros.set(node.outputs[0], along(_without_scale(zeros, node, 1, shape[1]), 1, len(shape)))


@rule("native_layer_norm", "layer_norm", "_fused_rms_norm", "rms_norm")
class LayerNorm:
    """A norm over the last dims.

    A channel of the last dim can go where it is zero and the module can be told to count it all the same: see
    `runners.networks.layers`.
    """

    def labels(self, labels: Labels, node: Node) -> None:
        """Tie scale and shift to the last dim, and fix what the norm cannot count."""
        source = node.inputs[0]
        rank, last = len(labels.tape.shapes[source]), len(node.args[1])
        counted = last == 1 and _can_count(labels, node, "permute")
        for array in labels.within(source, range(rank - last))[1]:
            if counted:
                labels.summed.append(array.flatten())
            else:
                labels.fix(array)
        labels.set(node.outputs[0], labels.of(source))
        labels.set(node.outputs[0], labels.join([node.outputs[0], *_affine(node, 2)]))
        for output in node.outputs[1:]:
            labels.set(output, [])

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """A channel is zero if its scale and shift are; one that goes has to be zero before the norm."""
        nothing_is_zero(zeros, node)
        source = node.inputs[0]
        shape = zeros.channels.labels.tape.shapes[source]
        if len(node.args[1]) == 1:
            channels = zeros.channels.labels.on(source, len(shape) - 1)
            zeros.need(channels, ~vector(over(zeros.of(source), len(shape) - 1), 0, shape[-1]))
            zeros.set(node.outputs[0], along(_without_scale(zeros, node, 2, shape[-1]), -1, len(shape)))


def _can_count(labels: Labels, node: Node, *moves: str) -> bool:
    """Return whether a module is a norm that can count channels that are gone, and runs nothing else but these moves.

    What its own modules run, such as an activation behind the norm, is not its own.
    """
    inside = {n.operator for n in labels.tape.by_module[node.module]}
    plain = inside <= {node.operator, "clone", *moves}
    return plain and counts_channels(labels.network.get_submodule(node.module))


@rule("native_group_norm", "group_norm")
class GroupNorm(BatchNorm):
    """A norm over groups of channels, dim 1.

    A channel can go where it is zero and the module can be told to count it all the same, as for a layer norm.
    """

    def labels(self, labels: Labels, node: Node) -> None:
        """Tie the channels to scale and shift, and fix all else; the channels too where the norm cannot count."""
        super().labels(labels, node)
        channels = labels.on(node.inputs[0], 1)
        if channels is not None:
            labels.summed.append(channels)
        if not _can_count(labels, node):
            labels.fix(channels)

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """A channel is zero if its scale and shift are; one that goes has to be zero before the norm."""
        source = node.inputs[0]
        size = zeros.channels.labels.tape.shapes[source][1]
        zeros.need(zeros.channels.labels.on(source, 1), ~vector(over(zeros.of(source), 1), 0, size))
        super().zeros(zeros, node)
