"""The weighted group sparse envelope function (WGSEF) as mathematics: value, prox, conjugate, certificate.

    f(theta)  = 1/2 sum_j d_j ||theta_j||^2 + indicator(at most k groups are non-zero)
    Omega     = f**, the tightest convex function below f

Source: Refael, Arbel, Huleihel, "Learning k-Level Structured Sparse Neural Networks Using Group Envelope
Regularization", TMLR 2024, arXiv 2212.12921. With d = 1 and one parameter per group Omega is half the squared
k-support norm (Argyriou, Foygel, Srebro, "Sparse Prediction with the k-Support Norm", NeurIPS 2012).

Everything depends on theta only through its group norms t_j = ||theta_j||. All functions take

    norms    (...,m), finite and >= 0. Leading dimensions are independent problems.
    k        budget: a real number >= 0, or a tensor of one budget per problem, shape (...).
    lam      finite and >= 0, a number or a tensor of shape (...).
    weights  d_j, finite and >= 0, broadcastable to norms; None is 1. A group with d_j = 0 is free: it costs
             nothing and uses no budget, as long as k > 0. With k = 0 every group must be zero.

A group of norm 0 and weight 1 changes nothing: use it for padding. Results have the dtype of norms; all computation
is in float64 on the device of norms, for norms whose ratios stay within 1e-100 to 1e100. A wrong argument raises
ValueError, which names it. The contents of tensors on an accelerator are not checked, because a check would wait for
the device: there a problem with a negative, NaN or infinite argument returns NaN.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from methods import envelope_search as search
from methods.levels import Bend, Norms, Sorted, envelope_bend, unknown

SAMPLE = 1 << 12  # norms of a long vector that show where to begin
STEEP = 1e4  # largest c of a search by `methods.levels` in float64
_TINY, _HUGE = 1e-150, 1e150  # c = lam d beyond them acts as its limit, and products could overflow


def value(norms: Tensor, k: float | Tensor, weights: Tensor | None = None) -> Tensor:
    """Return Omega, shape (...); differentiable in norms.

    With a_j = sqrt(d_j) t_j: 1/2 sum a_j^2 if at most k of the a_j are non-zero, otherwise

        1/2 [ sum over saturated a_j^2 + (sum over the others a_j)^2 / (k - number of saturated) ],

    where the saturated groups are the q largest and a_(q) >= tau > a_(q+1). The gradient is d_j t_j for a
    saturated group and tau sqrt(d_j) for the others, also at t_j = 0: the derivative from the right.
    Infinite if k = 0 and a norm is not zero.
    """
    p = _problem(norms, k, weights)
    a = _scaled(p.norms, p.weights)
    saturated, room = _saturated(p, a.detach())
    spread = torch.where(saturated, 0.0, a).sum(-1, keepdim=True)
    omega = 0.5 * (torch.where(saturated, a * a, 0.0).sum(-1, keepdim=True) + spread * spread / room)
    impossible = (p.k == 0) & (p.norms > 0).any(-1, keepdim=True)
    return p.finish(omega.masked_fill(impossible, math.inf)).squeeze(-1)


@torch.no_grad()
def dual_variable(norms: Tensor, k: float | Tensor, weights: Tensor | None = None) -> Tensor:
    """Return tau, shape (...), of Omega(theta) = min over 0 <= u <= 1, sum u <= k of 1/2 sum d_j t_j^2 / u_j.

    y is a subgradient at theta iff y_j = d_j theta_j for the groups with sqrt(d_j) t_j >= tau, y_j =
    tau sqrt(d_j) theta_j / t_j for the other non-zero groups, and ||y_j|| <= tau sqrt(d_j) for zero groups:

        tau = (sum of the unsaturated sqrt(d_j) t_j) / (k - number of saturated).

    If at most k groups are non-zero, tau is the largest value that fits: 0 below k, the smallest non-zero
    sqrt(d_j) t_j at exactly k, infinity for k = 0.
    """
    p = _problem(norms, k, weights)
    a = _scaled(p.norms, p.weights)
    saturated, room = _saturated(p, a)
    tau = torch.where(saturated, 0.0, a).sum(-1, keepdim=True) / room
    smallest = torch.where(a > 0, a, math.inf).amin(-1, keepdim=True)
    count = (a > 0).sum(-1, keepdim=True)
    tau = torch.where(count == p.k, smallest, torch.where(count < p.k, 0.0, tau))
    return p.finish(tau.masked_fill(p.k == 0, math.inf)).squeeze(-1)


@torch.no_grad()
def prox_factors(norms: Tensor, k: float | Tensor, lam: float | Tensor, weights: Tensor | None = None) -> Tensor:
    """Return factors s_j in [0, 1], shape (...,m), with prox_{lam Omega}(theta)_j = s_j theta_j.

        s_j = u_j / (u_j + c_j),  c_j = lam d_j,  u_j = clip(alpha sqrt(c_j) t_j - c_j, 0, 1),  sum_j u_j = k;

    u = 1 if at most k groups are non-zero. A group of norm 0 has factor 0; any other with c_j = 0 < k has factor 1.

    For large lam both alpha sqrt(c_j) t_j and c_j are large, but their difference is not. So the search is for
    x >= 0 in alpha = sqrt(lam) (1 + x) / beta, with w_j = t_j / sqrt(d_j) and beta the ceil(k)-th largest w_j:

        u_j = clip(slope_j (x - entry_j), 0, 1),   slope_j = c_j w_j / beta,   entry_j = (beta - w_j) / w_j.

    If c is large, only groups with w_j near beta are neither zero nor full, and for them beta - w_j is exact.
    """
    p = _problem(norms, k, weights, lam)
    if p.long() and (bend := _bend(p)) is not None:
        return torch.cat([bend.factors(t.to(torch.float64)).to(t.dtype) for t in p.norms.split(search.CHUNK)])
    key = partial(_importance, p.lam)
    beta = _ranked(key, p)
    build = partial(_prox_ramps, p.lam, torch.where(beta > 0, beta, 1.0))
    if p.long():
        counts = (int(key(*part).count_nonzero()) for part in search.chunks(p.norms, p.weights))
        # the count only grows, so the first one that is not trivial decides
        within_budget = all(bool(_trivial(p, count)) for count in itertools.accumulate(counts))
        return _long_factors(p, search.Source(build, p.norms, p.weights), within_budget)
    ramps = build(p.norms, p.weights)
    trivial = _trivial(p, (ramps.entry < search.NEVER).sum(-1, keepdim=True))
    x = search.root(ramps, p.k).x.masked_fill(trivial, 0.0)
    return p.finish(_factors(p, ramps.heights(x), trivial))


def _long_factors(p: _Problem, source: search.Source, trivial: bool) -> Tensor:
    """Return `prox_factors` of one long vector, computed chunk by chunk."""
    x = torch.zeros_like(p.k) if trivial else search.large_root(source, p.k).x
    result, start = torch.empty_like(p.norms), 0
    for norms, weights in search.chunks(p.norms, p.weights):
        part = p._replace(norms=norms, weights=weights)
        result[start : start + len(norms)] = _factors(part, source.build(norms, weights).heights(x), trivial)
        start += len(norms)
    return result


def _bend(p: _Problem) -> Bend | None:
    """Return the prox of equal weights as a function of the norm, by a search that sorts nothing; None if it cannot."""
    if p.weights.numel() > 1 and p.weights.stride() != (0,):
        return None
    k, c, level = float(p.k), float(p.lam) * float(p.weights[0]), unknown()
    if not (k > 0 and c <= STEEP):
        return None
    some = Sorted(p.norms[:: -(-len(p.norms) // SAMPLE)].tolist())
    envelope_bend(some, k * some.size / len(p.norms), c, level, decay=True, largest=some.largest(), steepest=STEEP)
    norms = Norms([p.norms], torch.float64)
    return envelope_bend(norms, k, c, level, decay=True, largest=norms.largest(), steepest=STEEP, digits=True)


def conjugate(norms: Tensor, k: float | Tensor, weights: Tensor | None = None) -> Tensor:
    """Return f*(y) = Omega*(y) = 1/2 (sum of the k largest ||y_j||^2 / d_j), shape (...), for norms ||y_j||.

    Differentiable in norms. For real k the last term is weighted by the fractional part of k. Infinite if k > 0 and
    ||y_j|| > 0 = d_j for some j.
    """
    p = _problem(norms, k, weights)
    z = _conjugate_terms(p.norms, p.weights)
    with torch.no_grad():
        threshold = _ranked(_conjugate_terms, p)
        above, at = z > threshold, z == threshold
        share = (p.k - above.sum(-1, keepdim=True)) / at.sum(-1, keepdim=True)  # for ties
        part = torch.where(above & (p.k > 0), 1.0, torch.where(at, share.clamp(0, 1), 0.0))
    return p.finish(0.5 * torch.where(part > 0, part * z, 0.0).sum(-1, keepdim=True)).squeeze(-1)


def optimality_gap(
    norms: Tensor, factors: Tensor, k: float | Tensor, lam: float | Tensor, weights: Tensor | None = None
) -> Tensor:
    """Return the relative Fenchel-Young gap, shape (...), of x = factors * norms as a candidate for the prox of norms.

        [Omega(x) + f*(y) - <x, y>] / [Omega(x) + f*(y)],    y = (norms - x) / lam

    The gap is at least 0 up to rounding, and 0 iff x is the prox; 0 / 0 counts as 0. For lam = 0 the prox is the
    point itself, and the gap is 0 or infinite. As y is a difference, rounding alone gives about 1e-16 / (lam d).
    """
    if factors.shape != norms.shape:
        raise ValueError(f"factors have shape {tuple(factors.shape)}, but norms {tuple(norms.shape)}")
    p = _problem(norms, k, weights, lam)
    point = p.norms.to(torch.float64)
    x = point * factors.to(torch.float64)
    y = torch.where(p.lam > 0, (point - x) / p.lam, 0.0)
    budget = p.k.squeeze(-1)
    total = value(x.abs(), budget, p.weights) + conjugate(y.abs(), budget, p.weights)
    gap = torch.where(total > 0, (total - (x * y).sum(-1)) / total, 0.0)
    moved = torch.where((x == point).all(-1), 0.0, math.inf)
    return p.finish(torch.where(p.lam.squeeze(-1) > 0, gap, moved).unsqueeze(-1)).squeeze(-1)


class _Problem(NamedTuple):
    """Validated arguments: norms (...,m), k and lam (...,1) and weights (...,m) or (1,) in float64."""

    norms: Tensor
    k: Tensor
    weights: Tensor
    lam: Tensor

    def long(self) -> bool:
        """Return whether the problem is solved by elimination."""
        return search.worth_eliminating(self.norms)

    def finish(self, result: Tensor) -> Tensor:
        """Return the result, (...,1) or (...,m), in the dtype of norms; NaN for a wrong problem on an accelerator."""
        if result.device.type != "cpu":
            broken = [~((t >= 0) & (t < math.inf)).all(-1, keepdim=True) for t in self]
            result = result.masked_fill(broken[0] | broken[1] | broken[2] | broken[3], math.nan)
        return result.to(self.norms.dtype)


def _scaled(norms: Tensor, weights: Tensor) -> Tensor:
    """Return a_j = sqrt(d_j) t_j."""
    return norms.to(torch.float64) * weights.sqrt()


def _importance(lam: Tensor, norms: Tensor, weights: Tensor) -> Tensor:
    """Return w_j = t_j / sqrt(d_j), the order in which groups leave zero; 0 for groups that use no budget."""
    return norms.to(torch.float64) / torch.where(lam * weights > 0, weights.sqrt(), math.inf)


def _conjugate_terms(norms: Tensor, weights: Tensor) -> Tensor:
    """Return ||y_j||^2 / d_j, with 0 / 0 = 0."""
    return torch.where(norms > 0, norms.to(torch.float64).square() / weights, 0.0)


def _prox_ramps(lam: Tensor, beta: Tensor, norms: Tensor, weights: Tensor) -> search.Ramps:
    """Return u_j of the prox as ramps in x: see `prox_factors`. A group with w_j = 0 enters at infinity."""
    w = _importance(lam, norms, weights)
    slope = (w / beta).mul_((lam * weights).clamp(_TINY, _HUGE))
    return search.Ramps.of((beta - w).div_(w), slope)


def _value_ramps(norms: Tensor, weights: Tensor) -> search.Ramps:
    """Return u_j = min(1, a_j / tau) as ramps in x = 1 / tau."""
    a = _scaled(norms, weights)
    return search.Ramps.of(torch.zeros_like(a), a)


@torch.no_grad()
def _saturated(p: _Problem, a: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mask of the groups saturated in Omega, (...,m), and k minus their number, (...,1), never 0."""
    if p.long():
        root = search.large_root(search.Source(_value_ramps, p.norms.detach(), p.weights), p.k)
    else:
        root = search.root(_value_ramps(p.norms.detach(), p.weights), p.k)
    within_budget = a.count_nonzero(-1).unsqueeze(-1) <= p.k
    # tested at the breakpoint below the root, not at the root, so that k minus their number cannot round to 0
    saturated = within_budget | (a.reciprocal() <= root.lower)
    return saturated, torch.where(within_budget, 1.0, p.k - saturated.sum(-1, keepdim=True))


def _ranked(key: Callable[[Tensor, Tensor], Tensor], p: _Problem) -> Tensor:
    """Return the ceil(k)-th largest key of the groups, shape (...,1)."""
    size = p.norms.shape[-1]
    rank = p.k.nan_to_num(1.0).ceil().clamp(1, size).long()  # NaN would index out of range
    if p.long():
        return search.large_ranked(key, p.norms.detach(), p.weights, int(rank))
    return search.ranked(key(p.norms, p.weights), rank)


def _trivial(p: _Problem, count: Tensor | int) -> Tensor:
    """Return whether the prox needs no search, (...,1): at most k of the `count` groups that use budget, or k = 0."""
    return (count <= p.k) | (p.k == 0)


def _factors(p: _Problem, heights: Tensor, trivial: Tensor | bool) -> Tensor:
    """Return s_j = u_j / (u_j + c_j), with the special cases of `prox_factors`."""
    c = p.lam * p.weights
    u = torch.maximum(heights, ((c == 0) | trivial).to(torch.float64))
    return u.div_(u + c).mul_((p.norms > 0) & (p.k > 0))


def _problem(norms: Tensor, k: float | Tensor, weights: Tensor | None = None, lam: float | Tensor = 1.0) -> _Problem:
    """Validate all arguments and broadcast them. Raises ValueError."""
    if not (isinstance(norms, Tensor) and norms.is_floating_point() and norms.dim() and norms.shape[-1]):
        raise ValueError("norms must be a floating-point tensor of shape (..., m) with m > 0")
    _check("norms", norms)
    if weights is None:
        weights = torch.ones(1, dtype=torch.float64, device=norms.device)
    else:
        _check("weights", weights)
        weights = fit("weights", weights.to(norms.device, torch.float64, non_blocking=True), norms.shape)
    budgets = _per_problem("k", k, norms).clamp(max=norms.shape[-1] + 1)
    return _Problem(norms, budgets, weights, _per_problem("lam", lam, norms))


def _per_problem(name: str, number: float | Tensor, norms: Tensor) -> Tensor:
    """Return a number, or a tensor of one number per problem, as float64 of shape (...,1)."""
    if isinstance(number, Tensor):
        _check(name, number)
        tensor = number.to(norms.device, torch.float64, non_blocking=True)
    else:
        if not 0 <= number < math.inf:
            raise ValueError(f"{name} must be finite and not negative, not {number}")
        tensor = torch.full((), number, dtype=torch.float64, device=norms.device)
    return fit(name, tensor, norms.shape[:-1]).unsqueeze(-1)


def fit(name: str, tensor: Tensor, shape: torch.Size) -> Tensor:
    """Return the tensor broadcast to the shape. Raises ValueError, with the name, if it does not fit."""
    try:
        return tensor.expand(shape)
    except RuntimeError:
        raise ValueError(f"{name} of shape {tuple(tensor.shape)} does not fit {tuple(shape)}") from None


def _check(name: str, tensor: Tensor) -> None:
    """Raise ValueError unless every element is finite and not negative. On accelerators nothing is checked."""
    if tensor.device.type != "cpu" or tensor.numel() == 0:
        return
    smallest, largest = tensor.detach().aminmax()
    if not (smallest >= 0 and largest < math.inf):  # NaN fails both
        raise ValueError(f"{name} must be finite and not negative, not {smallest:g} to {largest:g}")
