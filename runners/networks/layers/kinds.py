"""What a kind of layer knows of its widths, besides its parameters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import singledispatch

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

# attributes with these words are no widths, whatever their value
NO_WIDTH = re.compile("kernel|stride|pad|dilat|patch|window|grid|depth|ratio|factor|scale|group|iter|axis|rank|stage")


@dataclass(frozen=True)
class Change:
    """What became of the channels around a layer.

    inputs, outputs: int64, the channels that are left of its first input and of its output, along dim 1, or the last
        dim where there are two or three; None for a layer that is not called as a module.
    shapes: of the tensors in the layer, before and after.
    lists: arguments of its operations that are sizes of parts, before and after; one for parts of one size.
    operators: names of the operations that it runs.
    """

    inputs: Tensor | None = None
    outputs: Tensor | None = None
    shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=list)
    lists: list[tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=list)
    operators: tuple[str, ...] = ()

    @property
    def sizes(self) -> Mapping[int, int]:
        """Sizes of dims that changed, before and after: the most frequent change of each size."""
        pairs = [p for before, after in self.shapes for p in zip(before, after, strict=True)]
        found = Counter(p for p in pairs if p[0] != p[1])
        return dict(reversed([p for p, _ in found.most_common()]))


@singledispatch
def resize(layer: nn.Module, change: Change) -> nn.Module:
    """Set the widths that a layer keeps as attributes, after its parameters were sliced; return it or its successor.

    For a layer of any other class: integers, and lists of integers, that equal a width that changed are taken to be
    that width. What comes out is compared with the network with zeros in place, so a wrong guess loses the removal, not
    the result.
    """
    lists = dict(change.lists)
    for name, value in vars(layer).items():
        if name.startswith("_") or NO_WIDTH.search(name) or isinstance(value, bool):
            continue
        if isinstance(value, int):
            setattr(layer, name, lists.get((value,), (change.sizes.get(value, value),))[0])
        elif isinstance(value, list | tuple) and value and all(type(v) is int for v in value):
            guess = lists.get(tuple(value)) or tuple(change.sizes.get(v, v) for v in value)
            setattr(layer, name, type(value)(guess))
    return layer


@resize.register
def _(layer: _ConvNd, change: Change) -> nn.Module:
    if change.inputs is not None and change.outputs is not None:
        depthwise = 1 < layer.groups == layer.in_channels
        layer.in_channels, layer.out_channels = len(change.inputs), len(change.outputs)
        layer.groups = layer.in_channels if depthwise else layer.groups
    return layer


@resize.register
def _(layer: nn.Linear, change: Change) -> nn.Module:
    layer.out_features, layer.in_features = layer.weight.shape
    return layer


@resize.register
def _(layer: _NormBase, change: Change) -> nn.Module:
    tensor = layer.weight if layer.weight is not None else layer.running_mean
    if tensor is not None:
        layer.num_features = len(tensor)
    elif change.inputs is not None:
        layer.num_features = len(change.inputs)
    return layer


@resize.register
def _(layer: nn.PReLU, change: Change) -> nn.Module:
    layer.num_parameters = len(layer.weight)
    return layer


@singledispatch
def channel_sources(layer: nn.Module) -> Tensor | None:
    """Return, for a layer that only moves channels and cannot be followed, where its output channels come from.

    int64 (outputs,): the index of the input channel, dim 1, that each output channel copies, or -1 where it is zero.
    None for a layer whose operations say it themselves.
    """
    return None


@singledispatch
def counts_channels(layer: nn.Module) -> bool:
    """Return whether `resize` gives a layer that counts channels that are gone in its means over channels.

    Channels that are zero before such a mean can go then, as from a sum.
    """
    return False


def is_opaque(layer: nn.Module) -> bool:
    """Return whether a layer says itself how channels pass, instead of the operations that it runs."""
    return channel_sources.dispatch(type(layer)) is not channel_sources.dispatch(object)
