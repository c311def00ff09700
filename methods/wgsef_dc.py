"""The debiased variant of the paper's method: an exact penalty for the k-level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from torch import Tensor

from methods.continuation import ANNEALED, groups_left
from methods.problems import Problem, envelope_factors
from methods.wgsef import WGSEF

STRENGTH = 1.0  # c = lr lam of `auto` while the budget is annealed


class WGSEFDC(WGSEF):
    """Train with lam [Omega_k(theta) - 1/2 sum_j d_j ||theta_j||^2], which is 0 iff at most k groups are not zero.

    Unlike Omega itself this does not decay the survivors. It is a difference of convex functions; the proximal DC
    step linearises the concave part at the point and is prox_{lr lam Omega}((1 + c_j) theta_j), c_j = lr lam d_j: with
    equal weights theta_j is scaled by min(1, (1 + c) s_j), s the factors of the plain prox.

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

    def prox(self, problems: Sequence[Problem], strengths: Sequence[float]) -> list[Tensor]:
        """Factors of the proximal DC step."""
        return debiased_factors(problems, [p.k for p in problems], strengths)

    def reach(self, problems: Sequence[Problem], lr: float, progress: float, part: float) -> list[Tensor]:
        """Factors of the step with the annealed budget, and of the hard choice after that."""
        if progress >= ANNEALED:
            return [p.kept().double() for p in problems]
        strengths = [STRENGTH / float(p.weights.mean()) for p in problems]
        self._now = sum(strengths) / len(strengths) / lr if lr > 0 else 0.0
        return debiased_factors(problems, [groups_left(p, progress, power=3) for p in problems], strengths)

    def value(self, problems: Sequence[Problem]) -> float:
        """The gap, summed over the problems."""
        ridge = sum(float(p.ridge.sum()) for p in problems)
        return max(0.0, super().value(problems) - ridge)


def debiased_factors(problems: Sequence[Problem], budgets: Sequence[float], strengths: Sequence[float]) -> list[Tensor]:
    """Factors of prox_{strength Omega}((1 + c_j) theta_j) against theta_j, at most 1."""
    grown = [1 + c * p.weights for p, c in zip(problems, strengths, strict=True)]
    points = [replace(p, norms=p.norms * g) for p, g in zip(problems, grown, strict=True)]
    factors = envelope_factors(points, budgets, strengths)
    return [(f * g).clamp(max=1) for f, g in zip(factors, grown, strict=True)]
