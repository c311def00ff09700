"""The envelope by variable splitting: a group that is losing shrinks, lives on, and may come back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from methods.base import Positive
from methods.continuation import ANNEALED, Part
from methods.groups import Budget, Groups
from methods.in_place import InPlace
from methods.metric import Metric
from methods.problems import Problem, debiased_factors
from methods.wgsef_dc import WGSEFDC, annealing_strengths


class WGSEFSplit(WGSEFDC):
    """Train theta beside a copy Gamma that is pulled to k groups, with rho / 2 ||theta - Gamma||^2 between the two.

    A group that is exactly zero has no gradient in networks with ReLU, so every method that zeroes early chooses for
    good. Here nothing is zero before the end of the annealing: Gamma = prox of the gap of k groups at theta (the step
    of `wgsef_dc`), and theta takes the proximal step of the penalty,

        theta <- theta - a (theta - Gamma),      a = lr rho = (p / anneal)^power,

    so that the losers shrink by 1 - a, faster and faster, while a group whose gradient makes it grow overtakes one of
    the k. At the end of the annealing a = 1 and theta = Gamma: exactly k groups, and from then on the hard choice.

    Source: klevel's, of known parts: half-quadratic splitting (Geman and Yang 1995); for filters with a multiplier
    Zhang et al., "A systematic DNN weight pruning framework using ADMM", ECCV 2018; with a fixed choice and a growing
    penalty Wang et al., "Neural pruning via growing regularization", ICLR 2021.
    """

    name: ClassVar[str] = "wgsef_split"

    def __init__(self, groups: Groups, budget: Budget, *, anneal: Part = ANNEALED, power: Positive = 3.0) -> None:
        """anneal: the part of the phase after which theta = Gamma. power: of the growth of a; more: later."""
        super().__init__(groups, budget, anneal=anneal)
        self.power = power

    def in_place(self, found: Sequence[Metric]) -> Sequence[InPlace] | None:
        """Return None: theta moves towards Gamma, which is no step of `methods.in_place`."""
        return None

    def annealed(self, problems: Sequence[Problem], lr: float, progress: float) -> list[Tensor]:
        """Factors that pull theta towards Gamma; sets rho in `_now`."""
        pull = (progress / self.anneal) ** self.power
        self._now = pull / lr if lr > 0 else 0.0
        targets = debiased_factors(problems, [p.k for p in problems], annealing_strengths(problems))
        return [1 - pull * (1 - f) for f in targets]
