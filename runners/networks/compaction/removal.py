"""Find the removable channels and heads of a masked network.

A channel is removed, with all that depend on it (see `compaction.dependencies`), if all its producers output
zero, or all its consumers multiply it by zero. `marks` shows the zeros: a copy of the network with 0 for every masked
value, and 1 for every other value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from results.errors import Untraceable
from runners.networks.architectures.vit import Attention
from runners.networks.compaction.dependencies import Component, Item, components
from runners.networks.compaction.surgery import Removal, apply_removal
from runners.networks.graph.layers import is_grouped
from runners.networks.layers.zero_padding_shortcut import ZeroPaddingShortcut


def removals(marks: nn.Module, example: Tensor, round_to: int = 1) -> Iterator[Removal]:
    """Yield removals until nothing more can be removed; each is applied to the marks before the next is found.

    round_to: round widths up to multiples of this, except those of grouped convolutions. If the dependencies of the
    network cannot be traced, only attention heads are removed.
    """
    while step := _step(marks, example, round_to):
        apply_removal(marks, step)
        yield step


def unread_maps(marks: nn.Module) -> dict[str, Tensor]:
    """Return the input channels (int64 indices) that a layer reads, by its name, for layers that do not read all."""
    layers = {n: m for n, m in marks.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    unread = {n: _unread(m) for n, m in layers.items() if getattr(m, "groups", 1) == 1}
    return {n: (~mask).nonzero().flatten() for n, mask in unread.items() if mask.any() and not mask.all()}


def _step(marks: nn.Module, example: Tensor, round_to: int) -> Removal:
    names = {id(m): n for n, m in marks.named_modules()}
    try:
        found = [c for c in components(marks, example) if c.removable]
    except Untraceable:
        found = []
    masks = [_dispensable(c) for c in found]
    _keep_groups_whole(found, masks)
    outputs: dict[str, list[Tensor]] = defaultdict(list)
    inputs: dict[str, list[Tensor]] = defaultdict(list)
    for component, mask in zip(found, masks, strict=True):
        grouped = any(is_grouped(i.owner) for i in [*component.producers, *component.consumers])
        gone = _rounded(mask, 1 if grouped else round_to).nonzero().flatten()
        if len(gone):
            for item in component.producers:
                outputs[names[id(item.owner)]].append(item.table[gone].flatten())
            for item in component.consumers:
                inputs[names[id(item.owner)]].append(item.table[gone].flatten())
    heads = {n: h for n, m in marks.named_modules() if isinstance(m, Attention) and len(h := _idle_heads(m))}
    return Removal({n: torch.cat(t) for n, t in outputs.items()}, {n: torch.cat(t) for n, t in inputs.items()}, heads)


def _dispensable(component: Component) -> Tensor:
    """Return the mask (bool, (width,)) of the channels that are zero, or that no consumer reads."""
    makers = [i for i in component.producers if not isinstance(i.owner, nn.PReLU)]  # a PReLU keeps zeros
    zero = torch.stack([_per_root(_zero(i.owner), i, component) for i in makers]).all(0)
    unread = torch.stack([_per_root(_unread(i.owner), i, component) for i in component.consumers]).all(0)
    return zero | unread


def _per_root(mask: Tensor, item: Item, component: Component) -> Tensor:
    """Convert a mask over the channels of a module to the component's; all pixels of a map must be in the mask."""
    result = torch.ones(component.width, dtype=torch.bool)
    result[item.roots.unique()] = mask[item.table].all(1)
    return result


def _zero(module: object) -> Tensor:
    """Return the mask of the output channels of a module that are zero."""
    if isinstance(module, ZeroPaddingShortcut):
        return module.zero_outputs().cpu()
    assert isinstance(module, nn.Conv2d | nn.Linear | _BatchNorm)
    if module.weight is None:  # a norm without parameters shifts by its running mean
        return torch.zeros(module.num_features, dtype=torch.bool)
    zero = module.weight.eq(0) if module.weight.dim() == 1 else module.weight.flatten(1).eq(0).all(1)
    return (zero if module.bias is None else zero & module.bias.eq(0)).cpu()


def _unread(module: object) -> Tensor:
    """Return the mask of the input channels that a module does not read."""
    if isinstance(module, ZeroPaddingShortcut):
        read = torch.zeros(module.inputs + 1, dtype=torch.bool)
        read[module.source.cpu()] = True
        return ~read[:-1]
    layer = module.qkv if isinstance(module, Attention) else module
    assert isinstance(layer, nn.Conv2d | nn.Linear)
    per_group: Tensor = layer.weight.unflatten(0, (getattr(layer, "groups", 1), -1)).transpose(1, 2)
    return per_group.flatten(2).eq(0).all(2).flatten().cpu()


def _rounded(mask: Tensor, round_to: int) -> Tensor:
    """Spare the last channels of a mask: at least one channel stays, and a multiple of round_to, or all."""
    gone = mask.nonzero().flatten()
    left = len(mask) - len(gone)
    target = min(len(mask), max(1, -(-left // round_to)) * round_to)
    return mask.index_fill(0, gone[len(gone) - (target - left) :], False)


def _keep_groups_whole(found: list[Component], masks: list[Tensor]) -> None:
    """Clear from the masks every channel of a grouped convolution whose group is not masked whole, outputs included."""
    places = [
        (item, mask)
        for component, mask in zip(found, masks, strict=True)
        for item in [*component.producers, *component.consumers]
        if is_grouped(item.owner)
    ]
    before = -1
    while before != (before := sum(int(mask.sum()) for mask in masks)):
        whole: dict[int, Tensor] = {}
        for item, mask in places:
            whole[id(item.owner)] = whole.get(id(item.owner), torch.tensor(True)) & _whole_groups(item, mask)
        for item, mask in places:
            groups = whole[id(item.owner)]
            mask[item.roots] &= groups[item.channels * len(groups) // len(item.channels)]


def _whole_groups(item: Item, mask: Tensor) -> Tensor:
    """Return the mask (bool, (groups,)) of the convolution's groups whose channels are all in the component's mask."""
    assert isinstance(item.owner, nn.Conv2d)
    per_channel = torch.zeros(len(item.channels), dtype=torch.bool)
    per_channel[item.channels] = mask[item.roots]
    return per_channel.view(item.owner.groups, -1).all(1)


def _idle_heads(attention: Attention) -> Tensor:
    """Return the heads whose values are zero or whose outputs are not read; at least one head is spared."""
    values = _zero(attention.qkv).view(3, attention.heads, -1)[2].all(1)
    unread = _unread(attention.proj).view(attention.heads, -1).all(1)
    return _rounded(values | unread, 1).nonzero().flatten()
