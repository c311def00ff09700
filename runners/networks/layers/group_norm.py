"""A group norm over channels some of which are gone."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from runners.networks.layers.counted_norm import CountedNorm
from runners.networks.layers.kinds import Change, counts_channels, resize


class CountedGroupNorm(CountedNorm):
    """A group norm (Wu & He 2018) of the channels that are left of groups of `count`, all others of which are zero.

    Groups may have different numbers of channels left, also none. Modules that are added to it run after the norm, in
    their order, such as an activation.
    """

    # TorchScript needs the types themselves, so this file does not postpone annotations
    group: Tensor  # int64 (channels,): the group of each channel that is left
    missing: Tensor  # int64 (channels,): how many channels of that group are gone

    def __init__(self, left: Sequence[int], count: int, eps: float, affine: tuple[bool, bool]) -> None:
        """left: channels of each group that are left. count: channels of a group. affine: a weight, and a bias."""
        super().__init__(sum(left), count, 1, eps, affine)
        self.left = list(left)
        numbers = torch.tensor(self.left)
        self.register_buffer("group", torch.arange(len(left)).repeat_interleave(numbers), persistent=False)
        self.register_buffer("missing", count - numbers[self.group], persistent=False)

    def total(self, x: Tensor) -> Tensor:
        """Return, for each channel, the sum over the channels of its group of their means over all pixels."""
        pixels = [dim for dim in range(2, x.dim())]  # noqa: C416 - TorchScript has no list of a range
        mean = x.mean(pixels, keepdim=True) if len(pixels) > 0 else x
        shape = list(mean.shape)
        shape[1] = len(self.left)
        return mean.new_zeros(shape).index_add(1, self.group, mean).index_select(1, self.group)

    def gone(self, x: Tensor) -> Tensor:
        """Return, for each channel, the number of channels of its group that are gone."""
        return self.missing.view([-1] + [1] * (x.dim() - 2))

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the input's shape, (n, channels, ...)."""
        x = self.normed(x)
        for after in self.children():
            x = after(x)
        return x


@counts_channels.register
def _(layer: nn.GroupNorm) -> bool:
    return True


@resize.register
def _(layer: nn.GroupNorm, change: Change) -> nn.Module:
    if change.inputs is None or len(change.inputs) == layer.num_channels:
        return layer
    count = layer.num_channels // layer.num_groups
    left = (change.inputs // count).bincount(minlength=layer.num_groups).tolist()
    counted = CountedGroupNorm(left, count, layer.eps, (layer.weight is not None, layer.bias is not None))
    if layer.weight is not None:
        counted.to(layer.weight.device)
    counted.weight, counted.bias = layer.weight, layer.bias
    for name, child in layer.named_children():
        counted.add_module(name, child)
    return counted.train(layer.training)


@resize.register
def _(layer: CountedGroupNorm, change: Change) -> nn.Module:
    return layer  # it counts what it counted
