"""Gradual magnitude pruning."""

from __future__ import annotations

from typing import ClassVar

from methods.base import Method, Start
from methods.continuation import ANNEALED, Part, budget_left
from methods.groups import Budget, Groups


class GMP(Method):
    """Keep, after each step, the n(p) groups of largest norm; n(p) falls from m to k as a cubic, and is k after that.

        n(p) = k + (m - k) (1 - p / anneal)^3

    The choice is hard, the survivors are trained as ever, weight decay included, and zeros stay.
    Source: Zhu and Gupta, "To prune, or not to prune: exploring the efficacy of pruning for model compression", 2017,
    on groups in place of single weights.
    """

    name: ClassVar[str] = "gmp"
    starts_from: ClassVar[Start] = "scratch"
    trains: ClassVar[bool] = True

    def __init__(self, groups: Groups, budget: Budget, *, anneal: Part = ANNEALED) -> None:
        """anneal: the part of the phase over which the number of groups falls to k."""
        super().__init__(groups, budget)
        self.anneal = anneal

    def after_step(self, lr: float, progress: float) -> None:
        """Zero all but the n(p) largest groups."""
        budget = budget_left(self.groups, self.budget, progress, self.anneal)
        self.groups.scale_(budget.select(self.scores()))

    def settled(self, progress: float) -> bool:
        """Return whether k groups have been chosen: zeros stay."""
        return progress >= self.anneal
