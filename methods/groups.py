"""Groups of parameters: the only view of a network that a method has.

A `Family` is m groups of one kind and layout (for example the filters of one layer), a `Groups` holds all families
of a network, and a `Budget` sets how many groups survive, and in which scope.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from methods.members import Member, Term

Scope = Literal["layer", "network"]
Measure = Literal["raw", "gamma", "folded"]  # of a group: `runners.networks.groupings.measures`


@dataclass(frozen=True)
class Family:
    """m groups of one kind and layout.

    members: the parts of the groups: group j is the union of slice j of every member, so all members have equally
        many slices. A pair (parameter, dims) suffices if the groups are plain slices of the parameter: (0,) for
        filters, (1,) for input channels, (1, 2, 3) for filter shapes, every dim for single elements, () for one
        group of all values. See `Member` for more.
    rows: 1 for one problem of m groups; B for B independent problems of m groups each, all with the same budget
        (N:M sparsity: rows of M elements). Tensors over the groups then have shape (B, m).
    floor: whether the network needs one group of this family, as it does of a layer but not of residual branches.
    terms: the summands of the groups' norms. Empty: raw, the Euclidean norm over all members.
    """

    name: str
    members: Sequence[Member | tuple[Tensor, tuple[int, ...]]]
    rows: int = 1
    floor: bool = True
    terms: Sequence[Term] = ()

    def __post_init__(self) -> None:
        """Raise ValueError, which names the family, if its members disagree on the number of groups."""
        counts = {m.groups for m in (*self.parts, *self.measured)}
        if len(counts) != 1:
            raise ValueError(f"family {self.name}: its members have {sorted(counts)} groups, must be one number")
        if counts.pop() % self.rows:
            raise ValueError(f"family {self.name}: its groups do not fill {self.rows} rows")

    @cached_property
    def parts(self) -> tuple[Member, ...]:
        """The members, pairs converted to `Member`."""
        return tuple(Member(*m) for m in self.members)

    @property
    def is_raw(self) -> bool:
        """Whether the norm of a group is the Euclidean norm over all members."""
        return not self.terms

    @cached_property
    def measured(self) -> tuple[Member, ...]:
        """The members that the norms depend on and that factors other than 0 scale; if raw, all members."""
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
        """Device of the parameters."""
        return self.parts[0].parameter.device

    @torch.no_grad()
    def norms(self, p: int = 2) -> Tensor:
        """Return the p-norm of each group for p = 1 or 2, shape `shape`, always float64.

        The norm is over all members, or over the terms if there are any, from the present values. Powers are summed in
        float64, which holds the squares of all finite float32 values (of float64 parameters, for norms within 1e-150
        to 1e150). Values that are not finite give norms that are not finite.
        """
        if self.is_raw and len(self.parts) == 1 and self.elements == 1:  # the norm of one element
            return self.parts[0].magnitudes().double().view(self.shape)
        if self.is_raw and p == 2:
            norms = functools.reduce(torch.hypot, [m.norms() for m in self.parts])
            return norms if self.rows == 1 else norms.view(self.shape)
        powers = torch.stack([m.power_sums(p) for m in self.terms or self.parts]).sum(0)
        return (powers.sqrt_() if p == 2 else powers).view(self.shape)

    @torch.no_grad()
    def scale_(self, factors: Tensor, *, finite: bool = False) -> None:
        """Multiply group j by factors[j] in place.

        A factor of 0 sets all members to exact zeros, also inf and NaN. Other factors scale the `measured` members
        only, so that the norm of the group is multiplied by the factor under every measure.
        factors: shape `shape`, any floating dtype or bool; rounded to the dtype of each parameter first.
        finite: whether the caller knows that all values are finite, so that a product with 0 is 0.
        """
        factors = factors.reshape(-1)
        for member in self.parts:
            scaled = id(member.parameter) in self._scaled
            member.scale_(factors if scaled else factors.to(member.parameter.dtype) != 0, finite=finite)

    @cached_property
    def _scaled(self) -> frozenset[int]:
        return frozenset(id(m.parameter) for m in self.measured)

    @torch.no_grad()
    def alive(self) -> Tensor:
        """Return the mask (bool, `shape`) of the groups with at least one value that is not exactly zero."""
        return torch.stack([m.alive() for m in self.parts]).any(0).view(self.shape)

    def nonzero(self) -> int:
        """Return the number of groups with at least one value that is not exactly zero."""
        return int(self.alive().sum())


class NothingToDivide(ValueError):
    """A network without any group of the requested grouping."""


class Groups:
    """All families of one network, in the order of the network. At least one family."""

    def __init__(self, families: Sequence[Family]) -> None:
        """Raises NothingToDivide if there is no family, ValueError if two families share a name."""
        if not families:
            raise NothingToDivide("the grouping found nothing to divide in this network")
        if len({f.name for f in families}) != len(families):
            raise ValueError("two families have the same name")
        self.families = tuple(families)

    def __len__(self) -> int:
        """Return the number of families."""
        return len(self.families)

    def __iter__(self) -> Iterator[Family]:
        """Iterate over the families in the order of the network."""
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
        """Return every parameter that is a member of a group, once."""
        return _once(m for f in self for m in f.parts)

    def measured_parameters(self) -> list[Tensor]:
        """Return every parameter that the norms depend on, once: the parameters that a proximal step shrinks."""
        return _once(m for f in self for m in f.measured)

    @cached_property
    def measured_ids(self) -> frozenset[int]:
        """`id` of each of `measured_parameters`."""
        return frozenset(map(id, self.measured_parameters()))

    def norms(self) -> list[Tensor]:
        """Return the group norms, one tensor a family: see `Family.norms`."""
        return [f.norms() for f in self]

    def scale_(self, factors: Sequence[Tensor], *, finite: bool = False) -> None:
        """Scale every family in place by one tensor of factors each: see `Family.scale_`."""
        for family, factor in zip(self, factors, strict=True):
            family.scale_(factor, finite=finite)

    def nonzero(self) -> list[int]:
        """Return the number of non-zero groups, one number a family."""
        return [f.nonzero() for f in self]


def _once(members: Iterable[Member]) -> list[Tensor]:
    return list({id(m.parameter): m.parameter for m in members}.values())


@dataclass(frozen=True)
class Budget:
    """The number k of groups that survive.

    scope: `layer` sets a k for each family; `network` sets one k over all families.
    per_family: k of each row of each family (scope layer; with one row, k of the family).
    total: k of the whole network.
    floors: for scope network, whether each family has to keep a group; empty for scope layer.
    round_to: a family keeps a multiple of this number of groups, or all of them. per_family is rounded up already; for
        scope network `select` rounds up, so that at least `total` groups are kept.
    """

    scope: Scope
    keep: float
    per_family: tuple[int, ...]
    total: int
    floors: tuple[bool, ...] = ()
    round_to: int = 1

    @classmethod
    def of(cls, groups: Groups, keep: float, scope: Scope = "layer", round_to: int = 1) -> Budget:
        """Return k = round(keep m), halves to even, at least one group for each family that needs one, and one in all.

        round_to: k of each family is rounded up to a multiple of this number, at most m.
        Raises ValueError if keep is outside (0, 1], or round_to below 1.
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
        """Return the target number of groups: one number a family, or one number for scope network.

        For scope network with round_to this is the least number of groups that are kept.
        """
        if self.scope == "network":
            return [self.total]
        return [k * f.rows for k, f in zip(self.per_family, groups, strict=True)]

    def select(self, scores: Sequence[Tensor]) -> list[Tensor]:
        """Return masks (bool, shaped as the scores) of exactly k groups: those with the highest scores.

        Among equal scores the first group wins. For scope network the best group of each family with a floor is
        always kept, so that no layer disappears, and the rest of the budget selects the best of all groups. With
        round_to, every family that keeps any groups then also keeps its next best, up to a multiple of round_to.
        Raises ValueError if a score is NaN.
        """
        if any(bool(s.isnan().any()) for s in scores):
            raise ValueError("scores hold NaN: the network diverged")
        if self.scope == "layer":
            return [top(s, k) for s, k in zip(scores, self.per_family, strict=True)]
        joined = join(scores).double().masked_fill(self.floor(scores), torch.inf)
        masks = split(top(joined, self.total), [s.shape for s in scores])
        return [_filled(m, s, self.round_to) for m, s in zip(masks, scores, strict=True)]

    def floor(self, scores: Sequence[Tensor]) -> Tensor:
        """Return the mask (bool) over all groups of the network of the best group of each family with a floor."""
        best = zip(scores, self.floors, strict=True)
        return join([top(s.flatten(), 1) if needed else torch.zeros_like(s, dtype=torch.bool) for s, needed in best])


def _up(k: int, m: int, multiple: int) -> int:
    """Round k up to a multiple, at most m."""
    return min(m, -(-k // multiple) * multiple)


def _filled(mask: Tensor, scores: Tensor, multiple: int) -> Tensor:
    """Extend the mask of a family's best groups to a multiple of groups; an empty mask stays empty."""
    if multiple == 1 or not mask.any():
        return mask
    k = _up(int(mask.sum()), mask.numel(), multiple)
    return top(scores.flatten(), k).view_as(mask)


def join(tensors: Sequence[Tensor]) -> Tensor:
    """Concatenate tensors over the groups of each family to one vector over all groups of the network."""
    return torch.cat([t.flatten() for t in tensors])


def split(joined: Tensor, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """Undo `join`: return views of a vector over all groups, in these shapes."""
    parts = joined.split([math.prod(shape) for shape in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


def top(scores: Tensor, k: int) -> Tensor:
    """Return the mask (bool) of the k highest scores along the last dim, k in 1..m, in linear time.

    Among equal scores the first ones are taken, on every machine.
    """
    lowest = scores.kthvalue(scores.shape[-1] - k + 1, dim=-1, keepdim=True).values
    above, level = scores > lowest, scores == lowest
    room = k - above.sum(-1, keepdim=True)
    return above | (level & (level.cumsum(-1) <= room))
