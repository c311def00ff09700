"""Continuations: the number of groups goes from m down to k over a part of the phase, and is k from then on.

Not the strength is annealed but the count. A strength that has to be raised until k is reached depends on the scale of
the gradients, on their noise and on the learning rate; a count does not. docs/k-level.md has the experiments.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from annotated_types import Le
from torch import Tensor

from methods.base import Positive
from methods.groups import Budget, Groups, top
from methods.problems import Problem

ANNEALED = 0.6  # the part of the phase over which the number of groups goes from m to k, where nobody says otherwise
Part = Annotated[Positive, Le(1)]


def still(progress: float, length: float, power: int) -> float:
    """Return (1 - p / length)^power at progress p, 0 from `length` on: the part of what has to go that is still there.

    The cubic of Zhu and Gupta, "To prune, or not to prune", 2017, removes most groups early. Linear where groups that
    have to go take the others with them: a step that removes a group of norm t shrinks the survivors by about t, and
    training has to have the time to undo that.
    """
    return max(0.0, 1 - progress / length) ** power


def groups_left(problem: Problem, progress: float, length: float = ANNEALED, power: int = 1) -> float:
    """n(p) = k + (m - k) (1 - p / length)^power, real, in [k, m]."""
    return problem.k + (problem.norms.shape[-1] - problem.k) * still(progress, length, power)


def budget_left(groups: Groups, budget: Budget, progress: float, length: float) -> Budget:
    """Return a budget of n(p) groups, along the cubic and rounded, in place of k: of each row, or of the network."""
    rest = still(progress, length, power=3)
    per_family = [k + round((f.shape[-1] - k) * rest) for k, f in zip(budget.per_family, groups, strict=True)]
    total = budget.total + round((sum(groups.sizes) - budget.total) * rest)
    return replace(budget, per_family=tuple(per_family), total=total)


def boundary(importance: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the mask of the `count` most important groups, and the highest importance below theirs, shape (..., 1).

    The level is 0 where nothing is below. A group outside the mask that ties with the last one in it has to go too,
    and then the level is the next lower one, so that those in the mask stay above it.
    """
    if count >= importance.shape[-1]:
        return torch.ones_like(importance, dtype=torch.bool), importance.new_zeros(*importance.shape[:-1], 1)
    kept = top(importance, count)
    least = torch.where(kept, importance, torch.inf).amin(-1, keepdim=True)
    return kept, torch.where(importance < least, importance, 0.0).amax(-1, keepdim=True)


def lasso_leaving(problem: Problem, count: int) -> tuple[Tensor, Tensor]:
    """Factors of block soft thresholding that leave exactly `count` groups, and the strength lr lam of it, shape (...).

    The strength is the highest importance that has to go: the next breakpoint of the lasso's path. The floor shrinks
    with the others, and stays as it is where it would vanish.
    """
    kept, level = boundary(problem.importance, count)
    w = problem.norms / problem.weights.sqrt()
    factors = torch.where(kept & (w > level), (w - level) / torch.where(w > 0, w, 1.0), 0.0)
    if problem.floor is not None:
        factors = torch.where(problem.floor & (factors == 0), 1.0, factors)
    return factors, level.squeeze(-1)
