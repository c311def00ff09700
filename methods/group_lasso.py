"""The group lasso, by proximal gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Fraction
from methods.coordinates import Points, lasso_prox
from methods.groups import Budget, Groups
from methods.in_place import InPlace
from methods.levels import Level
from methods.problems import Problem
from methods.proximal import Lam, Proximal


class GroupLasso(Proximal):
    """Train with lam sum_j sqrt(p_j) ||theta_j||, p_j the number of parameters in group j; zeros are exact.

    The proximal step is block soft thresholding, theta_j <- max(0, 1 - lr lam sqrt(p_j) / ||theta_j||) theta_j, in the
    metric of the optimiser. The regulariser does not know k: lam decides how many groups are left, and the runner
    projects to k. lam = bound takes the least one that holds the m - k smallest groups at zero, family by family, as
    for wgsef; `group_lasso_k` is the schedule of thresholds that ends at k.

    Source: Yuan and Lin, "Model Selection and Estimation in Regression with Grouped Variables", JRSS B 2006; in
    networks Wen et al., "Learning Structured Sparsity in Deep Neural Networks", NeurIPS 2016.
    """

    name: ClassVar[str] = "group_lasso"

    def __init__(self, groups: Groups, budget: Budget, *, lam: Lam = "bound", ramp: Fraction = 0.0) -> None:
        """lam: one number, or one a family, or bound. ramp: the part of the phase over which it rises from 0."""
        super().__init__(groups, budget, lam=lam, ramp=ramp, weights="size")

    def prox(self, problems: Sequence[Problem], strengths: Sequence[float]) -> list[Tensor]:
        """Soft-threshold every group."""
        thresholds = [strength * p.weights.sqrt() for p, strength in zip(problems, strengths, strict=True)]
        # a group at or below the threshold gets an exact 0, a zero group stays 0 without a division by it
        pairs = zip(problems, thresholds, strict=True)
        return [torch.where(p.norms > t, 1 - t / p.norms, 0.0) for p, t in pairs]

    def prox_(self, problem: InPlace, strength: float, level: Level) -> bool:
        """Soft-threshold every element in place."""
        return problem.soften_(strength * problem.weight**0.5 / problem.metric)

    def prox_at(self, points: Sequence[Points], budget: float, strength: float, shape: tuple[int, ...]) -> list[Tensor]:
        """Values of the prox, each group by itself."""
        return [lasso_prox(point, strength) for point in points]

    def pull(self, problem: Problem) -> Tensor:
        """Return sqrt(p_j)."""
        return problem.weights.sqrt()

    def value(self, problems: Sequence[Problem]) -> float:
        """sum_j sqrt(p_j) ||theta_j||."""
        return sum(float((p.weights.sqrt() * p.norms).sum()) for p in problems)
