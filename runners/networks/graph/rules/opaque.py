"""Layers that say themselves how channels pass: see `runners.networks.layers`."""

from __future__ import annotations

import torch

from runners.networks.graph.arrays import along, over, vector
from runners.networks.graph.labels import Labels
from runners.networks.graph.rules.base import rule
from runners.networks.graph.tape import Node
from runners.networks.graph.zeros import Zeros
from runners.networks.layers import channel_sources


@rule("opaque")
class Opaque:
    """Output channels, dim 1, that are copies of input channels, or zero."""

    def labels(self, labels: Labels, node: Node) -> None:
        """Give the outputs labels of their own, and note which are copies."""
        source, shape = node.inputs[0], labels.tape.shapes[node.outputs[0]]
        places = channel_sources(labels.network.get_submodule(node.module))
        assert places is not None, "only such layers are opaque"
        own, given = labels.new(node.module, 1, shape[1]), labels.on(source, 1)
        labels.set(node.outputs[0], [along(own, 1, len(shape))])
        labels.made.append(own)
        if given is not None:
            copied = places >= 0
            labels.tie_copies(own[copied], given[places[copied]])
            labels.summed.append(given)

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """Copy the zeros; an input is missed where a copy of it stays."""
        source, shapes = node.inputs[0], zeros.channels.labels.tape.shapes
        places = channel_sources(zeros.channels.labels.network.get_submodule(node.module))
        assert places is not None, "only such layers are opaque"
        given = vector(over(zeros.of(source), 1), 1, shapes[source][1])
        zeros.set(node.outputs[0], along((places < 0) | given[places.clamp(min=0)], 1, len(shapes[node.outputs[0]])))
        kept = ~vector(zeros.removed(node.outputs[0]), 1, shapes[node.outputs[0]][1])
        copied = torch.zeros_like(given).index_fill(0, places[kept & (places >= 0)], True)
        zeros.need(zeros.channels.labels.on(source, 1), copied & ~given)
