"""Let layers read some of their input channels only."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from runners.networks.layers import Change, resize
from runners.networks.layers.channel_selection import ChannelSelection


def unread_maps(marks: nn.Module) -> dict[str, Tensor]:
    """Return the input channels (int64 indices) that a layer reads, by its name, for layers that do not read all.

    marks: a network with 0 for every masked value, and 1 for every other.
    """
    layers = {n: m for n, m in marks.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    read = {n: m.weight.transpose(0, 1).flatten(1).any(1) for n, m in layers.items() if getattr(m, "groups", 1) == 1}
    return {n: mask.nonzero().flatten() for n, mask in read.items() if mask.any() and not mask.all()}


def select_inputs(network: nn.Module, read: Mapping[str, Tensor]) -> None:
    """Let each layer, by name, read these input channels only (int64 indices)."""
    for name, index in read.items():
        parent, _, last = name.rpartition(".")
        layer = network.get_submodule(name)
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        index = index.to(layer.weight.device)
        part = layer.weight.detach().index_select(1, index)
        layer.weight = nn.Parameter(part, requires_grad=layer.weight.requires_grad)
        resize(layer, Change(inputs=torch.arange(len(index)), outputs=torch.arange(len(part))))
        setattr(network.get_submodule(parent), last, ChannelSelection(layer, index))
