"""The group lasso with a schedule of thresholds that ends at exactly k groups."""

from __future__ import annotations

from typing import ClassVar

import torch

from methods.continuation import ANNEALED, Part, groups_left, lasso_leaving
from methods.group_lasso import GroupLasso
from methods.groups import Budget, Groups


class GroupLassoK(GroupLasso):
    """Soft-threshold, at each step, at the least strength that leaves n(p) groups; n(p) falls linearly from m to k.

    A greedy choice by a path of the lasso: the threshold is the norm of the largest group that has to go, and each
    group that goes takes its norm from every survivor. It is k from the end of the annealing on, when the losers are
    gone, and no strength has to be found. In versions of klevel before protocol 2 this was `lam: auto` of group_lasso,
    and up to rounding that of wgsef.

    Source: the step is that of `group_lasso`; the schedule is klevel's, after Zhu and Gupta 2017 (`gmp`).
    """

    name: ClassVar[str] = "group_lasso_k"

    def __init__(self, groups: Groups, budget: Budget, *, anneal: Part = ANNEALED) -> None:
        """anneal: the part of the phase over which the number of groups falls to k."""
        super().__init__(groups, budget, lam=0.0)
        self.anneal = anneal

    def after_step(self, lr: float, progress: float) -> None:
        """Threshold so that n(p) groups are left."""
        found = [lasso_leaving(p, round(groups_left(p, progress, self.anneal))) for p in self.problems()]
        self._now = torch.stack([strength.mean() for _, strength in found]).mean() / lr if lr > 0 else 0.0
        self.shrink_([factors for factors, _ in found])
