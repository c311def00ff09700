"""Arrays over the elements of a tensor that have length 1 along every dim on which they do not depend."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


def support(array: Tensor) -> tuple[int, ...]:
    """Return the dims on which an array depends."""
    return tuple(d for d, n in enumerate(array.shape) if n > 1)


def compress(array: Tensor) -> Tensor:
    """Return an array with length 1 along every dim on which it does not depend."""
    for dim, (size, stride) in enumerate(zip(array.shape, array.stride(), strict=True)):
        if size > 1 and (stride == 0 or bool((array == array.narrow(dim, 0, 1)).all())):
            array = array.narrow(dim, 0, 1)
    return array


def aligned(array: Tensor, rank: int) -> Tensor:
    """Return an array with leading dims of length 1, as broadcasting adds them."""
    return array.reshape((1,) * (rank - array.dim()) + tuple(array.shape))


def along(vector: Tensor, dim: int, rank: int) -> Tensor:
    """Return a vector as an array over this dim of a tensor of this rank."""
    return vector.reshape([-1 if d == dim % rank else 1 for d in range(rank)])


def vector(array: Tensor, dim: int, size: int) -> Tensor:
    """Return an array that depends on this dim at most as a vector of this size."""
    return array.flatten().expand(size) if array.numel() == 1 else array.flatten()


def reduced(mask: Tensor, dims: Sequence[int]) -> Tensor:
    """Return whether all of a boolean array is true over these dims, which keep length 1."""
    for dim in dims:
        mask = mask.all(dim, keepdim=True)
    return mask


def over(mask: Tensor, dim: int) -> Tensor:
    """Return, as a vector over one dim, whether all of a boolean array is true over the other dims."""
    return reduced(mask, [d for d in range(mask.dim()) if d != dim]).flatten()


def marked(size: int, places: Iterable[Tensor]) -> Tensor:
    """Return the mask (bool, (size,)) that is true at all of these places, int64 or masks."""
    mask = torch.zeros(size, dtype=torch.bool)
    for place in places:
        mask[place] = True
    return mask


def falses(rank: int) -> Tensor:
    """Return an array that is false everywhere."""
    return torch.zeros((1,) * rank, dtype=torch.bool)
