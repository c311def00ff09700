"""Trace the entries of a compact network to the dense one: number the entries, compact, and read the numbers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

# small, so that forward passes stay finite; a power of two, so that nothing is rounded
STEP = 2.0**-32


@dataclass(frozen=True)
class Origin:
    """A tensor of the dense network, and the kept indices of each of its dims; None for all indices."""

    name: str
    shape: tuple[int, ...]
    kept: tuple[list[int] | None, ...]


@dataclass(frozen=True)
class Numbers:
    """The number of the first entry of each tensor, in rising order, with its name and shape."""

    first: list[int]
    tensors: list[tuple[str, torch.Size]]


@torch.no_grad()
def number(network: nn.Module) -> Numbers:
    """Replace the entries of every floating-point tensor of the state dict, in place, by 1, 2, 3, ... times `STEP`.

    The network must be in float64, which represents these numbers exactly.
    """
    numbers, following = Numbers([], []), 1
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            values = torch.arange(following, following + tensor.numel(), dtype=torch.float64, device=tensor.device)
            tensor.copy_(values.mul_(STEP).view(tensor.shape))
            numbers.first.append(following)
            numbers.tensors.append((name, tensor.shape))
            following += tensor.numel()
    return numbers


def read(compact: nn.Module, numbers: Numbers) -> dict[str, Origin]:
    """Return the origin of each tensor of a compact network that is a slice of a single dense tensor."""
    found = {name: _origin(t, numbers) for name, t in compact.state_dict().items() if t.is_floating_point()}
    return {name: origin for name, origin in found.items() if origin is not None}


def _origin(values: Tensor, numbers: Numbers) -> Origin | None:
    found = values / STEP
    known = found != 0
    if not known.any():
        return None
    place = bisect_right(numbers.first, float(found[known].min())) - 1
    name, shape = numbers.tensors[place]
    flat = found - numbers.first[place]
    inside = (flat >= 0) & (flat < shape.numel()) & (flat == flat.round())
    if values.dim() != len(shape) or not bool((inside | ~known).all()):
        return None
    coordinates = torch.unravel_index(flat.long().clamp(min=0), shape) if shape else ()
    kept = [_along(c, known, dim) for dim, c in enumerate(coordinates)]
    if any(k is None for k in kept):
        return None
    whole = [list(range(n)) for n in shape]
    return Origin(name, tuple(shape), tuple(None if k == w else k for k, w in zip(kept, whole, strict=True)))


def _along(coordinates: Tensor, known: Tensor, dim: int) -> list[int] | None:
    """Return the single coordinate of each slice along a dim; None if a slice has no coordinate, or several."""
    slices, valid = (t.movedim(dim, 0).reshape(t.shape[dim], -1) for t in (coordinates, known))
    low = slices.masked_fill(~valid, torch.iinfo(torch.int64).max).amin(1)
    high = slices.masked_fill(~valid, -1).amax(1)
    return low.tolist() if torch.equal(low, high) else None


def as_json(origins: Mapping[str, Origin], name: str) -> dict[str, object]:
    """Return the entries of a plan for the origin of a tensor; empty if the origin is unknown."""
    if name not in origins:
        return {}
    origin = origins[name]
    return {"of": origin.name, "dense_shape": list(origin.shape), "kept": list(origin.kept)}
