"""What methods that train with a regulariser and its proximal step have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from methods.base import Fraction, Method, NonNegative, Start
from methods.groups import Budget, Groups


class Proximal(Method):
    """Minimise loss + lam R by proximal gradient: after each step of the optimiser, prox of lr lam R.

    A subclass says what the prox of R is; the strength is lam, after a ramp.
    """

    starts_from: ClassVar[Start] = "scratch"
    trains: ClassVar[bool] = True
    decays: ClassVar[bool] = True

    def __init__(self, groups: Groups, budget: Budget, *, lam: NonNegative, ramp: Fraction = 0.5) -> None:
        """lam: the strength. ramp: the part of the phase over which it rises from 0, as progress squared."""
        super().__init__(groups, budget)
        self.lam = lam
        self.ramp = ramp
        self._now = 0.0

    def prox(self, strength: float) -> None:
        """Replace the groups by the prox of `strength` R at them, in place. strength = lr lam, at least 0."""
        raise AssertionError(f"{type(self).__name__} does not say what its prox is")

    def after_step(self, lr: float, progress: float) -> None:
        """Take the proximal step."""
        self._now = self.lam * ramp_up(progress, self.ramp)
        self.prox(lr * self._now)

    def diagnostics(self) -> Mapping[str, float]:
        """Return the strength now, the learning rate not in it."""
        return {"lam": self._now}


def ramp_up(progress: float, length: float) -> float:
    """Return (progress / length)^2, at most 1: a strength that rises over the first `length` of the phase.

    progress and length in [0, 1]; length 0 means full strength from the first step.
    """
    return 1.0 if progress >= length else (progress / length) ** 2
