"""Proximal steps in a metric that varies within groups, such as that of Adam: one scalar equation per group.

    prox:   argmin over x of 1/2 sum_i H_i (x_i - t_i)^2 + strength R(x)

R depends on the group norms alone, so x_i = u t_i / (u + r_i) with r_i = c_j / H_i and one u for each group. The
equation for u is the secular equation of trust regions: with p_i = t_i / (u + r_i), psi(u) = 1 / ||p|| is increasing
and concave in u. So Newton steps from the left never pass the root, and about five steps reach it to the last digits.

    Omega_k        c_j = strength d_j, psi_j(u_j) = alpha sqrt(c_j) for 0 < u_j < 1, and sum_j u_j = k: all groups
                   together. With psi_j replaced by its tangent each u_j is a ramp in alpha, so each Newton step finds
                   the root of a sum of ramps: `methods.envelope_search`.
    group lasso    c_j = strength sqrt(d_j), psi_j(u_j) = 1, u_j = ||x_j||: each group by itself

Each step reads all values once, so the cost is linear in their number. If H is constant within each group, the result
equals that of `methods.envelope` in that metric.
Sources: Moré and Sorensen, "Computing a trust region step", SIAM J. Sci. Stat. Comput. 1983 (the equation); Yun,
Lozano, Yang, NeurIPS 2021 (its use for group norms in a diagonal metric).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from methods import envelope_search as search
from methods.members import Member, grouped

STEPS = 60  # most Newton steps; far fewer are needed
BLIND_STEPS = 12  # Newton steps on an accelerator, where nobody looks whether they have ended
EXACT = 1e-13  # change of u at which the Newton steps stop


class Points(NamedTuple):
    """The groups of one family as points: float64 (m, elements), and their metric, shaped alike.

    weights: d_j, (m,). floor: groups that are always kept, bool (m,); None for none.
    """

    values: Tensor
    metric: Tensor
    weights: Tensor
    floor: Tensor | None = None

    @property
    def alive(self) -> Tensor:
        """Mask (bool, (m,)) of the non-zero groups."""
        return self.values.ne(0).any(1)


@torch.no_grad()
def values_of(members: Sequence[Member]) -> Tensor:
    """Return a copy of the values of groups in float64, shape (m, elements), member after member."""
    return torch.cat([_member_values(m) for m in members], 1).double()


@torch.no_grad()
def scatter_(members: Sequence[Member], values: Tensor) -> None:
    """Write values of shape (m, elements), as `values_of` returns them, back into the parameters of the members."""
    for member, part in zip(members, values.split([m.elements for m in members], 1), strict=True):
        parameter = member.parameter
        if member.dims == (0,) and member.shape is None and member.places is None:
            parameter.copy_(part.view(parameter.shape))
            continue
        places = torch.arange(parameter.numel(), device=parameter.device).view(parameter.shape)
        index = _member_values(member._replace(parameter=places))
        flat = parameter.reshape(-1).clone()
        flat[index.flatten()] = part.flatten().to(flat.dtype)
        parameter.copy_(flat.view(parameter.shape))


def _member_values(member: Member) -> Tensor:
    values = grouped(member.view, member.dims)
    return values if member.places is None else values[member.places].flatten(1)


def envelope_prox(
    families: Sequence[Points], budget: float, strength: float, shape: tuple[int, ...] | None = None
) -> list[Tensor]:
    """Return the prox of strength Omega_k over all families of one problem, shaped as their values.

    budget: k >= 0, real, floors included. shape: shape of a tensor over the groups, if its rows are separate problems.
    """
    if strength == 0:
        return [p.values for p in families]
    ratios = [strength * p.weights[:, None] / p.metric for p in families]
    roots = torch.cat([(strength * p.weights).sqrt() for p in families])
    floor = torch.cat([torch.zeros_like(p.alive) if p.floor is None else p.floor for p in families])
    free = torch.cat([p.alive for p in families]) & ~floor
    shape = shape or (len(free),)
    u = torch.zeros(len(free), dtype=torch.float64, device=free.device)
    room = u.new_full((*shape[:-1], 1), budget) - floor.view(shape).sum(-1, keepdim=True)
    within_budget = (free.view(shape).sum(-1, keepdim=True) <= room).expand(shape).reshape(-1)
    for _ in range(_steps(u)):
        psi, slope = (torch.cat(t) for t in zip(*_secular(families, ratios, u), strict=True))
        entry = torch.where(free, (psi - u * slope) / roots, search.NEVER)
        rise = torch.where(free, roots / slope, 0.0)
        ramps = search.Ramps.of(entry.view(shape), rise.view(shape))
        new = ramps.heights(search.root(ramps, room).x).view(-1).nan_to_num_(0.0)
        done = u.device.type == "cpu" and bool(((new - u).abs() <= EXACT).all())
        u = new
        if done:
            break
    empty = (room <= 0).expand(shape).reshape(-1)
    u = torch.where(floor | (within_budget & free), 1.0, torch.where(free & ~empty, u, 0.0))
    return _shrunk(families, ratios, u)


def lasso_prox(point: Points, strength: float) -> Tensor:
    """Return the prox of strength sum_j sqrt(d_j) ||x_j||, shaped as the values."""
    if strength == 0:
        return point.values
    ratio = strength * point.weights.sqrt()[:, None] / point.metric
    u = torch.zeros(len(ratio), dtype=torch.float64, device=ratio.device)
    for _ in range(_steps(u)):
        (psi, slope), = _secular([point], [ratio], u)  # fmt: skip
        new = torch.where(point.alive, u + (1 - psi) / slope, 0.0).clamp_(min=0)
        done = u.device.type == "cpu" and bool(((new - u).abs() <= EXACT * new).all())
        u = new
        if done:
            break
    return _shrunk([point], [ratio], u)[0]


def _steps(u: Tensor) -> int:
    return STEPS if u.device.type == "cpu" else BLIND_STEPS


def _secular(families: Sequence[Points], ratios: Sequence[Tensor], u: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return psi and its slope at u of each group, (m,) for each family; infinite for groups that are zero."""
    found = []
    for point, ratio, mine in zip(families, ratios, u.split([len(p.values) for p in families]), strict=True):
        below = mine[:, None] + ratio
        p = point.values / below
        norm = p.norm(dim=1)
        found.append((1 / norm, p.square().div_(below).sum(1) / norm**3))
    return found


def _shrunk(families: Sequence[Points], ratios: Sequence[Tensor], u: Tensor) -> list[Tensor]:
    parts = zip(families, ratios, u.split([len(p.values) for p in families]), strict=True)
    return [torch.where(s[:, None] > 0, p.values * (s[:, None] / (s[:, None] + r)), 0.0) for p, r, s in parts]
