"""The paper's method: the weighted group sparse envelope function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Fraction, Method, NonNegative, Start
from methods.envelope import prox_factors
from methods.groups import Budget, Groups
from methods.schedules import ramp_up


class WGSEF(Method):
    """Train with lam Omega_k, the tightest convex under-estimator of ridge + "at most k groups are not zero".

    The proximal step is theta_j <- s_j theta_j with the factors of `methods.envelope.prox_factors` at strength
    lr lam: small groups become exactly zero, middle ones shrink by a constant, the k large ones only decay. Scope
    layer solves one problem a family, scope network one over the groups of all families.
    Source: Refael, Arbel, Huleihel, "Learning k-Level Structured Sparse Neural Networks Using Group Envelope
    Regularization", TMLR 2024, arXiv 2212.12921.
    """

    name: ClassVar[str] = "wgsef"
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
        """Take the proximal step."""
        self._now = self.lam * ramp_up(progress, self.ramp)
        self.groups.scale_(self._factors(self.groups.norms(), lr * self._now))

    def diagnostics(self) -> Mapping[str, float]:
        """Return the strength now."""
        return {"lam": self._now}

    def _factors(self, norms: list[Tensor], strength: float) -> list[Tensor]:
        if self.budget.scope == "layer":
            pairs = zip(norms, self.budget.per_family, strict=True)
            return [prox_factors(n, k, strength) for n, k in pairs]
        joined = prox_factors(torch.cat([n.flatten() for n in norms]), self.budget.total, strength)
        return [f.view_as(n) for f, n in zip(joined.split([n.numel() for n in norms]), norms, strict=True)]
