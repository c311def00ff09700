"""The group lasso, by proximal gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from methods.base import Fraction, Method, NonNegative, Start
from methods.groups import Budget, Groups
from methods.schedules import ramp_up


class GroupLasso(Method):
    """Train with lam sum_j sqrt(p_j) ||theta_j||, p_j the number of parameters in group j; zeros are exact.

    The proximal step is block soft thresholding, theta_j <- max(0, 1 - lr lam sqrt(p_j) / ||theta_j||) theta_j.
    It does not know k: the strength lam decides how many groups are left, and the runner projects to k.
    Source: Yuan and Lin, "Model Selection and Estimation in Regression with Grouped Variables", JRSS B 2006; in
    networks Wen et al., "Learning Structured Sparsity in Deep Neural Networks", NeurIPS 2016.
    """

    name: ClassVar[str] = "group_lasso"
    starts_from: ClassVar[Start] = "scratch"
    trains: ClassVar[bool] = True
    decays: ClassVar[bool] = True

    def __init__(self, groups: Groups, budget: Budget, *, lam: NonNegative, ramp: Fraction = 0.5) -> None:
        """lam: the strength. ramp: the part of the phase over which it rises from 0 as progress squared."""
        super().__init__(groups, budget)
        self.lam = lam
        self.ramp = ramp
        self._now = 0.0

    def after_step(self, lr: float, progress: float) -> None:
        """Take the proximal step of every family."""
        self._now = self.lam * ramp_up(progress, self.ramp)
        for family in self.groups:
            threshold = lr * self._now * family.elements**0.5
            norms = family.norms()
            # a group at or below the threshold gets an exact 0, a zero group stays 0 without a division by it
            family.scale_(torch.where(norms > threshold, 1 - threshold / norms, 0.0))

    def diagnostics(self) -> Mapping[str, float]:
        """Return the strength now."""
        return {"lam": self._now}
