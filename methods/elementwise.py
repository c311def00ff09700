"""Proximal steps on single elements of equal weight, in place: the steps of `methods.levels` on values themselves.

Nothing is copied to float64 and no value is looked at alone: a search of a few evaluations and a bend of four
operations, in parts that stay in the cache. Whoever is told that this way is none takes the general one: groups of
several values, unequal weights, an accelerator, values that are not finite, ties at the boundary of a hard choice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from methods.groups import Family
from methods.levels import TOLERANCE, Level, Norms, boundary, envelope_bend


class Elements:
    """The single elements that share a budget k.

    weight, metric: d_j and H of all of them: see `methods.metric`.
    """

    def __init__(
        self, families: Sequence[Tensor], k: int, weight: float, metric: float, floors: Sequence[bool] = ()
    ) -> None:
        """families: all values of each, a vector that shares the memory of its parameter. floors: as in `Budget`."""
        self.k, self.weight, self.metric, self.floors = k, weight, metric, floors
        self._norms = Norms(families)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._norms.size

    def soften_(self, a: float) -> bool:
        """Soft-threshold by a >= 0 in place; return False, and change nothing, where a value is not finite."""
        if not self._norms.finite():
            return False
        for part, buffer, _ in self._norms.parts:
            part.sub_(torch.clamp(part, -a, a, out=buffer))
        return True

    def shrink_(self, budget: float, c: float, level: Level, *, decay: bool) -> bool:
        """Take the step of the envelope of this budget, in place, of its gap unless `decay`.

        c: lr lam d_j for the envelope, g d_j / (1 - g d_j) for the gap. level: of the last step; this one is put in its
        place. Returns False, and changes nothing, where this way is none.
        """
        if c == 0:
            return True
        bend, largest = None, None
        if not self.floors and budget > 0 and 0 < level[0] < math.inf and self._norms.finite():
            bend = envelope_bend(self._norms, budget, c, level, decay=decay, largest=None)
        if bend is None:
            largest = self._norms.largest()
            bend = envelope_bend(self._norms, budget, c, level, decay=decay, largest=largest, floors=self.floors)
        if bend is None:
            return False
        kept = self._kept([m <= bend.b for m in largest]) if largest and self.floors else []
        for part, buffer, _ in self._norms.parts:
            high = torch.hardshrink(part, bend.b, out=buffer)  # what is above b, else 0
            torch._C._nn.softshrink(part.sub_(high), bend.a, out=part)  # type: ignore[call-arg]
            if decay:
                part.add_(high, alpha=bend.outer)
            else:
                torch.add(high, part, alpha=bend.inner, out=part)
        for values, place, value in kept:
            values[place] = value * bend.outer
        return True

    def keep_(self, level: Level) -> bool:
        """Set all but the k largest to zero, in place. See `shrink_` for the level and what is returned."""
        largest = self._norms.largest()
        if not all(map(math.isfinite, largest)):
            return False
        floors = self.floors or [False] * len(largest)

        def left(a: float) -> float:
            return sum(max(n, float(f)) for n, f in zip(self._norms.above(a), floors, strict=True))

        highest = max(largest)
        start = level[0] if 0 < level[0] < highest else highest / 4 or 1.0
        a = boundary(left, self.k, start, self._norms.dtype)
        if a is None:
            return False
        level[0] = a
        kept = self._kept([m <= a for m in largest])
        for part, _, _ in self._norms.parts:
            torch.hardshrink(part, a, out=part)
        for values, place, value in kept:
            values[place] = value
        return True

    def _kept(self, candidates: Sequence[bool]) -> list[tuple[Tensor, int, float]]:
        """Return (values, place, value) of the largest value of each of these families that has a floor."""
        found = []
        for values, floor, is_one in zip(self._norms.families, self.floors, candidates, strict=bool(self.floors)):
            if floor and is_one:
                place = int(values.abs().argmax())
                found.append((values, place, float(values[place])))
        return found


def values_of(family: Family) -> Tensor | None:
    """Return all values of a family of single elements as a vector in the order of memory; None for other families."""
    parameter = family.parts[0].parameter
    if family.elements > 1 or family.rows > 1 or not family.is_raw or family.parts[0].places is not None:
        return None
    if parameter.device.type != "cpu" or parameter.dtype not in TOLERANCE:
        return None
    if parameter.is_contiguous():
        return parameter.detach().view(-1)
    strides = parameter.stride()
    ordered = parameter.detach().permute(sorted(range(parameter.dim()), key=lambda d: -strides[d]))
    return ordered.view(-1) if ordered.is_contiguous() else None
