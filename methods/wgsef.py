"""The paper's method: the weighted group sparse envelope function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from methods import envelope
from methods.batched import value_of
from methods.coordinates import Points, envelope_prox
from methods.in_place import InPlace
from methods.levels import Level
from methods.problems import Problem, envelope_factors
from methods.proximal import Proximal


class WGSEF(Proximal):
    """Train with lam Omega_k, the tightest convex under-estimator of ridge + "at most k groups are not zero".

    This is Algorithm 2 of the paper: k and lam are fixed from the first step (`ramp` may let lam rise), and after each
    step of the optimiser comes the prox of lam Omega_k in its metric, theta_j <- s_j theta_j with the factors of
    `methods.envelope.prox_factors`: small groups become exactly zero, middle ones shrink by a constant, the k large
    ones only decay. Scope layer solves one problem a family; scope network one over the groups of all families, in
    which the largest group of each family is kept.

    Whether k groups are left at the end depends on lam: the ridge in Omega_k decays the survivors as hard as the losers
    are held down, so a lam that is too small leaves more than k, and one that is too large costs accuracy. The runner
    counts what is left and projects to k. lam = bound takes the least one that holds the losers, family by family.

    Source: Refael, Arbel, Huleihel, "Learning k-Level Structured Sparse Neural Networks Using Group Envelope
    Regularization", TMLR 2024, arXiv 2212.12921.
    """

    name: ClassVar[str] = "wgsef"

    def prox(self, problems: Sequence[Problem], strengths: Sequence[float]) -> list[Tensor]:
        """Factors of the prox of Omega_k."""
        return envelope_factors(problems, [p.k for p in problems], strengths)

    def prox_(self, problem: InPlace, strength: float, level: Level) -> bool:
        """Take the prox of Omega_k in place."""
        return problem.shrink_(problem.k, strength * problem.weight / problem.metric, level, decay=True)

    def prox_at(self, points: Sequence[Points], budget: float, strength: float, shape: tuple[int, ...]) -> list[Tensor]:
        """Values of the prox of Omega_k."""
        return envelope_prox(points, budget, strength, shape)

    def pull(self, problem: Problem) -> Tensor:
        """Return tau sqrt(d_j), tau the dual variable: see `methods.envelope.dual_variable`."""
        weights = problem.weights.expand_as(problem.norms)
        tau = envelope.dual_variable(problem.free, problem.room(problem.k), weights)
        return tau[..., None] * weights.sqrt()

    def value(self, problems: Sequence[Problem]) -> float:
        """Omega_k, summed over the problems; a floor counts with its ridge."""
        rooms = [p.room(p.k) for p in problems]
        omega = float(value_of([p.free for p in problems], rooms, [p.weights for p in problems]))
        return omega + sum(float(p.ridge[p.floor].sum()) for p in problems if p.floor is not None)
