"""A layer norm over channels some of which are gone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from runners.networks.layers.kinds import Change, resize


class CountedLayerNorm(nn.Module):
    """A layer norm (Ba et al. 2016) of the channels that are left, of `count` channels, all others of which are zero.

    With n = count, mean = sum_j x_j / n and variance = (sum_j (x_j - mean)^2 + (n - width) mean^2) / n over the width
    channels that are left, it returns (x - mean) / sqrt(variance + eps) * weight + bias: what the norm of all n is.
    """

    def __init__(self, width: int, count: int, dim: int = -1, eps: float = 1e-5, *, affine: tuple[bool, bool]) -> None:
        """dim: of the channels. affine: whether there is a weight, and a bias."""
        super().__init__()
        self.count, self.dim, self.eps = count, dim, eps
        self.weight = nn.Parameter(torch.ones(width)) if affine[0] else None
        self.bias = nn.Parameter(torch.zeros(width)) if affine[1] else None

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the input's shape."""
        gone = self.count - x.size(self.dim)
        mean = x.sum(self.dim, keepdim=True) / self.count
        centred = x - mean
        variance = (centred.square().sum(self.dim, keepdim=True) + gone * mean.square()) / self.count
        result = centred * torch.rsqrt(variance + self.eps)
        shape = [1] * x.dim()
        shape[self.dim] = x.size(self.dim)
        if self.weight is not None:
            result = result * self.weight.view(shape)
        return result if self.bias is None else result + self.bias.view(shape)


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
