"""Groups of parameters: the only view of a network that a method has.

A `Family` is m groups of one kind and layout (the filters of one layer, say), a `Groups` is all families of a
network, a `Budget` is how many of the groups may survive and where.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from methods.members import Member, Term

Scope = Literal["layer", "network"]
Measure = Literal["raw", "gamma", "folded"]  # what the size of a group is: see `runners.groupings.measures`


@dataclass(frozen=True)
class Family:
    """m groups of one kind and layout.

    members: what the groups are made of: group j is what every member says of group j taken together, so all members
        have equally many. A pair (parameter, dims) will do where slices of the parameter are the groups: (0,) for
        filters, (1,) for input channels, (1, 2, 3) for filter shapes, every dim for single elements, () for one
        group of it all. See `Member` for the rest.
    rows: 1 for one problem of m groups; B where the groups are B independent problems of m groups each, all with
        the same budget (N:M sparsity: rows of M elements). Tensors over the groups then have shape (B, m).
    floor: whether one group has to survive for the network to work, as of a layer; a residual branch may go.
    terms: what the groups are measured by, where that is not the Euclidean norm of all members. Empty: raw.
    """

    name: str
    members: Sequence[Member | tuple[Tensor, tuple[int, ...]]]
    rows: int = 1
    floor: bool = True
    terms: Sequence[Term] = ()

    def __post_init__(self) -> None:
        """Refuse members that disagree on the number of groups. Raises ValueError naming the family."""
        counts = {m.groups for m in (*self.parts, *self.measured)}
        if len(counts) != 1:
            raise ValueError(f"family {self.name}: its members have {sorted(counts)} groups, must be one number")
        if counts.pop() % self.rows:
            raise ValueError(f"family {self.name}: its groups do not fill {self.rows} rows")

    @cached_property
    def parts(self) -> tuple[Member, ...]:
        """The members, each spelled out."""
        return tuple(Member(*m) for m in self.members)

    @property
    def is_raw(self) -> bool:
        """Whether the groups are measured by all of their members alike."""
        return not self.terms

    @cached_property
    def measured(self) -> tuple[Member, ...]:
        """The members that the norms grow with, and that factors other than 0 scale: all of them where raw."""
        return tuple(t.member for t in self.terms) or self.parts

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a tensor over the groups: (m,), or (rows, m)."""
        return (self.size,) if self.rows == 1 else (self.rows, self.size // self.rows)

    @cached_property
    def size(self) -> int:
        """Number of groups, all rows together."""
        return self.parts[0].groups

    @cached_property
    def elements(self) -> int:
        """Number of single parameters in one group."""
        return sum(m.elements for m in self.parts)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.parts[0].parameter.device

    @torch.no_grad()
    def norms(self, p: int = 2) -> Tensor:
        """p-norm of each group for p = 1 or 2, shape `shape`, float64 whatever the dtype of the parameters.

        Of all members, or of the terms where there are any, from the values as they are now. Powers are summed in
        float64, where the squares of all finite float32 values are in range (of float64 parameters, norms within 1e-150
        to 1e150). What is not finite stays so.
        """
        if self.is_raw and len(self.parts) == 1 and self.elements == 1:  # the norm of one element
            return self.parts[0].magnitudes().double().view(self.shape)
        powers = torch.stack([m.power_sums(p) for m in self.terms or self.parts]).sum(0)
        return (powers.sqrt_() if p == 2 else powers).view(self.shape)

    @torch.no_grad()
    def scale_(self, factors: Tensor) -> None:
        """Multiply group j by factors[j] in place. A factor of 0 gives exact zeros, also where a value is not finite.

        A factor of 0 reaches all members. Others reach those that are measured, all of them where the family is raw, so
        that the norms are scaled alike whatever they are.
        factors: shape `shape`, any floating dtype or bool; rounded to the dtype of each parameter first.
        """
        factors = factors.reshape(-1)
        for member in self.parts:
            scaled = id(member.parameter) in self._scaled
            member.scale_(factors if scaled else factors.to(member.parameter.dtype) != 0)

    @cached_property
    def _scaled(self) -> frozenset[int]:
        return frozenset(id(m.parameter) for m in self.measured)

    @torch.no_grad()
    def nonzero(self) -> int:
        """Number of groups with at least one value that is not exactly zero."""
        return int(torch.stack([m.alive() for m in self.parts]).any(0).sum())


class NothingToDivide(ValueError):
    """A network without any group of the kind that is asked for."""


class Groups:
    """All families of one network, in the order of the network. At least one family."""

    def __init__(self, families: Sequence[Family]) -> None:
        """Raises NothingToDivide when there is no family, ValueError when two have one name."""
        if not families:
            raise NothingToDivide("the grouping found nothing to divide in this network")
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
    def is_raw(self) -> bool:
        """Whether every family is measured raw."""
        return all(f.is_raw for f in self)

    @property
    def sizes(self) -> list[int]:
        """Number of groups in each family."""
        return [f.size for f in self]

    def parameters(self) -> list[Tensor]:
        """Every parameter that is a member of a group, once."""
        return _once(m for f in self for m in f.parts)

    def measured_parameters(self) -> list[Tensor]:
        """Every parameter that a group is measured by, once: what a proximal step shrinks."""
        return _once(m for f in self for m in f.measured)

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


def _once(members: Iterable[Member]) -> list[Tensor]:
    return list({id(m.parameter): m.parameter for m in members}.values())


@dataclass(frozen=True)
class Budget:
    """How many groups survive: k.

    scope: `layer` sets a k for each family; `network` sets one k over all families.
    per_family: k of each row of each family (scope layer; with one row, k of the family).
    total: k of the whole network.
    floors: whether each family has to keep a group with scope network; empty where each has its own k.
    round_to: the groups that a family keeps are a multiple of it, or all. per_family is rounded up already; with scope
        network it is `select` that rounds up, so that total is the least that is kept.
    """

    scope: Scope
    keep: float
    per_family: tuple[int, ...]
    total: int
    floors: tuple[bool, ...] = ()
    round_to: int = 1

    @classmethod
    def of(cls, groups: Groups, keep: float, scope: Scope = "layer", round_to: int = 1) -> Budget:
        """k = round(keep m), halves to even, never below one group a family that needs one, nor below one in all.

        round_to: k of each family is rounded up to a multiple of it, at most m.
        Raises ValueError where keep is outside (0, 1], or round_to below 1.
        """
        if not 0 < keep <= 1:
            raise ValueError(f"keep = {keep}: must be in (0, 1]")
        if round_to < 1:
            raise ValueError(f"round_to = {round_to}: must be at least 1")
        per_family = tuple(_up(max(1, round(keep * m)), m, round_to) for m in (f.shape[-1] for f in groups))
        if scope == "layer":
            total = sum(k * f.rows for k, f in zip(per_family, groups, strict=True))
            return cls(scope, keep, per_family, total, round_to=round_to)
        floors = tuple(f.floor for f in groups)
        total = max(1, sum(floors), round(keep * sum(groups.sizes)))
        return cls(scope, keep, per_family, total, floors, round_to)

    def targets(self, groups: Groups) -> list[int]:
        """Groups that are to be left: one number a family, or one for the network where the scope is that.

        With scope network and a round_to, the least that are left.
        """
        if self.scope == "network":
            return [self.total]
        return [k * f.rows for k, f in zip(self.per_family, groups, strict=True)]

    def select(self, scores: Sequence[Tensor]) -> list[Tensor]:
        """Masks (bool, shaped as the scores) of exactly k groups: those with the highest scores.

        Among equal scores the first group wins. With scope network the best group of each family with a floor is
        always kept, so that no layer disappears, and the rest of the budget goes to the best of all. With a round_to
        every family that keeps some then keeps its next best, up to a multiple of that.
        Raises ValueError where a score is NaN.
        """
        if any(bool(s.isnan().any()) for s in scores):
            raise ValueError("scores hold NaN: the network diverged")
        if self.scope == "layer":
            return [top(s, k) for s, k in zip(scores, self.per_family, strict=True)]
        joined = join(scores).double().masked_fill(self.floor(scores), torch.inf)
        masks = split(top(joined, self.total), [s.shape for s in scores])
        return [_filled(m, s, self.round_to) for m, s in zip(masks, scores, strict=True)]

    def floor(self, scores: Sequence[Tensor]) -> Tensor:
        """Mask (bool) over all groups of the network: the best one of each family that must not disappear."""
        best = zip(scores, self.floors, strict=True)
        return join([top(s.flatten(), 1) if needed else torch.zeros_like(s, dtype=torch.bool) for s, needed in best])


def _up(k: int, m: int, multiple: int) -> int:
    """Return the next multiple from k on, at most m."""
    return min(m, -(-k // multiple) * multiple)


def _filled(mask: Tensor, scores: Tensor, multiple: int) -> Tensor:
    """Return the mask of the best groups of a family with as many more as a multiple needs; of none, none."""
    if multiple == 1 or not mask.any():
        return mask
    k = _up(int(mask.sum()), mask.numel(), multiple)
    return top(scores.flatten(), k).view_as(mask)


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
