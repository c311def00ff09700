"""Groups of parameters: the only view of a network that a method has.

A `Family` is m groups of one kind and layout (the filters of one layer, say), a `Groups` is all families of a
network, a `Budget` is how many of the groups may survive and where.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Scope = Literal["layer", "network"]

# Values worked on at once. They stay in the cache, and from 1 << 15 on torch would divide every operation
# among threads that are waited for, which costs more than it gains, and very much more on a machine that is busy.
PART = (1 << 15) - 64
_BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # integers as wide as a float, by bytes


@dataclass(frozen=True)
class Family:
    """m groups of one kind and layout.

    members: pairs of a parameter and the dims of it that index the groups: (0,) for filters, (1,) for input
        channels, (1, 2, 3) for filter shapes, every dim for single elements, () for one group of it all. Group j
        is slice j of every member taken together, so all members have equally many of them.
    rows: 1 for one problem of m groups; B where the groups are B independent problems of m groups each, all with
        the same budget (N:M sparsity: rows of M elements). Tensors over the groups then have shape (B, m).
    """

    name: str
    members: list[tuple[Tensor, tuple[int, ...]]]
    rows: int = 1

    def __post_init__(self) -> None:
        """Refuse members that disagree on the number of groups. Raises ValueError naming the family."""
        counts = {_count(p, dims) for p, dims in self.members}
        if len(counts) != 1:
            raise ValueError(f"family {self.name}: its members have {sorted(counts)} groups, must be one number")
        if counts.pop() % self.rows:
            raise ValueError(f"family {self.name}: its groups do not fill {self.rows} rows")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a tensor over the groups: (m,), or (rows, m)."""
        total = _count(*self.members[0])
        return (total,) if self.rows == 1 else (self.rows, total // self.rows)

    @property
    def size(self) -> int:
        """Number of groups, all rows together."""
        return _count(*self.members[0])

    @property
    def elements(self) -> int:
        """Number of single parameters in one group."""
        return sum(p.numel() for p, _ in self.members) // self.size

    @torch.no_grad()
    def norms(self, p: int = 2) -> Tensor:
        """p-norm of each group for p = 1 or 2, shape `shape`, float64 whatever the dtype of the parameters.

        Powers are summed in float64, where the squares of all finite float32 values are in range (of float64
        parameters, norms within 1e-150 to 1e150). What is not finite stays so.
        """
        if len(self.members) == 1 and self.members[0][0].numel() == self.size:  # the norm of one element
            parameter, dims = self.members[0]
            return _grouped(parameter.abs(), dims).double().view(self.shape)
        powers = torch.stack([_grouped(_power_sums(v, dims, p), dims) for v, dims in self.members]).sum(0)
        return (powers.sqrt_() if p == 2 else powers).view(self.shape)

    @torch.no_grad()
    def scale_(self, factors: Tensor) -> None:
        """Multiply group j by factors[j] in place. A factor of 0 gives exact zeros, also where a value is not finite.

        factors: shape `shape`, any floating dtype or bool; rounded to the dtype of each parameter first.
        """
        for parameter, dims in self.members:
            spread = _spread(factors, parameter, dims)
            # As bits: unlike a product this clears inf and NaN, and unlike masked_fill_ it is as fast as a product.
            bits = _BITS[parameter.element_size()]
            kept = (spread != 0).to(bits).neg_()  # all bits or none
            parts = (_split(t.expand_as(parameter), parameter) for t in (parameter, spread, kept))
            for part, factor, mask in zip(*parts, strict=True):
                if factors.dtype != torch.bool:
                    part.mul_(factor)
                part.view(bits).bitwise_and_(mask)

    @torch.no_grad()
    def nonzero(self) -> int:
        """Number of groups with at least one value that is not exactly zero."""
        alive = torch.zeros(self.size, dtype=torch.bool, device=self.members[0][0].device)
        for parameter, dims in self.members:
            alive |= _grouped(parameter != 0, dims).any(1)
        return int(alive.sum())


class Groups:
    """All families of one network, in the order of the network. At least one family."""

    def __init__(self, families: Sequence[Family]) -> None:
        """Raises ValueError when there is no family, or two have one name."""
        if not families:
            raise ValueError("the grouping found nothing to divide in this network")
        if len({f.name for f in families}) != len(families):
            raise ValueError("two families have the same name")
        self.families = tuple(families)

    def __len__(self) -> int:
        """Return the number of families."""
        return len(self.families)

    def __iter__(self) -> Iterator[Family]:
        """Go through the families in the order of the network."""
        return iter(self.families)

    @property
    def sizes(self) -> list[int]:
        """Number of groups in each family."""
        return [f.size for f in self]

    def parameters(self) -> list[Tensor]:
        """Every parameter that is a member of a group, once."""
        return list({id(p): p for f in self for p, _ in f.members}.values())

    def norms(self) -> list[Tensor]:
        """Group norms, one tensor a family: see `Family.norms`."""
        return [f.norms() for f in self]

    def scale_(self, factors: Sequence[Tensor]) -> None:
        """Scale every family in place, one tensor of factors each: see `Family.scale_`."""
        for family, factor in zip(self, factors, strict=True):
            family.scale_(factor)

    def nonzero(self) -> list[int]:
        """Number of groups that are not all zero, one number a family."""
        return [f.nonzero() for f in self]


@dataclass(frozen=True)
class Budget:
    """How many groups survive: k.

    scope: `layer` sets a k for each family; `network` sets one k over all families.
    per_family: k of each row of each family (scope layer; with one row, k of the family).
    total: k of the whole network.
    """

    scope: Scope
    keep: float
    per_family: tuple[int, ...]
    total: int

    @classmethod
    def of(cls, groups: Groups, keep: float, scope: Scope = "layer") -> Budget:
        """k = round(keep m), halves to even, never below one group a family.

        Raises ValueError where keep is outside (0, 1].
        """
        if not 0 < keep <= 1:
            raise ValueError(f"keep = {keep}: must be in (0, 1]")
        per_family = tuple(max(1, round(keep * f.shape[-1])) for f in groups)
        if scope == "layer":
            return cls(scope, keep, per_family, sum(k * f.rows for k, f in zip(per_family, groups, strict=True)))
        return cls(scope, keep, per_family, max(len(groups), round(keep * sum(groups.sizes))))

    def targets(self, groups: Groups) -> list[int]:
        """Groups that are to be left: one number a family, or one for the network where the scope is that."""
        if self.scope == "network":
            return [self.total]
        return [k * f.rows for k, f in zip(self.per_family, groups, strict=True)]

    def select(self, scores: Sequence[Tensor]) -> list[Tensor]:
        """Masks (bool, shaped as the scores) of exactly k groups: those with the highest scores.

        Among equal scores the first group wins. With scope network the best group of each family is always kept,
        so that no layer disappears, and the rest of the budget goes to the best of all.
        Raises ValueError where a score is NaN.
        """
        if any(bool(s.isnan().any()) for s in scores):
            raise ValueError("scores hold NaN: the network diverged")
        if self.scope == "layer":
            return [top(s, k) for s, k in zip(scores, self.per_family, strict=True)]
        floors = [top(s.flatten(), 1) for s in scores]
        joined = join(scores).double().masked_fill(torch.cat(floors), torch.inf)
        return split(top(joined, self.total), [s.shape for s in scores])


def join(tensors: Sequence[Tensor]) -> Tensor:
    """Return tensors over the groups of each family as one vector over those of the network."""
    return torch.cat([t.flatten() for t in tensors])


def split(joined: Tensor, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """Undo `join`: return views of a vector over all groups, in these shapes."""
    parts = joined.split([math.prod(shape) for shape in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


def top(scores: Tensor, k: int) -> Tensor:
    """Mask (bool) of the k highest scores along the last dim, k in 1..m, in linear time.

    Of equal scores the first ones are taken, on every machine.
    """
    lowest = scores.kthvalue(scores.shape[-1] - k + 1, dim=-1, keepdim=True).values
    above, level = scores > lowest, scores == lowest
    room = k - above.sum(-1, keepdim=True)
    return above | (level & (level.cumsum(-1) <= room))


def _count(parameter: Tensor, dims: tuple[int, ...]) -> int:
    return int(torch.Size([parameter.shape[d] for d in dims]).numel())


def _power_sums(values: Tensor, dims: tuple[int, ...], p: int) -> Tensor:
    """Sums in float64 of |value|^p, p = 1 or 2, over the dims not in `dims`, which stay with length 1.

    On the CPU a part at a time: a float64 copy of a whole weight would cost more than the sums. Accelerators convert
    while they read.
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
    """Parts of about PART values of a tensor shaped like another, cut where that one is outermost in memory.

    One part on accelerators, where starting an operation costs more than what stays in a cache saves.
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


def _grouped(values: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Bring the dims that index groups to the front: shape (groups, elements of a group)."""
    rest = [d for d in range(values.dim()) if d not in dims]
    return values.permute(*dims, *rest).reshape(_count(values, dims), -1)


def _spread(factors: Tensor, parameter: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Factors per group as a tensor that broadcasts against the parameter."""
    shape = [n if d in dims else 1 for d, n in enumerate(parameter.shape)]
    # dims may name the dims in any order: view them so, then put them back where the parameter has them
    ordered = factors.reshape([parameter.shape[d] for d in dims]).to(parameter.dtype)
    return ordered.permute(sorted(range(len(dims)), key=lambda i: dims[i])).reshape(shape)
