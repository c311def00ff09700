"""Groups of parameters: the only view of a network that a method has.

A `Family` is m groups of one kind and layout (the filters of one layer, say), a `Groups` is all families of a
network, a `Budget` is how many of the groups may survive and where.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Scope = Literal["layer", "network"]


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
        """p-norm of each group, shape `shape`, float64 whatever the dtype of the parameters."""
        powers = [_grouped(v, dims).double().abs().pow(p).sum(1) for v, dims in self.members]
        return torch.stack(powers).sum(0).pow(1 / p).view(self.shape)

    @torch.no_grad()
    def scale_(self, factors: Tensor) -> None:
        """Multiply group j by factors[j] in place. A factor of 0 gives exact zeros, also where a value is not finite.

        factors: shape `shape`, any floating dtype or bool.
        """
        for parameter, dims in self.members:
            spread = _spread(factors, parameter, dims)
            parameter.mul_(spread).masked_fill_(spread == 0, 0)

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
            return [_top(s, k) for s, k in zip(scores, self.per_family, strict=True)]
        floors = [_top(s.flatten(), 1) for s in scores]
        joined = join(scores).double().masked_fill(torch.cat(floors), torch.inf)
        return split_like(_top(joined, self.total), scores)


def join(tensors: Sequence[Tensor]) -> Tensor:
    """Return tensors over the groups of each family as one vector over those of the network."""
    return torch.cat([t.flatten() for t in tensors])


def split_like(joined: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Undo `join`: return views of a vector over all groups, shaped as these tensors."""
    parts = joined.split([t.numel() for t in tensors])
    return [part.view_as(t) for part, t in zip(parts, tensors, strict=True)]


def _top(scores: Tensor, k: int) -> Tensor:
    """Mask of the k highest scores along the last dim, in linear time; of equal ones the first, on every machine."""
    lowest = scores.kthvalue(scores.shape[-1] - k + 1, dim=-1, keepdim=True).values
    above, level = scores > lowest, scores == lowest
    room = k - above.sum(-1, keepdim=True)
    return above | (level & (level.cumsum(-1) <= room))


def _count(parameter: Tensor, dims: tuple[int, ...]) -> int:
    return int(torch.Size([parameter.shape[d] for d in dims]).numel())


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
