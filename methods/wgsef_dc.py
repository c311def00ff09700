"""The debiased variant of the paper's method: an exact penalty for the k-level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from torch import Tensor

from methods.base import Fraction, Method, NonNegative, Start
from methods.envelope import prox_factors
from methods.groups import Budget, Groups, join, split_like
from methods.proximal import ramp_up

ANNEALED = 0.6  # the part of the phase over which `auto` brings the budget from m down to k
STRENGTH = 1.0  # c = lr lam meanwhile


class WGSEFDC(Method):
    """Train with lam [Omega_k(theta) - 1/2 sum_j ||theta_j||^2], which is 0 iff at most k groups are not zero.

    Unlike Omega itself this does not decay the survivors. It is a difference of convex functions; the proximal DC
    step (linearise the concave part at the point) is prox_{c Omega}((1 + c) theta), c = lr lam: theta_j is scaled by
    min(1, (1 + c) s_j), s the factors of the plain prox.

    lam = auto needs no tuning, because the budget is annealed and not the strength: over the first 60 % of the phase
    k(p) = k + (m - k) (1 - p / 0.6)^3, real-valued, with c = 1; from then on c is whatever the step needs to be
    exactly k-sparse, c >= t_(k+1) / (t_(k) - t_(k+1)) for the sorted norms t. There the step is the hard choice of
    the k largest groups with factor 1, so exactly k groups are left at every later step and projection costs nothing.
    Scope network solves one problem over all groups, in which the largest group of each family is kept.

    Source: derived from Refael, Arbel, Huleihel, TMLR 2024, arXiv 2212.12921 (the envelope); the DC step as in
    Gotoh, Takeda, Tono, "DC formulations and algorithms for sparse optimization problems", Math. Programming 2018;
    the cubic schedule of the budget from Zhu and Gupta, "To prune, or not to prune", 2017.
    """

    name: ClassVar[str] = "wgsef_dc"
    starts_from: ClassVar[Start] = "scratch"
    trains: ClassVar[bool] = True
    decays: ClassVar[bool] = True

    def __init__(
        self,
        groups: Groups,
        budget: Budget,
        *,
        lam: NonNegative | Literal["auto"] = "auto",
        ramp: Fraction = 0.5,
    ) -> None:
        """lam: the strength, or auto. ramp: the part of the phase over which a given lam rises from 0."""
        super().__init__(groups, budget)
        self.lam = lam
        self.ramp = ramp
        self._now = 0.0

    def after_step(self, lr: float, progress: float) -> None:
        """Take the proximal DC step."""
        norms = self.groups.norms()
        if self.lam != "auto":
            self._now = float(self.lam) * ramp_up(progress, self.ramp)
            self.groups.scale_(self._factors(norms, lr * self._now, 0.0))
        elif progress < ANNEALED:
            self._now = STRENGTH / lr if lr > 0 else 0.0
            self.groups.scale_(self._factors(norms, STRENGTH, (1 - progress / ANNEALED) ** 3))
        else:
            self.groups.scale_(self.budget.select(norms))

    def diagnostics(self) -> Mapping[str, float]:
        """Return the strength now, the learning rate not in it; once auto has reached k, the least it may be."""
        return {"lam": self._now}

    def _factors(self, norms: list[Tensor], c: float, loose: float) -> list[Tensor]:
        """Factors of the DC step with budget k + loose (m - k)."""
        if self.budget.scope == "layer":
            return [_debiased(n, k, c, loose) for n, k in zip(norms, self.budget.per_family, strict=True)]
        factors = split_like(_debiased(join(norms), self.budget.total, c, loose), norms)
        for factor, norm in zip(factors, norms, strict=True):
            factor.view(-1)[norm.argmax()] = 1.0  # the floor: no family may lose its last group
        return factors


def _debiased(norms: Tensor, k: int, c: float, loose: float) -> Tensor:
    factors = prox_factors(norms, k + loose * (norms.shape[-1] - k), c)
    return (factors * (1 + c)).clamp(max=1)
