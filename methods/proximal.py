"""What methods that train with a regulariser and its proximal step have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.optim import Optimizer

from methods.base import Fraction, Method, NonNegative, Positive, Start
from methods.groups import Budget, Family, Groups
from methods.problems import Problem, divide, undivide

Lam = NonNegative | Literal["auto"] | tuple[NonNegative, ...]
Weights = Literal["uniform", "size"] | tuple[Positive | tuple[Positive, ...], ...]


class Proximal(Method):
    """Minimise loss + lam R by proximal gradient: after each step of the optimiser, prox of lr lam R in its metric.

    A subclass says what its prox is for a given strength (`prox`), how `lam: auto` reaches k (`reach`), and the value
    of R (`value`).
    """

    starts_from: ClassVar[Start] = "scratch"
    trains: ClassVar[bool] = True
    decays: ClassVar[bool] = True

    def __init__(
        self, groups: Groups, budget: Budget, *, lam: Lam = "auto", ramp: Fraction = 0.5, weights: Weights = "uniform"
    ) -> None:
        """Set the strength.

        lam: one number, or one a family, or auto. ramp: the part of the phase over which a number rises from 0, as
        progress squared. weights: d_j: uniform (1), size (the number of parameters of a group), or given, one a family
        or one a group. Raises ValueError where the given ones do not fit the families.
        """
        super().__init__(groups, budget)
        self.lam = lam
        self.ramp = ramp
        self.weights = _weights(groups, weights)
        self._optimizer: Optimizer | None = None
        self._progress = 0.0
        self._now: float | Tensor = 0.0  # a tensor stays on its device until somebody asks
        if isinstance(lam, tuple) and (budget.scope != "layer" or len(lam) != len(groups)):
            raise ValueError(
                f"lam = {list(lam)}: one number for each of {len(groups)} families and scope layer, or one"
            )

    def attach(self, optimizer: Optimizer) -> None:
        """Take the metric of this optimiser from now on."""
        self._optimizer = optimizer

    def after_step(self, lr: float, progress: float) -> None:
        """Take the proximal step."""
        problems = divide(self.groups, self.budget, self.weights, self._optimizer)
        if self.lam == "auto":
            factors = self.reach(problems, lr, progress, max(0.0, progress - self._progress))
        else:
            given = self.lam if isinstance(self.lam, tuple) else (float(self.lam),) * len(problems)
            strengths = [lam * ramp_up(progress, self.ramp) for lam in given]
            self._now = sum(strengths) / len(strengths)
            factors = self.prox(problems, [lr * strength for strength in strengths])
        self.groups.scale_(undivide(factors, self.groups, self.budget))
        self._progress = progress

    def scores(self) -> list[Tensor]:
        """||theta_j|| / sqrt(d_j): the order in which the prox removes groups."""
        return [n / d.sqrt() for n, d in zip(self.groups.norms(), self.weights, strict=True)]

    def diagnostics(self) -> Mapping[str, float]:
        """Return the strength now, the learning rate not in it (its mean over the families), and the value of R."""
        plain = divide(self.groups, self.budget, self.weights, None)
        return {"lam": float(self._now), "regulariser": self.value(plain)}

    def prox(self, problems: Sequence[Problem], strengths: Sequence[float]) -> list[Tensor]:
        """Factors of the prox of `strength` R, one tensor a problem shaped as its norms. strength = lr lam, >= 0."""
        raise AssertionError(f"{type(self).__name__} does not say what its prox is")

    def reach(self, problems: Sequence[Problem], lr: float, progress: float, part: float) -> list[Tensor]:
        """Factors of a step of the continuation that ends at exactly k groups; sets the strength in `_now`.

        part: the part of the phase that this step is.
        """
        raise AssertionError(f"{type(self).__name__} does not say how it reaches k")

    def value(self, problems: Sequence[Problem]) -> float:
        """R at this point."""
        raise AssertionError(f"{type(self).__name__} does not say what its regulariser is")


def ramp_up(progress: float, length: float) -> float:
    """Return (progress / length)^2, at most 1: a strength that rises over the first `length` of the phase.

    progress and length in [0, 1]; length 0 means full strength from the first step.
    """
    return 1.0 if progress >= length else (progress / length) ** 2


def _weights(groups: Groups, weights: Weights) -> list[Tensor]:
    """d_j as one tensor a family, shaped as its norms, or (1,) where all are equal."""
    if isinstance(weights, str):
        return [_fit(f, float(f.elements) if weights == "size" else 1.0) for f in groups]
    if len(weights) != len(groups):
        raise ValueError(f"weights: {len(weights)} for {len(groups)} families; one of each is needed")
    return [_fit(family, given) for family, given in zip(groups, weights, strict=True)]


def _fit(family: Family, given: object) -> Tensor:
    numbers = torch.as_tensor(given, dtype=torch.float64, device=family.device)
    if numbers.dim() == 0 or len(numbers) == 1:
        return numbers.view(1)
    if len(numbers) != family.shape[-1]:
        raise ValueError(
            f"weights: {len(numbers)} for the {family.shape[-1]} groups of family {family.name}; one, or one of each"
        )
    return numbers.expand(family.shape)
