"""Which problems take their proximal steps in place, without factors: `methods.elementwise` and `methods.rowwise`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from methods.elementwise import Elements, values_of
from methods.groups import Budget, Groups
from methods.levels import Level
from methods.metric import Metric
from methods.rowwise import Rows, rows_of


class InPlace(Protocol):
    """The groups that share a budget k, of equal weight d and metric H: what a method may do with them in place.

    Each step returns False, and changes nothing, where this way is none; then the step is taken by factors.
    """

    k: int
    weight: float
    metric: float

    @property
    def size(self) -> int:
        """Number of groups."""

    def soften_(self, a: float) -> bool:
        """Soft-threshold the norms by a >= 0."""

    def shrink_(self, budget: float, c: float, level: Level, *, decay: bool) -> bool:
        """Take the step of the envelope of this budget, of its gap unless `decay`.

        c: lr lam d / H for the envelope, g / (1 - g) with g = lr lam d / H for the gap. level: of the last step, to
        start from; this one is put in its place.
        """

    def keep_(self, level: Level) -> bool:
        """Set all but the k largest groups to zero."""


def in_place_of(
    groups: Groups, budget: Budget, weights: Sequence[Tensor], metrics: Sequence[Metric]
) -> Sequence[InPlace] | None:
    """Return the problems of a network, if all of them may take steps in place; else None.

    weights, metrics: see `methods.problems.divide`.
    """
    numbers = [h for h in metrics if isinstance(h, float)]
    if groups.families[0].device.type != "cpu" or len(numbers) < len(groups) or any(d.numel() > 1 for d in weights):
        return None
    each = [(float(d), h) for d, h in zip(weights, numbers, strict=True)]
    if budget.scope == "network" and len(set(each)) > 1:
        return None
    values = [v for f in groups if (v := values_of(f)) is not None]
    if len(values) == len(groups) and len({v.dtype for v in values}) == 1:
        if budget.scope == "layer":
            return [Elements([v], k, *one) for v, k, one in zip(values, budget.per_family, each, strict=True)]
        return [Elements(values, budget.total, *each[0], budget.floors)]
    rows = [r for f in groups if (r := rows_of(f)) is not None]
    if len(rows) < len(groups):
        return None
    if budget.scope == "layer":
        return [Rows([r], k, *one) for r, k, one in zip(rows, budget.per_family, each, strict=True)]
    return [Rows(rows, budget.total, *each[0], budget.floors)]
