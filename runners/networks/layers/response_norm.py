"""A global response norm over channels some of which are gone."""

from __future__ import annotations

import sys
from abc import ABCMeta
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from runners.networks.layers.kinds import Change, counts_channels, resize


class CountedResponseNorm(nn.Module):
    """A global response norm (Woo et al. 2023) of the channels left of n = `count`, all others of which are zero.

    With g_c the Euclidean norm of all pixels of channel c, it returns x + weight x g / (sum_c g_c / n + eps) + bias.
    """

    def __init__(self, width: int, count: int, dim: int, pixels: Sequence[int], eps: float) -> None:
        """width: channels that are left. dim, pixels: the dims of channels and pixels."""
        super().__init__()
        self.count, self.dim, self.pixels, self.eps = count, dim, list(pixels), eps
        self.weight, self.bias = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the input's shape."""
        response = torch.linalg.vector_norm(x, 2.0, self.pixels, keepdim=True)
        relative = response / (response.sum(self.dim, keepdim=True) / self.count + self.eps)
        shape = [1] * x.dim()
        shape[self.dim] = x.size(self.dim)
        return torch.addcmul(self.bias.view(shape), x, 1 + self.weight.view(shape) * relative)


class ResponseNorm(nn.Module, metaclass=ABCMeta):
    """The class of timm's global response norm and those derived from it, without a need for timm."""

    weight: nn.Parameter
    bias: nn.Parameter
    channel_dim: int
    spatial_dim: tuple[int, int]
    eps: float

    @classmethod
    def __subclasshook__(cls, kind: type) -> bool:
        """Return whether a class is one of these; none is where timm has not been imported."""
        timm = sys.modules.get("timm.layers.grn")
        return timm is not None and issubclass(kind, timm.GlobalResponseNorm)


@counts_channels.register
def _(layer: ResponseNorm) -> bool:
    return True


@resize.register
def _(layer: ResponseNorm, change: Change) -> nn.Module:
    width = len(layer.weight)
    counts = [before for before, after in change.shapes if after == (width,)]
    if (width,) in counts or not counts:
        return layer
    counted = CountedResponseNorm(width, counts[0][0], layer.channel_dim, layer.spatial_dim, layer.eps)
    counted.weight, counted.bias = layer.weight, layer.bias
    return counted.train(layer.training)
