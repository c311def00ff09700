"""The group lasso, by proximal gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Fraction
from methods.continuation import groups_left, lasso_leaving
from methods.groups import Budget, Groups
from methods.problems import Problem
from methods.proximal import Lam, Proximal


class GroupLasso(Proximal):
    """Train with lam sum_j sqrt(p_j) ||theta_j||, p_j the number of parameters in group j; zeros are exact.

    The proximal step is block soft thresholding, theta_j <- max(0, 1 - lr lam sqrt(p_j) / ||theta_j||) theta_j.
    The regulariser does not know k: a given lam decides how many groups are left, and the runner projects to k.

    lam = auto aims at k, as wgsef's does, so that the comparison is fair: at each step the threshold is the least one
    that leaves n(p) groups, n(p) falling from m to k over 60 % of the phase (`methods.continuation`).

    Source: Yuan and Lin, "Model Selection and Estimation in Regression with Grouped Variables", JRSS B 2006; in
    networks Wen et al., "Learning Structured Sparsity in Deep Neural Networks", NeurIPS 2016.
    """

    name: ClassVar[str] = "group_lasso"

    def __init__(self, groups: Groups, budget: Budget, *, lam: Lam = "auto", ramp: Fraction = 0.5) -> None:
        """lam: one number, or one a family, or auto. ramp: the part of the phase over which a number rises from 0."""
        super().__init__(groups, budget, lam=lam, ramp=ramp, weights="size")

    def prox(self, problems: Sequence[Problem], strengths: Sequence[float]) -> list[Tensor]:
        """Soft-threshold every group."""
        thresholds = [strength * p.weights.sqrt() for p, strength in zip(problems, strengths, strict=True)]
        # a group at or below the threshold gets an exact 0, a zero group stays 0 without a division by it
        pairs = zip(problems, thresholds, strict=True)
        return [torch.where(p.norms > t, 1 - t / p.norms, 0.0) for p, t in pairs]

    def reach(self, problems: Sequence[Problem], lr: float, progress: float, part: float) -> list[Tensor]:
        """Factors that leave n(p) groups, by the threshold."""
        found = [lasso_leaving(p, round(groups_left(p, progress))) for p in problems]
        self._now = torch.stack([strength.mean() for _, strength in found]).mean() / lr if lr > 0 else 0.0
        return [factors for factors, _ in found]

    def value(self, problems: Sequence[Problem]) -> float:
        """sum_j sqrt(p_j) ||theta_j||."""
        return sum(float((p.weights.sqrt() * p.norms).sum()) for p in problems)
