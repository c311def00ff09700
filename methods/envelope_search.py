"""Searches behind the envelope: the root of a sum of ramps, and the r-th largest element.

Both the value and the prox of the WGSEF need the root x of

    S(x) = sum_j u_j(x) = k,        u_j(x) = clip(slope_j (x - entry_j), 0, 1),

a nondecreasing, piecewise linear function with 2m breakpoints: group j enters at entry_j and is full at
entry_j + 1 / slope_j. S is always evaluated directly, and comparisons find the full and the zero groups. A
running sum of slopes would be cheaper, but it cancels once norms differ by many orders of magnitude.

`root` sorts the breakpoints: O(m log m), batched, a fixed number of operations, no host synchronisation.
`large_root` is for one long vector on the CPU: a random sample brackets the root, one pass over the vector sums
up all groups without a breakpoint in the bracket, and `root` solves for the remaining groups: O(m). The bracket
is verified, so the sample affects only the time.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

NEVER = 1e290  # entry of a group that takes no part; finite, so that sums and products with it stay finite
LARGE = 1 << 14  # number of groups above which elimination is faster than sorting
# Groups processed at once. Temporaries stay in the cache. From 1 << 15 on torch splits every operation among threads
# and waits for them, which costs more than it gains, above all on a busy machine. BLAS and indexing with a tensor do
# so at any size, so this module uses `sum` in place of `dot`, and `index_select`.
CHUNK = (1 << 15) - 64
CHUNK_ON_ACCELERATOR = 1 << 20
PIVOTS = 32  # most breakpoints at which S is evaluated at once


class Ramps(NamedTuple):
    """Groups as ramps, each field (...,m). A group that takes no part has entry = NEVER and slope = 1 / NEVER."""

    entry: Tensor
    slope: Tensor
    full: Tensor

    @classmethod
    def of(cls, entry: Tensor, slope: Tensor) -> Ramps:
        """Return ramps that start at `entry` and rise to 1 with `slope`; both are clamped in place."""
        entry.clamp_(max=NEVER)
        slope.clamp_(1 / NEVER, NEVER)
        return cls(entry, slope, slope.reciprocal().add_(entry))

    def heights(self, x: Tensor) -> Tensor:
        """Return u_j(x), shape (...,m), for x of shape (...,1). Exactly 0 and exactly 1 outside the rising part."""
        rising = (x - self.entry).mul_(self.slope).clamp_(0, 1)
        return rising.masked_fill_(self.full <= x, 1.0)


class Eliminated(NamedTuple):
    """Sums over the eliminated groups: full or rising on the whole open bracket (lower, upper) of the root."""

    ones: Tensor  # number of full groups
    slope: Tensor  # sum of the slopes of the rising groups
    offset: Tensor  # sum of slope * entry of the rising groups
    lower: Tensor  # S(lower) < k
    upper: Tensor  # S(upper) >= k

    def total(self, x: Tensor) -> Tensor:
        """Return the part of the eliminated groups in S(x)."""
        return self.ones + (self.slope * x - self.offset)

    def scaled(self, by: float) -> Eliminated:
        """Return the sums for a sample that holds the fraction `by` of the groups."""
        return Eliminated(self.ones * by, self.slope * by, self.offset * by, self.lower, self.upper)


class Root(NamedTuple):
    """The root x and the breakpoint below it: groups full at `lower` are saturated, other non-zero groups are not."""

    x: Tensor
    lower: Tensor


def nothing_eliminated(like: Tensor) -> Eliminated:
    """Return the sums before the first elimination: the root lies in (0, inf)."""
    zero = like.new_zeros(())
    return Eliminated(zero, zero, zero, zero, like.new_full((), math.inf))


def root(ramps: Ramps, k: Tensor, eliminated: Eliminated | None = None) -> Root:
    """Solve S(x) = k for independent problems.

    Args:
        ramps: entry, slope and full of shape (...,m).
        k: shape (...,1), with S(0) < k < the number of groups; other problems return an arbitrary x or NaN.
        eliminated: sums over groups outside `ramps` that count in S, and a bracket.

    Returns:
        x and lower of shape (...,1).
    """
    eliminated = eliminated or nothing_eliminated(ramps.entry)
    lower, upper, exact = _piece(ramps, k, eliminated)
    rising = (ramps.entry <= lower) & (ramps.full >= upper)
    ones = eliminated.ones + (ramps.full <= lower).sum(-1, keepdim=True)
    slope = eliminated.slope + torch.where(rising, ramps.slope, 0.0).sum(-1, keepdim=True)
    offset = eliminated.offset + torch.where(rising, ramps.slope * ramps.entry, 0.0).sum(-1, keepdim=True)
    x = ((k - ones + offset) / slope).clamp(lower, upper)
    # On a flat piece the first root makes all winners exactly full; rounding could leave one just below.
    return Root(torch.where(exact, upper, x), lower)


def _piece(ramps: Ramps, k: Tensor, eliminated: Eliminated) -> tuple[Tensor, Tensor, Tensor]:
    """Return neighbouring breakpoints with S(lower) < k <= S(upper), and whether S(upper) = k. Shapes (...,1).

    Each round evaluates S at several of the sorted breakpoints at once: for small problems an operation costs more than
    its arithmetic.
    """
    points = torch.cat([ramps.entry, ramps.full, eliminated.upper.expand(*ramps.entry.shape[:-1], 1)], -1)
    # sorted once if several k share the same ramps
    points = points.clamp_(eliminated.lower, eliminated.upper).sort(-1).values.expand(*k.shape[:-1], -1)
    count = points.shape[-1]
    pivots, rounds = _rounds(count, k.numel() * ramps.entry.shape[-1], points.device)
    several = Ramps(*(t.unsqueeze(-2) for t in ramps))
    steps = torch.arange(1, pivots + 1, device=points.device)
    place = steps - 1
    first = torch.zeros(k.shape, dtype=torch.long, device=points.device)
    last = torch.full_like(first, count)  # the least index known to reach k
    reach = torch.full_like(k, math.nan)  # S there
    for _ in range(rounds):
        index = first + (last - first) * steps // (pivots + 1)
        x = points.gather(-1, index.clamp_(max=count - 1))
        total = eliminated.total(x) + several.heights(x.unsqueeze(-1)).sum(-1)
        below = total < k  # at x = inf the total may be NaN, and k is reached
        at = torch.where(below, pivots, place).amin(-1, keepdim=True)  # of the first that reaches k
        # while the search is open: after its end `index` is `last` itself
        reach = torch.cat([total, reach], -1).gather(-1, at)
        bounds = torch.cat([first - 1, index, last], -1)
        first, last = bounds.gather(-1, at) + 1, bounds.gather(-1, at + 1)
    upper = points.gather(-1, last.clamp(max=count - 1))
    lower = torch.where(last > 0, points.gather(-1, (last - 1).clamp_(0, count - 1)), eliminated.lower)
    return lower, upper, reach == k


def _rounds(count: int, size: int, device: torch.device) -> tuple[int, int]:
    """Return how many pivots to evaluate in each round, and the number of rounds that leave one of `count` points.

    size: numbers in one evaluation of S.
    """
    most = max(1, min(PIVOTS, (CHUNK if device.type == "cpu" else CHUNK_ON_ACCELERATOR) // max(1, size)))
    rounds = _least_rounds(count, most)
    return next((w for w in range(1, most) if _least_rounds(count, w) == rounds), most), rounds


@functools.cache
def _least_rounds(count: int, pivots: int) -> int:
    rounds = 0
    while count:
        count, rounds = count // (pivots + 1), rounds + 1
    return rounds


class Source(NamedTuple):
    """One long vector; `build` makes ramps of it, chunk by chunk.

    weights has the length of norms or 1. Building a chunk again in each pass is cheaper than storing it.
    """

    build: Callable[[Tensor, Tensor], Ramps]
    norms: Tensor
    weights: Tensor

    def parts(self) -> Iterator[Ramps]:
        """Yield the ramps of all groups, in chunks."""
        for norms, weights in chunks(self.norms, self.weights):
            yield self.build(norms, weights)

    def ramps(self) -> Ramps:
        """Return the ramps of all groups at once."""
        return self.build(self.norms, self.weights)

    def sample(self, size: int) -> Ramps:
        """Return the ramps of `size` groups drawn with replacement, always the same groups."""
        return self.build(*_drawn(self.norms, self.weights, size))


def worth_eliminating(norms: Tensor) -> bool:
    """Return whether elimination pays: for one long vector on the CPU; elsewhere it would wait for the device."""
    return norms.dim() == 1 and len(norms) > LARGE and norms.device.type == "cpu"


def chunks(norms: Tensor, weights: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield both vectors in pieces of CHUNK; weights of length 1 are not split."""
    for start in range(0, len(norms), CHUNK):
        part = slice(start, start + CHUNK)
        yield norms[part], weights if len(weights) == 1 else weights[part]


def sample_index(population: int, size: int) -> Tensor:
    """Draw indices with a fixed seed and a separate generator, so that results repeat."""
    return torch.randint(population, (size,), generator=torch.Generator().manual_seed(0))


def _drawn(norms: Tensor, weights: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return both vectors at a sample of indices; weights of length 1 are unchanged."""
    index = sample_index(len(norms), size)
    return norms.index_select(0, index), weights if len(weights) == 1 else weights.index_select(0, index)


def large_root(source: Source, k: Tensor) -> Root:
    """Return `root` of one long vector on the CPU, in expected time O(m). k has shape (1,)."""
    eliminated = nothing_eliminated(k)
    while (size := len(source.norms)) > LARGE:
        smaller, bracketed = _eliminate(source, k, eliminated)
        encloses = _total(smaller, bracketed, bracketed.lower) < k <= _total(smaller, bracketed, bracketed.upper)
        if not encloses or len(smaller.norms) > size // 2:
            break  # an unlucky sample, or few distinct breakpoints; sorting all of them is always correct
        source, eliminated = smaller, bracketed
    return root(source.ramps(), k, eliminated)


def _total(source: Source, eliminated: Eliminated, x: Tensor) -> Tensor:
    """Return S(x) of all groups, for x at an end of the bracket; infinite at infinity."""
    return eliminated.total(x) + source.ramps().heights(x).sum() if x < math.inf else x


def _eliminate(source: Source, k: Tensor, eliminated: Eliminated) -> tuple[Source, Eliminated]:
    """Keep the groups with a breakpoint in the bracket that a sample proposes, and sum up the others."""
    lower, upper = _pivots(source, k, eliminated)
    ones, slope, offset = 0, [], []
    kept = []
    for ramps in source.parts():
        full = ramps.full <= lower
        # full > upper, strictly: a group that is just full at upper must still count as exactly 1
        rising = (ramps.entry <= lower) & (ramps.full > upper)
        keep = (full | rising | (ramps.entry >= upper)).logical_not_().nonzero().squeeze(-1)
        kept.append((ramps.entry.index_select(0, keep), ramps.slope.index_select(0, keep)))
        ones += int(full.count_nonzero())
        slopes = ramps.slope * rising
        slope.append(slopes.sum().item())
        offset.append(slopes.mul_(ramps.entry).sum().item())
    entries, slopes_kept = zip(*kept, strict=True)
    sums = eliminated.ones + ones, eliminated.slope + math.fsum(slope), eliminated.offset + math.fsum(offset)
    return Source(Ramps.of, torch.cat(entries), torch.cat(slopes_kept)), Eliminated(*sums, lower, upper)


def _pivots(source: Source, k: Tensor, eliminated: Eliminated) -> tuple[Tensor, Tensor]:
    """Return two points that most probably enclose the root: four standard errors of a sampled S(x) to each side."""
    population = len(source.norms)
    size = sample_size(population)
    share = size / population
    error = 2 * math.sqrt(size)  # u_j in [0, 1] has a standard deviation of at most 1/2
    targets = torch.stack([k * share - error, k * share + error])
    sample = source.sample(size)
    low, high = root(sample, targets, eliminated.scaled(share)).x.squeeze(-1)
    reach = (sample.entry < NEVER).sum() + eliminated.scaled(share).ones
    return (
        low if targets[0] > 0 else eliminated.lower,
        high if targets[1] < reach else eliminated.upper,
    )


def sample_size(population: int) -> int:
    """Return the size of a sample: few groups stay in the bracket, and sorting the sample is cheap."""
    return min(int(2 * population**0.6), CHUNK // 2)  # _pivots solves two problems of this size


def ranked(keys: Tensor, rank: Tensor) -> Tensor:
    """Return the rank-th largest of keys (...,m), for rank (...,1) in 1..m. Shape (...,1)."""
    return keys.sort(-1, descending=True).values.gather(-1, rank - 1)


def large_ranked(key: Callable[[Tensor, Tensor], Tensor], norms: Tensor, weights: Tensor, rank: int) -> Tensor:
    """Return `ranked` of key(norms, weights) for one long vector on the CPU, in O(m). Shape (1,).

    A sample gives an interval that most probably holds the element; one pass keeps the keys in the interval and
    counts the keys above it.
    """
    size = sample_size(len(norms))
    sample = key(*_drawn(norms, weights, size)).sort(descending=True).values
    position, error = rank * size / len(norms), 2 * math.sqrt(size)
    high = sample[int(position - error)] if position > error else sample.new_full((), math.inf)
    low = sample[math.ceil(position + error)] if position + error < size - 1 else sample.new_zeros(())
    above, kept = 0, []
    for part in chunks(norms, weights):
        keys = key(*part)
        above += int((keys > high).count_nonzero())
        kept.append(keys.index_select(0, ((keys >= low) & (keys <= high)).nonzero().squeeze(-1)))
    inside = torch.cat(kept)
    if 1 <= rank - above <= len(inside):
        return inside.kthvalue(len(inside) - (rank - above) + 1).values.reshape(1)
    return key(norms, weights).kthvalue(len(norms) - rank + 1).values.reshape(1)
