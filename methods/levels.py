"""Proximal steps of groups of equal weight d: what becomes of a group depends on its norm t and on one level a.

    0 for t <= a,    inner (t - a) for a <= t <= b,    outer t from b on,

    envelope       inner = 1,      outer = 1 / (1 + c),   b = a (1 + c) / c,   c = lr lam d
    its gap        inner = 1 + c,  outer = 1,             likewise, c = g d / (1 - g d)
    group lasso    inner = 1,      b = infinity,          a = lr lam sqrt(d)
    k largest      outer = 1,      a = b

The level of the envelope is the root of S(a) = k, where S is the sum of u_j of `methods.envelope.prox_factors` with
a = sqrt(c) / alpha:

    S(a) = sum_j clip(c (t_j / a - 1), 0, 1) = sum_j (clip(t_j, a, b) - a) / (b - a),

so one evaluation is a clip and a sum, and nothing is sorted. A level moves little from step to step, and the search
begins at the last one: secant steps in 1 / a, in which S is piecewise linear, inside a bracket. A wrong start costs
time and nothing else. Every a is the exact solution of the budget S(a), so a level is accepted where S(a) is k or less
by at most a fraction TOLERANCE: then a group that the exact step removes is removed.

This is for the CPU, as the search has to look at numbers; on accelerators, for unequal weights and for a large c, where
S is steep, `methods.envelope` is the way, and the oracle in tests.
"""

from __future__ import annotations

import bisect
import ctypes
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from methods.members import PART

# Where a search ended and the next may start: [a, dS / d log(1 / a)], changed in place. NaN, or anything, at first.
Level = list[float]

TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}  # of S, relative to k, by the dtype of the norms
STEEPEST = 16.0  # largest c
FARTHEST = 16.0  # most by which a step multiplies or divides a level
COUNTED = 3  # the evaluation after which a search that finds no bound looks whether there is a root at all
STEPS = 200  # most evaluations; far fewer are needed
POLISHED = 3  # most steps to the last digits
ABOVE = 4e-16  # the rounding of a level is upwards: a group that is at it goes
SMALL = 1 << 10  # number of norms up to which sorting a list is cheaper than the calls of a search
NARROWEST = 2.0**-40  # of a start, relative to the largest norm


def unknown() -> Level:
    """Return the start of a first search."""
    return [math.nan, math.nan]


class Bend(NamedTuple):
    """The step: see the module. a = 0: nothing is removed, and all is scaled by `outer`."""

    a: float
    b: float
    inner: float
    outer: float

    def factors(self, norms: Tensor) -> Tensor:
        """Return what norms are multiplied by, shaped as they are."""
        if self.a == 0 or self.inner == math.inf:
            return (norms > self.a).to(norms.dtype).mul_(self.outer)
        slope = -self.a * self.inner
        return torch.reciprocal(norms).mul_(slope).add_(self.inner).clamp_(0, self.outer)


class Norms:
    """Norms, or values whose sizes are the norms, in parts that stay in the cache, each with buffers of its size."""

    def __init__(self, families: Sequence[Tensor], dtype: torch.dtype | None = None) -> None:
        """families: vectors of finite numbers, float32 or float64, on the CPU. dtype: of levels; None for theirs."""
        self.families = families
        self.size = sum(v.numel() for v in families)
        self.dtype = dtype or families[0].dtype
        longest = min(PART, max(v.numel() for v in families))
        self._buffer = families[0].new_empty(longest)
        self._exact = self._buffer.to(torch.float64)
        self.by_family = [[self._part(p) for p in _split(v)] for v in families]
        self.parts = [part for family in self.by_family for part in family]

    def _part(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        n = values.numel()
        if n == self._buffer.numel():
            return values, self._buffer, self._exact
        return values, self._buffer[:n], self._exact[:n]

    def largest(self) -> list[float]:
        """Return the largest norm of each family; NaN where one is not finite."""
        found = []
        for family in self.by_family:
            sizes = [abs(float(end)) for part, _, _ in family for end in part.aminmax()]
            found.append(max(sizes) if all(map(math.isfinite, sizes)) else math.nan)
        return found

    def finite(self) -> bool:
        """Return whether all norms are finite; for very large ones, of which the sum is not, the answer is no."""
        return math.isfinite(sum([float(part.sum()) for part, _, _ in self.parts]))

    def above(self, a: float) -> list[float]:
        """Return the number of norms larger than a in each family."""
        return [sum([float(torch.abs(p, out=t).gt_(a).sum()) for p, t, _ in family]) for family in self.by_family]

    def clipped(self, a: float, b: float) -> float:
        """Return the sum of clip(t, a, b) - a, to the precision of float64."""
        total = 0.0
        for part, buffer, exact in self.parts:
            if self.dtype == torch.float64:
                clipped = exact.copy_(part).abs_().clamp_(a, b)
            else:
                clipped = exact.copy_(torch.abs(part, out=buffer).clamp_(a, b))
            total += float(clipped.sum()) - a * part.numel()
        return total

    def piece(self, a: float, b: float) -> Piece:
        """Return how many norms lie between a and b, and are at least b, and the sum of the former less a each."""
        rising, full, spare = 0, 0, 0.0
        for part, _, exact in self.parts:
            high = int(exact.copy_(part).abs_().ge_(b).sum())
            low = part.numel() - int(exact.copy_(part).abs_().gt_(a).sum())
            spare += float(exact.copy_(part).abs_().clamp_(a, b).sub_(a).sum()) - (b - a) * high
            rising, full = rising + part.numel() - low - high, full + high
        return Piece(rising, full, spare)


class Piece(NamedTuple):
    """The groups that decide S near a level: the number of rising and full ones, and the sum of t - a of the former."""

    rising: int
    full: int
    spare: float


class Sorted:
    """The norms of one small problem, as `Norms`: sorted once, an evaluation is two binary searches.

    Sums run from the smallest norm on, so that a difference of two loses nothing against the clip, at least a, of those
    below it.
    """

    dtype = torch.float64

    def __init__(self, norms: Sequence[float]) -> None:
        """norms: in any order."""
        self._norms = sorted(norms)
        self._sums = [0.0, *itertools.accumulate(self._norms)]
        self.size = len(self._norms)

    def __iter__(self) -> Iterator[float]:
        """Iterate over the norms in ascending order."""
        return iter(self._norms)

    def between(self, lowest: float, highest: float) -> bool:
        """Return whether every norm is 0 or lies within these numbers, and none is NaN."""
        first = bisect.bisect_right(self._norms, 0.0)
        return self._sums[-1] <= highest and (first == self.size or self._norms[first] >= lowest)

    def largest(self) -> list[float]:
        """Return the largest norm; NaN where one is not finite."""
        return [self._norms[-1] if math.isfinite(self._sums[-1]) else math.nan]

    def above(self, a: float) -> list[float]:
        """Return the number of norms larger than a."""
        return [float(self.size - bisect.bisect_right(self._norms, a))]

    def clipped(self, a: float, b: float) -> float:
        """Return the sum of clip(t, a, b) - a."""
        low, high = bisect.bisect_right(self._norms, a), bisect.bisect_left(self._norms, b)
        rising = self._sums[high] - self._sums[low] - a * (high - low)
        return rising + ((b - a) * (self.size - high) if high < self.size else 0.0)

    def piece(self, a: float, b: float) -> Piece:
        """Return the norms between a and b: see `Norms.piece`."""
        low, high = bisect.bisect_right(self._norms, a), bisect.bisect_left(self._norms, b)
        return Piece(high - low, self.size - high, math.fsum(t - a for t in self._norms[low:high]))


def sizes(norms: Tensor) -> Norms | Sorted:
    """Return the norms of one problem, float64 (m,) on the CPU, to search a level."""
    return Sorted(norms.tolist()) if len(norms) <= SMALL else Norms([norms])


def envelope_bend(
    norms: Norms | Sorted,
    budget: float,
    c: float,
    level: Level,
    *,
    decay: bool,
    largest: Sequence[float] | None,
    floors: Sequence[bool] = (),
    steepest: float = STEEPEST,
    digits: bool = False,
) -> Bend | None:
    """Return the step of the envelope of this budget, of its gap unless `decay`; None if this way is none.

    level: of the last step; this one is put in its place. largest: see `Norms.largest`; None where all norms are known
    to be finite and the level to be one. floors: whether each family keeps its largest group, whatever it is; empty:
    none does. steepest: largest c. digits: whether the level is wanted to the last digits of float64.
    """
    room = budget - sum(floors)
    if not (0 < c <= steepest and room >= 0 and all(map(math.isfinite, largest or ()))):
        return None
    inner, outer = (1.0, 1 / (1 + c)) if decay else (1 + c, 1.0)
    highest = math.inf if largest is None else max(largest)
    if room == 0:
        return Bend(highest, math.inf, inner, outer)
    on_floor = [m for m, floor in zip(largest or (), floors, strict=bool(floors)) if floor]

    def height(t: float, a: float, b: float) -> float:
        return min(max((t - a) / (b - a), 0.0), 1.0)

    def spent(a: float) -> float:
        b = rounded(a + a / c, norms.dtype)
        total = norms.clipped(a, b) / (b - a)
        return total - sum(height(m, a, b) for m in on_floor) if on_floor else total

    def non_zero() -> float:
        return sum(norms.above(0.0)) - sum(m > 0 for m in on_floor)

    start = level[:] if 0 < level[0] < highest else [highest / 4 or 1.0, math.nan]
    if largest is not None:
        start[0] = max(start[0], NARROWEST * highest)
    found = search(spent, room, start, non_zero, norms.dtype)
    if found is None:
        return None
    if digits and found[0] > 0:
        found[0] = exact(norms, room, c, found[0])
    level[:] = found
    return Bend(found[0], rounded(found[0] + found[0] / c, norms.dtype), inner, outer)


def exact(norms: Norms | Sorted, room: float, c: float, a: float) -> float:
    """Return the level to the last digits for one that is nearly right: the root of the linear piece on which it lies.

    With M groups rising and N full, N + c sum over the former of (t / a - 1) = room.
    """
    for _ in range(POLISHED):
        rising, full, spare = norms.piece(a, a + a / c)
        if not rising or full >= room:
            return a
        better = c * (spare + a * rising) / (room - full + c * rising)
        if abs(better - a) <= 1e-15 * a:
            return better * (1 + ABOVE)
        a = better
    return a


def search(
    spent: Callable[[float], float], room: float, start: Level, non_zero: Callable[[], float], dtype: torch.dtype
) -> Level | None:
    """Return the level at which S(a) = room, a = 0 if at most `room` norms are not zero; None if it is not found.

    spent: S, decreasing in a. start[0]: where to begin, > 0. non_zero: S(0).
    """
    tolerance = TOLERANCE[dtype] * room
    target = room - tolerance / 2
    a, rise = start[0], start[1] if room / 1e3 < start[1] < 1e3 * room else room
    lower, upper = 0.0, math.inf  # of z = 1 / a, in which S is piecewise linear: S(lower) < target < S(upper)
    z_before = s_before = math.nan
    for step in range(STEPS):
        a = rounded(a, dtype)
        z, s = (1 / a, spent(a)) if 0 < a < math.inf else (math.inf, math.nan)
        if s != s or z == math.inf:
            return None
        slope = (s - s_before) / (z - z_before) if z != z_before else math.nan
        if 0 < slope < math.inf and abs(s - s_before) > 30 * tolerance:  # not of the rounding of S
            rise = slope * z
        if room - tolerance <= s <= room * (1 + 1e-13):
            return [a, rise]
        lower, upper = (z, upper) if s < target else (lower, z)
        if step == COUNTED and upper == math.inf and non_zero() <= room:
            return [0.0, rise]
        slow = abs(s - target) > abs(s_before - target) / 2 if lower > 0 and upper < math.inf else s == s_before
        z_before, s_before = z, s
        following = z * min(max(1 + (target - s) / rise, 1 / FARTHEST), FARTHEST)
        a = 1 / (following if lower < following < upper and not slow else _between(lower, upper, FARTHEST))
        if upper <= lower * (1 + 1e-15):
            return None
    return None


def boundary(left: Callable[[float], float], k: int, start: float, dtype: torch.dtype) -> float | None:
    """Return a level with left(a) = k, 0 if at most k norms are not zero, None if there is none.

    left: the number of groups that are kept above a level, decreasing.
    """
    a, lower, upper = start, (0.0, math.nan), (math.inf, math.nan)  # left(lower) > k > left(upper)
    for step in range(STEPS):
        a = rounded(a, dtype)
        n = left(a)
        if n == k:
            return a
        lower, upper = ((a, n), upper) if n > k else (lower, (a, n))
        if step == COUNTED and lower[0] == 0:
            lower = 0.0, left(0.0)
            if lower[1] <= k:
                return 0.0
        bracketed = lower[0] > 0 and upper[0] < math.inf
        if bracketed and step % 3:  # along the chord in log a; each third step halves the bracket, whatever the counts
            share = (lower[1] - k) / (lower[1] - upper[1])
            a = lower[0] * (upper[0] / lower[0]) ** share
        else:
            a = _between(lower[0], upper[0], 2.0 if step < 8 else FARTHEST)
        if not lower[0] < rounded(a, dtype) < upper[0]:
            a = _between(lower[0], upper[0], FARTHEST)
            if not lower[0] < rounded(a, dtype) < upper[0]:
                return None  # ties
    return None


def rounded(number: float, dtype: torch.dtype) -> float:
    """Return the number as the dtype, float32 or float64, holds it."""
    return number if dtype == torch.float64 else ctypes.c_float(number).value


def _between(lower: float, upper: float, step: float) -> float:
    """Return the middle of both on a logarithmic scale; `step` away from one where the other is no bound."""
    if lower == 0:
        return upper / step
    return lower * step if upper == math.inf else math.sqrt(lower) * math.sqrt(upper)


def _split(values: Tensor) -> Sequence[Tensor]:
    return torch.split(values, PART) if values.numel() > PART else [values]
