"""What methods that train with a regulariser and its proximal step have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.optim import Optimizer

from methods.base import Fraction, Method, NonNegative, Positive, Start
from methods.bound import Bound
from methods.coordinates import Points, scatter_, values_of
from methods.groups import Budget, Family, Groups
from methods.in_place import InPlace, in_place_of
from methods.levels import Level, unknown
from methods.metric import Metric, metrics
from methods.problems import Problem, divide, importance, undivide

Lam = NonNegative | Literal["bound"] | tuple[NonNegative, ...]
Weights = Literal["uniform", "size"] | tuple[Positive | tuple[Positive, ...], ...]


class Proximal(Method):
    """Minimise loss + lam R by proximal gradient: after each step of the optimiser, prox of lr lam R in its metric.

    The metric (`methods.metric`) is what makes lam mean what it says: with momentum 0.9 the optimiser goes ten times
    as far as lr, and the prox with it. A subclass says what its prox is (`prox`; `prox_at` where the metric differs
    within a group), how hard it pulls at a group that is zero (`pull`), and the value of R (`value`).
    """

    starts_from: ClassVar[Start] = "scratch"
    trains: ClassVar[bool] = True
    decays: ClassVar[bool] = True
    folds: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        """Leave out the fast way of a class whose prox is another."""
        super().__init_subclass__()
        if "prox" in vars(cls) and "prox_" not in vars(cls):
            cls.prox_ = Proximal.prox_  # type: ignore[method-assign]

    def __init__(
        self, groups: Groups, budget: Budget, *, lam: Lam = "bound", ramp: Fraction = 0.0, weights: Weights = "uniform"
    ) -> None:
        """Set the strength.

        lam: one number, or one a family, or bound: one a family, from the gradients at the beginning
        (`methods.bound`). ramp: the part of the phase over which it rises from 0, as progress squared. weights: d_j:
        uniform (1), size (the number of parameters of a group), or given, one a family or one a group. Raises
        ValueError where the given ones do not fit the families.
        """
        super().__init__(groups, budget)
        self.lam = lam
        self.ramp = ramp
        self.weights = _weights(groups, weights)
        self._count = len(groups) if budget.scope == "layer" else 1  # of problems
        self._levels = [unknown() for _ in range(self._count)]  # of each problem at the last step
        self._optimizer: Optimizer | None = None
        self._bound = Bound(groups) if lam == "bound" else None
        self._now: float | Tensor | None = 0.0  # a tensor stays on its device until somebody asks; None: no strength
        if isinstance(lam, tuple) and (budget.scope != "layer" or len(lam) != len(groups)):
            raise ValueError(
                f"lam = {list(lam)}: one number for each of {len(groups)} families and scope layer, or one"
            )

    def attach(self, optimizer: Optimizer) -> None:
        """Take the metric of this optimiser from now on."""
        self._optimizer = optimizer

    def after_step(self, lr: float, progress: float) -> None:
        """Take the proximal step."""
        given = self._strengths(progress)
        if given is None:
            return
        strengths = [lr * lam * ramp_up(progress, self.ramp) for lam in given]
        self._now = sum(given) / len(given) * ramp_up(progress, self.ramp)
        found = metrics(self.groups, self._optimizer)
        if any(isinstance(h, Tensor) and f.elements > 1 for f, h in zip(self.groups, found, strict=True)):
            self._in_coordinates(found, strengths)
            return
        left = self.in_place_(self.in_place(found), lambda i, one, level: self.prox_(one, strengths[i], level))
        if left:
            problems = self.problems(found)
            chosen = [problems[i] for i in left]
            self.shrink_(self.prox(chosen, [strengths[i] for i in left]), left, finite=all(p.finite for p in chosen))

    def in_place(self, found: Sequence[Metric]) -> Sequence[InPlace] | None:
        """Return the problems for steps in place, where all of them allow it; else None. found: the metric of each."""
        return in_place_of(self.groups, self.budget, self.weights, found)

    def in_place_(self, problems: Sequence[InPlace] | None, step: Callable[[int, InPlace, Level], bool]) -> list[int]:
        """Take a step of each problem in place; return the numbers of those for which that is no way.

        step: is given the number of a problem, the problem and the level of its last step, and says whether it took it.
        """
        if problems is None:
            return list(range(self._count))
        each = enumerate(zip(problems, self._levels, strict=True))
        return [i for i, (problem, level) in each if not step(i, problem, level)]

    def problems(self, found: Sequence[Metric] | None = None) -> list[Problem]:
        """Return the problems of the network as it is now, in the metric of the optimiser: `found`, if it is known."""
        found = metrics(self.groups, self._optimizer) if found is None else found
        return divide(self.groups, self.budget, self.weights, found, self._levels)

    def shrink_(self, factors: Sequence[Tensor], chosen: Sequence[int] | None = None, *, finite: bool = False) -> None:
        """Scale the groups by factors, one tensor a problem shaped as its norms.

        chosen: the numbers of the problems; None for all. finite: see `Family.scale_`.
        """
        if chosen is None or self.budget.scope == "network":
            self.groups.scale_(undivide(factors, self.groups, self.budget), finite=finite)
            return
        for i, factor in zip(chosen, factors, strict=True):
            self.groups.families[i].scale_(factor, finite=finite)

    def scores(self) -> list[Tensor]:
        """||H theta_j|| / sqrt(d_j), H the metric of the optimiser: the order in which the prox removes groups."""
        return importance(self.groups, self.weights, metrics(self.groups, self._optimizer))

    def diagnostics(self) -> Mapping[str, float]:
        """Return the value of R and, where there is one, the strength now: without lr, the mean over the families."""
        told = {"regulariser": self.value(divide(self.groups, self.budget, self.weights, None))}
        return told if self._now is None else {"lam": float(self._now), **told}

    def prox(self, problems: Sequence[Problem], strengths: Sequence[float]) -> list[Tensor]:
        """Factors of the prox of `strength` R, one tensor a problem shaped as its norms. strength = lr lam, >= 0."""
        raise AssertionError(f"{type(self).__name__} does not say what its prox is")

    def prox_(self, problem: InPlace, strength: float, level: Level) -> bool:
        """Take the prox of `strength` R of a problem in place; return whether it could.

        level: of the last step, to start from; replaced. A subclass may have this method, to be fast; one that defines
        `prox` and not `prox_` does without.
        """
        return False

    def prox_at(self, points: Sequence[Points], budget: float, strength: float, shape: tuple[int, ...]) -> list[Tensor]:
        """Values of the prox of `strength` R at the points of one problem, shaped as theirs.

        budget: k of each row; shape: (m,) or (rows, m), of a tensor over the groups of all of them.
        """
        raise AssertionError(f"{type(self).__name__} does not say what its prox is in coordinates")

    def pull(self, problem: Problem) -> Tensor:
        """Largest norm of a subgradient of R at a group that is zero, shape of its norms or (1,)."""
        raise AssertionError(f"{type(self).__name__} does not say how hard it pulls")

    def value(self, problems: Sequence[Problem]) -> float:
        """R at this point."""
        raise AssertionError(f"{type(self).__name__} does not say what its regulariser is")

    def _strengths(self, progress: float) -> list[float] | None:
        """Return lam of each problem; None while it is still being measured."""
        if self._bound is None:
            assert not isinstance(self.lam, str), "a number, or one a family"
            return list(self.lam) if isinstance(self.lam, tuple) else [float(self.lam)] * self._count
        if self._bound.open(progress):
            return None
        if self._bound.found is None:
            plain = divide(self.groups, self.budget, self.weights, None)
            self._bound.settle(plain, [self.pull(p) for p in plain], self.budget)
        return self._bound.found

    def _in_coordinates(self, found: Sequence[Metric], strengths: Sequence[float]) -> None:
        """Take the step where the metric differs within groups."""
        points = self._points(found)
        for chosen, budget, strength, shape in self._divided(points, strengths):
            moved = [self.shifted(i, points[i], strength) for i in chosen]
            for i, values in zip(chosen, self.prox_at(moved, budget, strength, shape), strict=True):
                family = self.groups.families[i]
                scatter_(family.measured, values)
                family.scale_(values.ne(0).any(1).view(family.shape))  # what is removed goes with what is measured
                self.stepped(i, values)

    def shifted(self, family: int, point: Points, strength: float) -> Points:
        """Return the point at which the prox is taken, in coordinates: that of the optimiser's step."""
        return point

    def stepped(self, family: int, values: Tensor) -> None:
        """Hear of the values of a family after a step in coordinates."""

    def _points(self, found: Sequence[Metric]) -> list[Points]:
        """Return the groups of each family as points in these metrics."""
        floors: Sequence[Tensor | None] = [None] * len(self.groups)
        if self.budget.scope == "network":
            joined = self.budget.floor(importance(self.groups, self.weights, found))
            floors = list(joined.split(self.groups.sizes))
        points = []
        for family, d, h, floor in zip(self.groups, self.weights, found, floors, strict=True):
            values = values_of(family.measured)
            h = torch.full_like(values, h) if isinstance(h, float) else h
            points.append(Points(values, h, d.expand(family.shape).flatten(), floor))
        return points

    def _divided(
        self, points: Sequence[Points], strengths: Sequence[float]
    ) -> list[tuple[list[int], float, float, tuple[int, ...]]]:
        """Return, for each problem, the places of its families, its budget, its strength and its shape."""
        if self.budget.scope == "network":
            everything = sum(len(p.values) for p in points)
            return [(list(range(len(points))), self.budget.total, strengths[0], (everything,))]
        each = zip(self.budget.per_family, strengths, self.groups, strict=True)
        return [([i], k, strength, family.shape) for i, (k, strength, family) in enumerate(each)]


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
