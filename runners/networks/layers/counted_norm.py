"""What norms over channels have in common that count the channels that are gone."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CountedNorm(nn.Module):
    """A norm of the channels that are left, of n = `count` that it is over, all others of which are zero.

    With mean = sum_j x_j / n and variance = (sum_j (x_j - mean)^2 + (n - left) mean^2) / n over those that are left, it
    is (x - mean) / sqrt(variance + eps) * weight + bias: what the norm of all n is. Subclasses say over what it sums.
    """

    def __init__(self, width: int, count: int, dim: int, eps: float, affine: tuple[bool, bool]) -> None:
        """width: of the channels that are left, along `dim`. affine: whether there is a weight, and a bias."""
        super().__init__()
        self.count, self.dim, self.eps = count, dim, eps
        self.weight = nn.Parameter(torch.ones(width)) if affine[0] else None
        self.bias = nn.Parameter(torch.zeros(width)) if affine[1] else None

    def total(self, x: Tensor) -> Tensor:
        """Return the sum over the channels that are left, in a shape that broadcasts with the input."""
        raise NotImplementedError

    def gone(self, x: Tensor) -> Tensor | int:
        """Return the number of channels that are gone, in a shape that broadcasts with the input."""
        raise NotImplementedError

    def normed(self, x: Tensor) -> Tensor:
        """Return the norm of a tensor, in its shape."""
        mean = self.total(x) / self.count
        centred = x - mean
        variance = (self.total(centred.square()) + self.gone(x) * mean.square()) / self.count
        scale = torch.rsqrt(variance + self.eps)
        shape = [1] * x.dim()
        shape[self.dim] = x.size(self.dim)
        if self.weight is not None:
            scale = scale * self.weight.view(shape)
        return centred * scale if self.bias is None else torch.addcmul(self.bias.view(shape), centred, scale)
