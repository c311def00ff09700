"""Proximal steps of small families of equal weight, in place: the steps of `methods.levels` on rows of matrices.

A group here is a row of each of its members, as a filter with its bias and the batch norm behind it is. The norms are
taken in float32, in one pass over the memory, and become a sorted list of numbers: families have tens to hundreds of
groups, and for so few a call costs more than its arithmetic. Where float32 could decide otherwise than float64 this way
is none: of a norm outside SAFE the squares may be lost. A norm of 0 is no such case as long as more than k groups are
above it: then a group so small is one that goes.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from methods.groups import Family
from methods.levels import SMALL, Bend, Level, Sorted, boundary, envelope_bend

SAFE = (1e-15, 1e18)  # norms whose squares, and those of all values that matter in them, float32 holds
SMALLEST = 1e-21  # level below which a group whose squares are lost might be above it


class Rows:
    """The groups that share a budget k.

    weight, metric: d_j and H of all of them: see `methods.metric`.
    """

    def __init__(
        self, families: Sequence[Sequence[Tensor]], k: int, weight: float, metric: float, floors: Sequence[bool] = ()
    ) -> None:
        """families: the members of each, as matrices of m rows that share the memory of their parameters."""
        self.k, self.weight, self.metric, self.floors = k, weight, metric, floors
        self._families = families
        self._norms = [_norms(members) for members in families]
        self.size = sum(t.numel() for t in self._norms)

    @cached_property
    def _lists(self) -> list[Sorted]:
        return [Sorted(t.tolist()) for t in self._norms]

    def soften_(self, a: float) -> bool:
        """Soft-threshold by a >= 0 in place; return False, and change nothing, where this way is none."""
        if not (a > 10 * SAFE[0] and all(float(t.amax()) < SAFE[1] for t in self._norms)):
            return a == 0
        for members, norms in zip(self._families, self._norms, strict=True):
            _scale_(members, Bend(a, math.inf, 1.0, 1.0).factors(norms))
        return True

    def shrink_(self, budget: float, c: float, level: Level, *, decay: bool) -> bool:
        """Take the step of the envelope of this budget, or of its gap: see `elementwise.Elements.shrink_`."""
        if not self._safe():
            return False
        if c == 0:
            return True
        largest = self._largest()
        everything = self._lists[0] if len(self._lists) == 1 else Sorted(list(itertools.chain(*self._lists)))
        bend = envelope_bend(everything, budget, c, level, decay=decay, largest=largest, floors=self.floors)
        if bend is None or bend.a < SMALLEST:
            return False
        self._scale_(bend, self.floors)
        return True

    def keep_(self, level: Level) -> bool:
        """Set all but the k largest to zero, in place: see `elementwise.Elements.keep_`."""
        if not self._safe():
            return False
        floors = self.floors or [False] * len(self._lists)

        def left(a: float) -> float:
            return sum(max(t.above(a)[0], float(f)) for t, f in zip(self._lists, floors, strict=True))

        highest = max(self._largest())
        a = boundary(left, self.k, level[0] if 0 < level[0] < highest else highest / 4 or 1.0, torch.float32)
        if a is None or a < SMALLEST:
            return False
        level[0] = a
        self._scale_(Bend(a, a, math.inf, 1.0), floors)
        return True

    def _safe(self) -> bool:
        return all(t.between(*SAFE) for t in self._lists)

    def _largest(self) -> list[float]:
        return [t.largest()[0] for t in self._lists]

    def _scale_(self, bend: Bend, floors: Sequence[bool]) -> None:
        floors = floors or [False] * len(self._lists)
        for members, norms, ordered, floor in zip(self._families, self._norms, self._lists, floors, strict=True):
            factors = bend.factors(norms)
            if floor and ordered.largest()[0] <= bend.b:
                factors[int(norms.argmax())] = bend.outer
            _scale_(members, factors)


def rows_of(family: Family) -> list[Tensor] | None:
    """Return the members of a family as matrices; None where one is none, or where this way is not for the family."""
    if family.rows > 1 or not family.is_raw or family.size > SMALL:
        return None
    found = [rows for m in family.parts if (rows := m.rows()) is not None]
    fits = len(found) == len(family.parts) and all(r.dtype == torch.float32 and r.device.type == "cpu" for r in found)
    return found if fits else None


def _norms(members: Sequence[Tensor]) -> Tensor:
    parts = [torch.linalg.vector_norm(r, 2, 1) if r.shape[1] > 1 else r.view(-1) for r in members]
    return functools.reduce(torch.hypot, parts) if len(parts) > 1 else parts[0].abs()


def _scale_(members: Sequence[Tensor], factors: Tensor) -> None:
    column = factors.unsqueeze(1)
    for rows in members:
        rows.mul_(column)
