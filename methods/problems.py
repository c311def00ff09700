"""The problems that a budget poses: one for each family, or one for the whole network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from methods.batched import prox_factors_of
from methods.coordinates import values_of
from methods.groups import Budget, Family, Groups, join, split, top
from methods.levels import Level, envelope_bend, sizes, unknown
from methods.metric import Metric

TINY = 1e-300  # least norm in a denominator
LIMIT = 1 - 1e-9  # of g d_j: from 1 on the step of the gap is not convex, and its minimiser is the hard choice
Strength = float | Tensor  # a number on the host, or one on its device, for which nobody waits


@dataclass(frozen=True)
class Problem:
    """The groups that share a budget k, for a proximal step. Tensors are float64 of shape (m,) or (rows, m).

    norms: t_j, in the metric of the optimiser: see `methods.metric`. weights: d_j, likewise; shape (1,) if all are
    equal. k: budget of each row.
    floor: mask of the largest group of each family that must keep one, if several families share the problem. These
    groups are never removed, count in k, and decay as the survivors do. None if each family has its own k.
    on_floor: the number of groups on the floor. level: of the last step of this problem, replaced by the next.
    """

    norms: Tensor
    weights: Tensor
    k: int
    floor: Tensor | None = None
    on_floor: int = 0
    level: Level = field(default_factory=unknown)

    @property
    def size(self) -> int:
        """Number of groups of a row, m."""
        return self.norms.shape[-1]

    @property
    def weight(self) -> float | None:
        """d, if all weights are equal, each problem is one row, and the numbers are at hand: on the CPU; else None."""
        at_hand = self.weights.numel() == 1 and self.norms.dim() == 1 and self.weights.device.type == "cpu"
        return float(self.weights) if at_hand else None

    @property
    def finite(self) -> bool:
        """Whether all norms are finite, and that can be seen at once: on the CPU."""
        return self.norms.device.type == "cpu" and math.isfinite(float(self.norms.sum()))

    @property
    def heaviest(self) -> Strength:
        """The largest d_j; on an accelerator it stays there."""
        return float(self.weights.max()) if self.weights.device.type == "cpu" else self.weights.max()

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
        return k - self.on_floor

    def kept(self) -> Tensor:
        """Return the mask (bool) of the k groups of highest importance."""
        return top(self.importance, self.k)


def divide(
    groups: Groups,
    budget: Budget,
    weights: Sequence[Tensor],
    metrics: Sequence[Metric] | None,
    levels: Sequence[Level] | None = None,
) -> list[Problem]:
    """Return the problems of a network at its present values.

    weights: d_j, one tensor a family, shaped as its norms or (1,). metrics: H of each family, see `methods.metric`;
    None for 1. A metric that varies within a group is replaced by a mean h_j over the group, weighted towards large
    values: h_j t_j = ||H theta_j||, so that groups are removed in the order of the exact prox. levels: of the last step
    of each problem.
    """
    levels = levels or [unknown() for _ in groups]
    norms, weights = groups.norms(), list(weights)
    if metrics is not None:
        scales = [group_metric(*one) for one in zip(groups, norms, metrics, strict=True)]
        norms = [n * h**0.5 for n, h in zip(norms, scales, strict=True)]
        weights = [d / h for d, h in zip(weights, scales, strict=True)]
    if budget.scope == "layer":
        each = zip(norms, weights, budget.per_family, levels, strict=True)
        return [Problem(n, d, k, level=level) for n, d, k, level in each]
    floor = budget.floor([n / d.sqrt() for n, d in zip(norms, weights, strict=True)])
    return [Problem(join(norms), _joined(weights, norms), budget.total, floor, sum(budget.floors), levels[0])]


def _joined(weights: Sequence[Tensor], norms: Sequence[Tensor]) -> Tensor:
    """Return the weights over all groups; one, if all are equal and that can be seen without waiting for a device."""
    at_hand = all(d.numel() == 1 and d.device.type == "cpu" for d in weights)
    if at_hand and len({float(d) for d in weights}) == 1:
        return weights[0]
    return join([d.expand_as(n) for n, d in zip(norms, weights, strict=True)])


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


def envelope_factors(
    problems: Sequence[Problem], budgets: Sequence[float], strengths: Sequence[Strength]
) -> list[Tensor]:
    """Return the factors of the prox of the envelope, for a real budget and a strength lr lam of each problem.

    The floor is saturated: it only decays, by 1 / (1 + c_j).
    """

    def by_level(p: Problem, k: float, strength: float, weight: float) -> Tensor | None:
        return _by_level(p, k, strength * weight, decay=True)

    def together(problems: list[Problem], budgets: list[float], strengths: list[Strength]) -> list[Tensor]:
        rooms = [p.room(k) for p, k in zip(problems, budgets, strict=True)]
        factors = prox_factors_of([p.free for p in problems], rooms, strengths, [p.weights for p in problems])
        return [
            f if p.floor is None else torch.where(p.floor, 1 / (1 + c * p.weights), f)
            for p, f, c in zip(problems, factors, strengths, strict=True)
        ]

    return _either(problems, budgets, strengths, by_level, together)


def debiased_factors(
    problems: Sequence[Problem], budgets: Sequence[float], strengths: Sequence[Strength]
) -> list[Tensor]:
    """Factors of prox_{g gap} against theta_j, at most 1, for a strength g of each problem; g d_j is cut at LIMIT."""

    def by_level(p: Problem, k: float, strength: float, weight: float) -> Tensor | None:
        return _by_level(p, k, gap_strength(strength * weight), decay=False)

    def together(problems: list[Problem], budgets: list[float], strengths: list[Strength]) -> list[Tensor]:
        cut = [_least(g, LIMIT / p.heaviest) for p, g in zip(problems, strengths, strict=True)]
        left = [1 - g * p.weights for p, g in zip(problems, cut, strict=True)]
        pairs = zip(problems, left, strict=True)
        points = [replace(p, norms=p.norms / m.sqrt(), weights=p.weights / m) for p, m in pairs]
        return [torch.clamp(f / m, max=1) for f, m in zip(envelope_factors(points, budgets, cut), left, strict=True)]

    return _either(problems, budgets, strengths, by_level, together)


def gap_strength(g: float) -> float:
    """Return the strength c of the envelope whose step is that of its gap of strength g; both times d_j."""
    g = min(g, LIMIT)
    return g / (1 - g)


def _either(
    problems: Sequence[Problem],
    budgets: Sequence[float],
    strengths: Sequence[Strength],
    alone: Callable[[Problem, float, float, float], Tensor | None],
    together: Callable[[list[Problem], list[float], list[Strength]], list[Tensor]],
) -> list[Tensor]:
    """Return the factors of each problem: alone, by a level, where that is a way, and of all the others together."""
    found: list[Tensor | None] = []
    for p, k, c in zip(problems, budgets, strengths, strict=True):
        weight = p.weight
        found.append(None if weight is None or isinstance(c, Tensor) else alone(p, k, c, weight))
    left = [i for i, factors in enumerate(found) if factors is None]
    if left:
        others = together([problems[i] for i in left], [budgets[i] for i in left], [strengths[i] for i in left])
        for i, factors in zip(left, others, strict=True):
            found[i] = factors
    return [f for f in found if f is not None]


def _by_level(problem: Problem, budget: float, c: float, *, decay: bool) -> Tensor | None:
    """Return the factors of the envelope, or of its gap, for equal weights: see `methods.levels`."""
    free = problem.free
    norms = sizes(free)
    room, largest = problem.room(budget), norms.largest()
    bend = envelope_bend(norms, room, c, problem.level, decay=decay, largest=largest, digits=True)
    if bend is None:
        return None
    factors = bend.factors(free)
    return factors if problem.floor is None else factors.masked_fill_(problem.floor, bend.outer)


def _least(g: Strength, limit: Strength) -> Strength:
    if isinstance(limit, Tensor):
        return torch.minimum(g, limit) if isinstance(g, Tensor) else limit.clamp(max=g)
    return g.clamp(max=limit) if isinstance(g, Tensor) else min(g, limit)
