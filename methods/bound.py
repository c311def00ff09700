"""Estimate the regularisation strength from gradients: the least lam that keeps the m - k smallest groups at zero.

At a stationary point of loss + lam R a group stays zero iff ||gradient_j|| <= lam pull_j, pull_j the largest norm of a
subgradient of R at zero: tau sqrt(d_j) for the envelope, sqrt(d_j) for the group lasso. So with the losers, the m - k
groups of least importance,

    lam = max over the losers of ||mean gradient_j|| / pull_j,

measured while they are not yet zero: in networks with ReLU the gradient of a zero group vanishes for every lam. Each
problem (family, or network) has one lam.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from methods.groups import Budget, Family, Groups, join
from methods.problems import Problem

WINDOW = 0.1  # the first part of the phase: gradients are averaged over it, without the regulariser


class Bound:
    """The mean gradient of the groups over the first steps of a phase, and the strength computed from it."""

    def __init__(self, groups: Groups) -> None:
        """groups: the groups whose gradients are averaged, from the first call of `open` on."""
        self.groups = groups
        self.found: list[float] | None = None
        self._sums: list[Tensor] = []  # of the parameters of all groups, in their order
        self._steps = 0

    @torch.no_grad()
    def open(self, progress: float) -> bool:
        """Add the gradients of a step; return whether more steps are needed.

        Raises ValueError if a parameter has no gradient: clear gradients after this call only.
        """
        if self.found is not None or (progress > WINDOW and self._steps):
            return False
        parameters = self.groups.parameters()
        gradients = [p.grad for p in parameters if p.grad is not None]
        if len(gradients) < len(parameters):
            raise ValueError("lam = bound: needs the gradients of the step; clear them after after_step")
        self._sums = self._sums or [torch.zeros_like(g) for g in gradients]
        torch._foreach_add_(self._sums, gradients)
        self._steps += 1
        return progress <= WINDOW

    def settle(self, problems: Sequence[Problem], pulls: Sequence[Tensor], budget: Budget) -> None:
        """Compute the strength of each problem. pulls: one tensor a problem, shaped as its norms or (1,)."""
        norms = [self._mean(f).norms() for f in self.groups]
        gradients = norms if budget.scope == "layer" else [join(norms)]
        self.found = []
        for problem, gradient, pull in zip(problems, gradients, pulls, strict=True):
            losers = (~problem.kept()) & (pull > 0)
            ratios = torch.where(losers, gradient / pull, 0.0)
            self.found.append(float(ratios.max()))
        self._sums = []

    def _mean(self, family: Family) -> Family:
        means = {id(p): s / self._steps for p, s in zip(self.groups.parameters(), self._sums, strict=True)}
        members = [m._replace(parameter=means[id(m.parameter)]) for m in family.measured]
        return Family(family.name, members, family.rows)
