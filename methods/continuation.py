"""`lam: auto`: continuations that bring every problem to exactly its k, whatever the network and without a constant.

What is annealed is the number of groups, not the strength: from m down to k over the first 60 % of the phase, k from
then on. A strength that has to be raised until k is reached depends on the scale of the gradients, on their noise and
on the learning rate; a count does not. How each regulariser gets to leave a given number of groups is said below;
docs/k-level.md has the experiments behind it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from methods.groups import top
from methods.problems import Problem

TINY = 1e-290  # a level of zero: whatever is above it is far above it
ANNEALED = 0.6  # the part of the phase over which the number of groups goes from m to k


def groups_left(problem: Problem, progress: float, power: int = 1) -> float:
    """n(p) = k + (m - k) (1 - p / 0.6)^power at progress p, k from 60 % on; real, in [k, m].

    Linear where groups that have to go take the others with them: a prox that removes a group of norm t shrinks the
    survivors by about t, and training has to have the time to undo that. The cubic of Zhu and Gupta, "To prune, or not
    to prune", 2017, removes most groups early.
    """
    m = problem.norms.shape[-1]
    return problem.k + (m - problem.k) * max(0.0, 1 - progress / ANNEALED) ** power


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


def envelope_leaving(problem: Problem, count: int, strength: float | Tensor) -> tuple[Tensor, Tensor]:
    """Factors of the prox of the envelope that leaves exactly `count` groups, and its budget, shape (...).

    A prox of strength c leaves at least k groups, usually more. Either c has to rise up to t_(k+1) / (t_(k) - t_(k+1)),
    which scales all survivors by 1 - t_(k+1) / t_(k), or the budget has to fall. Here the budget falls: among the
    real budgets up to `count` it is the largest for which no more than `count` groups are left. With w_j the
    importance and level the highest one to go,

        u_j = clip(c_j (w_j / level - 1), 0, 1),   budget = sum_j u_j,   factor_j = u_j / (u_j + c_j),

    which is the prox at alpha = 1 / level: see `methods.envelope.prox_factors`. As soon as the groups that have to go
    are small against the others, all u_j are 1, and the budget is `count` itself.

    strength: lr lam > 0, a number or of shape ().
    """
    w, c = problem.importance, strength * problem.weights
    kept, level = boundary(w, count)
    # (w - level) / level and not w / level - 1: a group just above the level must not round to zero
    u = (w - level).mul_(c / level.clamp(min=TINY)).clamp_(0, 1).mul_(kept)
    return u / (u + c), u.sum(-1)


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
