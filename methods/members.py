"""The mapping from the values of a parameter to groups, with sums and products over groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

# Values processed at once. They stay in the cache. From 1 << 15 on torch splits every operation among threads and
# waits for them, which costs more than it gains, above all on a busy machine.
PART = (1 << 15) - 64
ROWS = 1 << 18  # values of whole rows whose norms are taken at once, in one operation that converts and sums
_BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # the integer type of the same size in bytes


class Member(NamedTuple):
    """A parameter divided into slices: slice j belongs to group j.

    dims: the dims that index the groups: (0,) for filters, (1,) for input channels, (1, 2, 3) for filter shapes,
        every dim for single elements, () for one group of all values.
    shape: view the parameter in this shape first: dims may be split, not merged or moved (blocks; rows of M).
        None: no change.
    places: int64 (m,) or (m, c), for a single dim: group j is slice places[j], or the c slices places[j, :]; slices
        that are not listed belong to no group of this member. None: group j is slice j.
    """

    parameter: Tensor
    dims: tuple[int, ...]
    shape: tuple[int, ...] | None = None
    places: Tensor | None = None

    @property
    def view(self) -> Tensor:
        """The parameter viewed in `shape`: the same memory."""
        return self.parameter if self.shape is None else self.parameter.view(self.shape)

    @property
    def slices(self) -> int:
        """Number of slices along `dims`."""
        return math.prod(self.view.shape[d] for d in self.dims)

    @property
    def groups(self) -> int:
        """Number of groups."""
        return self.slices if self.places is None else len(self.places)

    @property
    def elements(self) -> int:
        """Number of values in one group."""
        each = self.parameter.numel() // self.slices
        return each if self.places is None or self.places.dim() == 1 else each * self.places.shape[1]

    def rows(self) -> Tensor | None:
        """View the parameter as a matrix whose row j is group j, in the order of memory; None where that is no view."""
        values: Tensor = self.parameter.detach()
        if self.dims != (0,) or self.shape is not None or self.places is not None or not len(values):
            return None
        if values.is_contiguous():
            return values.view(len(values), -1)
        if values.dim() == 4 and values.is_contiguous(memory_format=torch.channels_last):
            return values.permute(0, 2, 3, 1).flatten(1)
        return None

    def norms(self) -> Tensor:
        """Return the Euclidean norm in float64 of each group, shape (m,)."""
        rows = self.rows()
        if rows is None:
            return self.power_sums(2).sqrt_()
        if rows.shape[1] == 1:
            return rows.view(-1).to(torch.float64).abs()
        whole = rows.device.type != "cpu" or rows.numel() <= ROWS
        parts = [rows] if whole else torch.split(rows, max(1, ROWS // rows.shape[1]))
        norms = [torch.linalg.vector_norm(part, 2, 1, dtype=torch.float64) for part in parts]
        return norms[0] if len(norms) == 1 else torch.cat(norms)

    def power_sums(self, p: int) -> Tensor:
        """Return the sum in float64 of |value|^p of each group, p = 1 or 2, shape (m,)."""
        sums = grouped(_power_sums(self.view, self.dims, p), self.dims).flatten()
        if self.places is None:
            return sums
        chosen = sums[self.places]
        return chosen if chosen.dim() == 1 else chosen.sum(1)

    def magnitudes(self) -> Tensor:
        """Return |value| for groups of a single value, in the dtype of the parameter, shape (m,)."""
        values = grouped(self.view.abs(), self.dims)
        return values.flatten() if self.places is None else values[self.places].flatten()

    def scale_(self, factors: Tensor, *, finite: bool = False) -> None:
        """Multiply group j by factors[j] in place, factors of shape (m,): see `Family.scale_`."""
        if finite and factors.dtype != torch.bool and (rows := self.rows()) is not None:
            rows.mul_(factors.to(rows.dtype).unsqueeze(1))
            return
        values = self.view
        spread = _spread(self._per_slice(factors), values, self.dims)
        # a bitwise and clears inf and NaN, unlike a product, and is as fast as one, unlike masked_fill_
        bits = _BITS[values.element_size()]
        kept = (spread != 0).to(bits).neg_()  # all bits or none
        parts = (_split(t.expand_as(values), values) for t in (values, spread, kept))
        for part, factor, mask in zip(*parts, strict=True):
            if factors.dtype != torch.bool:
                part.mul_(factor)
            part.view(bits).bitwise_and_(mask)

    def alive(self) -> Tensor:
        """Return the mask (bool, (m,)) of the groups with at least one value that is not exactly zero."""
        alive = grouped(self.view != 0, self.dims).any(1)
        if self.places is None:
            return alive
        chosen = alive[self.places]
        return chosen if chosen.dim() == 1 else chosen.any(1)

    def _per_slice(self, factors: Tensor) -> Tensor:
        """Return the factors of the groups as factors of all slices: 1 for slices that belong to no group."""
        if self.places is None:
            return factors
        full = factors.new_ones(self.slices)
        full[self.places] = factors if self.places.dim() == 1 else factors[:, None].expand(self.places.shape)
        return full


@dataclass(frozen=True)
class Term:
    """A summand of a group's norm to the power p: |value|^p of a member, each value times ||w||_p / sigma first.

    member: measured and scaled. weight: its slice c is the w of value c of the member; None for ||w|| = 1.
    variance: sigma_c^2 - eps of value c; None for sigma = 1. Weight and variance need a member of one dim. Their values
    are read at each call; a tensor that is replaced, not written to (as in moving a network), is not noticed.
    """

    member: Member
    weight: Member | None = None
    variance: Tensor | None = None
    eps: float = 0.0

    def power_sums(self, p: int) -> Tensor:
        """Return the sum in float64 of the p-th powers of each group, p = 1 or 2, shape (m,)."""
        if self.weight is None and self.variance is None:
            return self.member.power_sums(p)
        values = self.member.parameter.detach().double()
        if self.weight is not None:
            powers = self.weight.power_sums(p)
            values = values * (powers.sqrt_() if p == 2 else powers)
        if self.variance is not None:
            values = values / (self.variance.double() + self.eps).sqrt_()
        return self.member._replace(parameter=values).power_sums(p)


def _power_sums(values: Tensor, dims: tuple[int, ...], p: int) -> Tensor:
    """Return sums in float64 of |value|^p, p = 1 or 2, over the dims not in `dims`, kept with length 1.

    On the CPU the values are processed in parts: a float64 copy of a whole weight would cost more than the sums.
    Accelerators convert while they read.
    """
    rest = [d for d in range(values.dim()) if d not in dims]
    if not rest:
        return _powers(values, p)
    if values.device.type != "cpu":
        norms = torch.linalg.vector_norm(values, p, rest, keepdim=True, dtype=torch.float64)
        return _powers(norms, p)
    sums = [_powers(part, p).sum(rest, keepdim=True) for part in _split(values, values)]
    outermost = _outermost(values)
    return torch.stack(sums).sum(0) if outermost in rest else torch.cat(sums, outermost)


def _split(values: Tensor, like: Tensor) -> Sequence[Tensor]:
    """Split a tensor along the dim that is outermost in the memory of `like`, into parts of about PART values.

    On accelerators there is one part: launching a kernel costs more than the cache saves.
    """
    if like.dim() == 0 or like.device.type != "cpu":
        return [values]
    outermost = _outermost(like)
    step = max(1, PART * like.shape[outermost] // max(1, like.numel()))
    return torch.split(values, step, outermost)


def _outermost(values: Tensor) -> int:
    return max(range(values.dim()), key=values.stride)


def _powers(values: Tensor, p: int) -> Tensor:
    copy = values.to(torch.float64, copy=True)
    return copy.square_() if p == 2 else copy.abs_()


def grouped(values: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Move the dims that index groups to the front: shape (slices, values of a slice)."""
    rest = [d for d in range(values.dim()) if d not in dims]
    return values.permute(*dims, *rest).reshape(math.prod(values.shape[d] for d in dims), -1)


def _spread(factors: Tensor, values: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Return the factors of slices as a tensor that broadcasts against the values."""
    shape = [n if d in dims else 1 for d, n in enumerate(values.shape)]
    # dims may be in any order: view the factors in that order, then permute them to the order of the values
    ordered = factors.reshape([values.shape[d] for d in dims]).to(values.dtype)
    return ordered.permute(sorted(range(len(dims)), key=lambda i: dims[i])).reshape(shape)
