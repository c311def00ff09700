"""Continuation schedules: the number of groups falls from m to k over the first part of the phase, then stays at k.

The schedules anneal the number of groups, not the strength. A strength that rises until k groups are left depends on
the scale of the gradients, on their noise and on the learning rate; a count does not. See docs/k-level.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from annotated_types import Le
from torch import Tensor

from methods.base import Positive
from methods.groups import Budget, Groups, top
from methods.in_place import InPlace
from methods.problems import Problem

ANNEALED = 0.6  # default: the part of the phase over which the number of groups falls from m to k
Part = Annotated[Positive, Le(1)]


def still(progress: float, length: float, power: int) -> float:
    """Return (1 - p / length)^power at progress p, 0 from `length` on: the share of surplus groups not yet removed.

    power: 3 is the cubic of Zhu and Gupta, "To prune, or not to prune", 2017, which removes most groups early. Use 1
    if removing a group of norm t also shrinks the survivors by about t: training then has time to undo that.
    """
    return max(0.0, 1 - progress / length) ** power


def groups_left(problem: Problem | InPlace, progress: float, length: float = ANNEALED, power: int = 1) -> float:
    """Return n(p) = k + (m - k) (1 - p / length)^power, a real number in [k, m]."""
    return problem.k + (problem.size - problem.k) * still(progress, length, power)


def budget_left(groups: Groups, budget: Budget, progress: float, length: float) -> Budget:
    """Return the budget with k replaced by n(p) of the cubic, rounded: for each row, or for the network."""
    rest = still(progress, length, power=3)
    per_family = [k + round((f.shape[-1] - k) * rest) for k, f in zip(budget.per_family, groups, strict=True)]
    total = budget.total + round((sum(groups.sizes) - budget.total) * rest)
    return replace(budget, per_family=tuple(per_family), total=total)


def boundary(importance: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the mask of the `count` most important groups, and the highest importance below them, shape (..., 1).

    That level is 0 if no group is below. If a group outside the mask ties with the least group inside, the level is
    the next lower importance, so that every group in the mask stays above it.
    """
    if count >= importance.shape[-1]:
        return torch.ones_like(importance, dtype=torch.bool), importance.new_zeros(*importance.shape[:-1], 1)
    kept = top(importance, count)
    least = torch.where(kept, importance, torch.inf).amin(-1, keepdim=True)
    return kept, torch.where(importance < least, importance, 0.0).amax(-1, keepdim=True)


def lasso_leaving(problem: Problem, count: int) -> tuple[Tensor, Tensor]:
    """Return factors of block soft thresholding that leave `count` groups, and its strength lr lam, shape (...).

    The strength is the highest importance among the removed groups: the next breakpoint of the lasso path. The floor
    shrinks as the other groups do, but is left unchanged if it would vanish.
    """
    kept, level = boundary(problem.importance, count)
    w = problem.norms / problem.weights.sqrt()
    factors = torch.where(kept & (w > level), (w - level) / torch.where(w > 0, w, 1.0), 0.0)
    if problem.floor is not None:
        factors = torch.where(problem.floor & (factors == 0), 1.0, factors)
    return factors, level.squeeze(-1)
