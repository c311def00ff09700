"""The problems that a budget poses: one for each family, or one for the whole network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from methods.batched import prox_factors_of
from methods.coordinates import values_of
from methods.groups import Budget, Family, Groups, join, split, top
from methods.metric import Metric

TINY = 1e-300  # least norm in a denominator


@dataclass(frozen=True)
class Problem:
    """The groups that share a budget k, for a proximal step. Tensors are float64 of shape (m,) or (rows, m).

    norms: t_j, in the metric of the optimiser: see `methods.metric`. weights: d_j, likewise; shape (1,) if all are
    equal. k: budget of each row.
    floor: mask of the largest group of each family that must keep one, if several families share the problem. These
    groups are never removed, count in k, and decay as the survivors do. None if each family has its own k.
    """

    norms: Tensor
    weights: Tensor
    k: int
    floor: Tensor | None = None

    @property
    def importance(self) -> Tensor:
        """w_j = t_j / sqrt(d_j): the group of least w_j is removed first. Infinite for the floor."""
        w = self.norms / self.weights.sqrt()
        return w if self.floor is None else w.masked_fill(self.floor, torch.inf)

    @property
    def ridge(self) -> Tensor:
        """1/2 d_j t_j^2, the ridge term of each group."""
        return 0.5 * self.weights * self.norms.square()

    @property
    def free(self) -> Tensor:
        """Norms with 0 for the floor, which is always kept."""
        return self.norms if self.floor is None else self.norms.masked_fill(self.floor, 0)

    def room(self, k: float) -> float:
        """Return the part of the budget k that is left for groups outside the floor."""
        return k if self.floor is None else k - int(self.floor.sum())

    def kept(self) -> Tensor:
        """Return the mask (bool) of the k groups of highest importance."""
        return top(self.importance, self.k)


def divide(
    groups: Groups, budget: Budget, weights: Sequence[Tensor], metrics: Sequence[Metric] | None
) -> list[Problem]:
    """Return the problems of a network at its present values.

    weights: d_j, one tensor a family, shaped as its norms or (1,). metrics: H of each family, see `methods.metric`;
    None for 1. A metric that varies within a group is replaced by a mean h_j over the group, weighted towards large
    values: h_j t_j = ||H theta_j||, so that groups are removed in the order of the exact prox.
    """
    norms, weights = groups.norms(), list(weights)
    if metrics is not None:
        scales = [group_metric(*one) for one in zip(groups, norms, metrics, strict=True)]
        norms = [n * h**0.5 for n, h in zip(norms, scales, strict=True)]
        weights = [d / h for d, h in zip(weights, scales, strict=True)]
    if budget.scope == "layer":
        return [Problem(*one) for one in zip(norms, weights, budget.per_family, strict=True)]
    floor = budget.floor([n / d.sqrt() for n, d in zip(norms, weights, strict=True)])
    everyones = [d.expand_as(n) for n, d in zip(norms, weights, strict=True)]
    return [Problem(join(norms), join(everyones), budget.total, floor)]


def group_metric(family: Family, norms: Tensor, h: Metric) -> Metric:
    """Return h_j = ||H theta_j|| / ||theta_j|| of each group, shaped as its norms, or one number for all.

    norms: norms of the family. h: H, as `methods.metric.metrics` returns it; of a group of norm 0, h_j is the mean.
    """
    if isinstance(h, float):
        return h
    values = values_of(family.measured)
    plain = values.norm(dim=1)
    mean = torch.where(plain > 0, (values * h).norm(dim=1) / plain.clamp(min=TINY), h.mean(1))
    return mean.view_as(norms)


def importance(groups: Groups, weights: Sequence[Tensor], metrics: Sequence[Metric]) -> list[Tensor]:
    """Return h_j t_j / sqrt(d_j), one tensor a family: the order in which proximal steps remove groups."""
    each = zip(groups, groups.norms(), weights, metrics, strict=True)
    return [norms * group_metric(family, norms, h) / d.sqrt() for family, norms, d, h in each]


def undivide(per_problem: Sequence[Tensor], groups: Groups, budget: Budget) -> list[Tensor]:
    """Undo `divide`: return tensors over the groups of each problem as one tensor a family, shaped as its norms."""
    if budget.scope == "layer":
        return list(per_problem)
    return split(per_problem[0], [f.shape for f in groups])


def envelope_factors(problems: Sequence[Problem], budgets: Sequence[float], strengths: Sequence[float]) -> list[Tensor]:
    """Return the factors of the prox of the envelope, for a real budget and a strength lr lam of each problem.

    The floor is saturated: it only decays, by 1 / (1 + c_j).
    """
    rooms = [p.room(k) for p, k in zip(problems, budgets, strict=True)]
    weights = [p.weights for p in problems]
    factors = prox_factors_of([p.free for p in problems], rooms, strengths, weights)
    return [
        f if p.floor is None else torch.where(p.floor, 1 / (1 + c * p.weights), f)
        for p, f, c in zip(problems, factors, strengths, strict=True)
    ]
