"""The grouping by coupled channels, which can only be removed together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor, nn

from methods.groups import Family, Groups
from runners.networks.architectures.vit import Attention
from runners.networks.compaction.dependencies import Component, Item, components
from runners.networks.graph.layers import is_grouped
from runners.networks.groupings import GROUPINGS
from runners.networks.groupings.rows import parts
from runners.networks.layers.zero_padding_shortcut import ZeroPaddingShortcut

Channel = tuple[int, int]  # index of a component in the list of all, and one of its channels


@GROUPINGS.register("coupled")
def coupled(network: nn.Module, example: Tensor) -> Groups:
    """Channels coupled by sums, concatenations, depthwise and grouped convolutions; attention heads.

    The dependencies are those of DepGraph (Fang et al. 2023), and two more between single channels: a zero-padding
    shortcut couples its input channel with the copy of it in the output, and a grouped convolution couples all
    channels of one of its groups. Groups with channels in the same components are a family.
    """
    found = components(network, example)
    families = [_family(found, layout, groups) for layout, groups in _layouts(found).items()]
    return Groups([*families, *_heads(network)])


def _layouts(found: list[Component]) -> dict[tuple[int, ...], list[list[Channel]]]:
    """Return the sets of coupled channels by layout: the component of each of their channels."""
    layouts: dict[tuple[int, ...], list[list[Channel]]] = defaultdict(list)
    for channels in _together(found):
        if all(found[i].removable for i, _ in channels):
            layouts[tuple(i for i, _ in channels)].append(channels)
    return dict(sorted(layouts.items()))


def _together(found: list[Component]) -> list[list[Channel]]:
    """Divide all channels of all components into sets of coupled channels, in the order of the network."""
    begin = [0, *accumulate(c.width for c in found)]
    every = [(i, channel) for i, component in enumerate(found) for channel in range(component.width)]
    pairs = [(begin[i] + a, begin[j] + b) for (i, a), (j, b) in [*_through_shortcuts(found), *_through_groups(found)]]
    rows, columns = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(every), len(every)))
    sets: dict[int, list[Channel]] = defaultdict(list)
    for channel, label in zip(every, connected_components(graph, directed=False)[1], strict=True):
        sets[int(label)].append(channel)
    return list(sets.values())


def _through_shortcuts(found: list[Component]) -> Iterator[tuple[Channel, Channel]]:
    """Yield pairs of an input channel of a zero-padding shortcut and the output channel that copies it."""
    read = {
        (item.owner, c): place
        for item, c, place in _places(found, "consumers")
        if isinstance(item.owner, ZeroPaddingShortcut)
    }
    for item, channel, place in _places(found, "producers"):
        if isinstance(item.owner, ZeroPaddingShortcut) and not item.owner.zero_outputs()[channel]:
            yield read[item.owner, int(item.owner.source[channel])], place


def _through_groups(found: list[Component]) -> Iterator[tuple[Channel, Channel]]:
    """Yield pairs of coupled channels, inputs or outputs, of one group of a grouped, not depthwise, convolution."""
    first: dict[tuple[nn.Module, int], Channel] = {}
    for side in ("consumers", "producers"):
        for item, channel, place in _places(found, side):
            if is_grouped(layer := item.owner):
                assert isinstance(layer, nn.Conv2d)
                width = layer.in_channels if side == "consumers" else layer.out_channels
                yield first.setdefault((layer, channel * layer.groups // width), place), place


def _places(found: list[Component], side: str) -> Iterator[tuple[Item, int, Channel]]:
    """Yield each channel of all items: the item, its channel, and the component's channel."""
    for i, component in enumerate(found):
        for item in getattr(component, side):
            for channel, root in zip(item.channels.tolist(), item.roots.tolist(), strict=True):
                yield item, channel, (i, root)


def _family(found: list[Component], layout: tuple[int, ...], groups: list[list[Channel]]) -> Family:
    """Return the family of the groups with this layout."""
    members = []
    for i in dict.fromkeys(layout):
        chosen = torch.tensor([[channel for j, channel in group if j == i] for group in groups])
        members += [m for item in found[i].producers for m in parts(item.owner, item.table[chosen].flatten(1))]
    return Family("+".join(dict.fromkeys(found[i].name for i in layout)), members)


def _heads(network: nn.Module) -> list[Family]:
    """Return a family for each attention: the queries, keys and values of a head are a group."""
    families = []
    for name, module in network.named_modules():
        if isinstance(module, Attention):
            families.append(Family(f"{name}.heads", parts(module.qkv, module.rows_of_heads())))
    return families
