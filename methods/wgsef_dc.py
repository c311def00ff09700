"""The debiased variant of the paper's method: an exact penalty for the k-level, with an annealed budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from torch import Tensor
from torch.optim import Optimizer

from methods.base import Fraction, NonNegative
from methods.continuation import ANNEALED, Part, groups_left
from methods.coordinates import Points, values_of
from methods.groups import Budget, Groups
from methods.in_place import InPlace
from methods.levels import Level
from methods.metric import metrics
from methods.problems import Problem, Strength, debiased_factors, gap_strength
from methods.proximal import Weights
from methods.wgsef import WGSEF

STRENGTH = 0.5  # g = lr lam d of `auto` while the budget is annealed: the factor of a loser is doubled, and cut at 1


class WGSEFDC(WGSEF):
    """Train with lam gap, gap(theta) = Omega_k(theta) - 1/2 sum_j d_j ||theta_j||^2: 0 iff at most k groups are left.

    Unlike Omega this does not decay the survivors, so the weight decay of the optimiser stays on for them. The gap is
    weakly convex with modulus max d_j, and for g = lr lam < 1 / max d_j its step is exact:

        prox_{g gap}(theta) = prox of g Omega_k in the metric 1 - g d_j at theta_j / (1 - g d_j);

    with equal weights theta_j is scaled by min(1, (1 + c) s_j), s the factors of the plain prox of strength c and
    g = c / (1 + c). For a larger g it is the hard choice of the k largest groups. The stochastic proximal method on
    weakly convex functions converges to stationary points (Davis, Drusvyatskiy 2019). Where the metric of the optimiser
    differs within groups (Adam), the concave part is linearised at the last point instead, the proximal DC algorithm.

    lam = auto leaves exactly k groups, always, and this is how: the budget is annealed, n(p) = k + (m - k)
    (1 - p / anneal)^3, real-valued, with g = 1/2, so that a loser is gone within a few steps; from then on the step is
    the hard choice of the k largest. In effect it is a soft, then hard, gradual choice of the largest groups, and near
    to gradual magnitude pruning (`gmp`). Scope network solves one problem over all groups, in which the largest group
    of each family is kept.

    Source: derived from Refael, Arbel, Huleihel, TMLR 2024, arXiv 2212.12921 (the envelope); Davis, Drusvyatskiy,
    "Stochastic model-based minimization of weakly convex functions", SIAM J. Optim. 2019; the DC step as in Gotoh,
    Takeda, Tono, "DC formulations and algorithms for sparse optimization problems", Math. Programming 2018; the cubic
    from Zhu and Gupta, "To prune, or not to prune", 2017. The nearest relative with an l2 term: Oyedotun, Aouada,
    Ottersten, "Structured compression of deep neural networks with debiased elastic group LASSO", WACV 2020.
    """

    name: ClassVar[str] = "wgsef_dc"
    decays: ClassVar[bool] = False

    def __init__(
        self,
        groups: Groups,
        budget: Budget,
        *,
        lam: NonNegative | Literal["auto"] | tuple[NonNegative, ...] = "auto",
        ramp: Fraction = 0.0,
        weights: Weights = "uniform",
        anneal: Part = ANNEALED,
    ) -> None:
        """lam: one number, or one a family, or auto. anneal: the part of the phase over which auto comes to k."""
        super().__init__(groups, budget, lam=0.0 if isinstance(lam, str) else lam, ramp=ramp, weights=weights)
        self.auto = lam == "auto"
        self.anneal = anneal
        self._last: list[Tensor] = []  # values of each family after the last step

    def attach(self, optimizer: Optimizer) -> None:
        """Take the metric of this optimiser, and the values as they are now."""
        super().attach(optimizer)
        self._last = [] if self.auto else [values_of(f.measured) for f in self.groups]

    def after_step(self, lr: float, progress: float) -> None:
        """Take the step of the gap: of the annealed budget, or of the given strength."""
        if not self.auto:
            super().after_step(lr, progress)
            return
        hard = progress >= self.anneal
        found = metrics(self.groups, self._optimizer)
        direct = self.in_place(found)

        def step(i: int, problem: InPlace, level: Level) -> bool:
            if hard:
                return problem.keep_(level)
            left = groups_left(problem, progress, self.anneal, power=3)
            return problem.shrink_(left, STRENGTH / (1 - STRENGTH), level, decay=False)

        if left := self.in_place_(direct, step):
            problems = self.problems(found)
            chosen = [problems[i] for i in left]
            factors = self.chosen(chosen) if hard else self.annealed(chosen, lr, progress)
            self.shrink_(factors, left, finite=all(p.finite for p in chosen))
        if direct is not None:
            self._now = None if hard else _mean([STRENGTH / p.weight * p.metric for p in direct], lr)

    def settled(self, progress: float) -> bool:
        """Return whether the hard choice has been made: of its k groups it changes nothing."""
        return self.auto and progress >= self.anneal

    def chosen(self, problems: Sequence[Problem]) -> list[Tensor]:
        """Factors of the hard choice: 1 for the k largest, 0 for the others. It has no strength."""
        self._now = None
        return [p.kept().double() for p in problems]

    def annealed(self, problems: Sequence[Problem], lr: float, progress: float) -> list[Tensor]:
        """Factors of a step before the hard choice; sets the strength in `_now`."""
        strengths = annealing_strengths(problems)
        self._now = _mean(strengths, lr)
        return debiased_factors(problems, [groups_left(p, progress, self.anneal, power=3) for p in problems], strengths)

    def prox_(self, problem: InPlace, strength: float, level: Level) -> bool:
        """Take the prox of the gap in place."""
        return problem.shrink_(problem.k, gap_strength(strength * problem.weight / problem.metric), level, decay=False)

    def prox(self, problems: Sequence[Problem], strengths: Sequence[float]) -> list[Tensor]:
        """Factors of the prox of the gap."""
        return debiased_factors(problems, [p.k for p in problems], strengths)

    def shifted(self, family: int, point: Points, strength: float) -> Points:
        """Return the point less the gradient of the concave part at the values of the last step, in the metric."""
        pushed = strength * point.weights[:, None] / point.metric * self._last[family]
        return point._replace(values=point.values + pushed)

    def stepped(self, family: int, values: Tensor) -> None:
        """Keep the values: the next step linearises there."""
        self._last[family] = values

    def value(self, problems: Sequence[Problem]) -> float:
        """The gap, summed over the problems."""
        ridge = sum(float(p.ridge.sum()) for p in problems)
        return max(0.0, super().value(problems) - ridge)


def annealing_strengths(problems: Sequence[Problem]) -> list[Strength]:
    """Return the strength of each problem at which the largest g d_j is STRENGTH."""
    return [STRENGTH / p.heaviest for p in problems]


def _mean(strengths: Sequence[Strength], lr: float) -> Strength:
    """Return lam of strengths lr lam: the mean."""
    return sum(strengths) / len(strengths) / lr if lr > 0 else 0.0
