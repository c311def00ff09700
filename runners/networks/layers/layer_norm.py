"""A layer norm over channels some of which are gone."""

from __future__ import annotations

from torch import Tensor, nn

from runners.networks.layers.counted_norm import CountedNorm
from runners.networks.layers.kinds import Change, counts_channels, resize


class CountedLayerNorm(CountedNorm):
    """A layer norm (Ba et al. 2016) of the channels that are left of `count`, all others of which are zero."""

    def __init__(self, width: int, count: int, dim: int = -1, eps: float = 1e-5, *, affine: tuple[bool, bool]) -> None:
        """dim: of the channels. affine: whether there is a weight, and a bias."""
        super().__init__(width, count, dim, eps, affine)

    def total(self, x: Tensor) -> Tensor:
        """Return the sum over the channels, which keep length 1."""
        return x.sum(self.dim, keepdim=True)

    def gone(self, x: Tensor) -> int:
        """Return the number of channels that are gone."""
        return self.count - x.size(self.dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the input's shape."""
        return self.normed(x)


@counts_channels.register
def _(layer: nn.LayerNorm) -> bool:
    return True


@resize.register
def _(layer: nn.LayerNorm, change: Change) -> nn.Module:
    if change.inputs is None or len(change.inputs) == layer.normalized_shape[-1]:
        return layer
    count, width = layer.normalized_shape[-1], len(change.inputs)
    dim = 1 if "permute" in change.operators else -1  # channels that it moves to the end first
    affine = (layer.weight is not None, layer.bias is not None)
    counted = CountedLayerNorm(width, count, dim, layer.eps, affine=affine)
    counted.weight, counted.bias = layer.weight, layer.bias
    return counted.train(layer.training)


@resize.register
def _(layer: CountedLayerNorm, change: Change) -> nn.Module:
    return layer  # it counts what it counted
