"""The metric H of an optimiser, for proximal steps.

In the long run an optimiser moves a parameter theta_i by -lr m_i / H_i, m its mean gradient. The matching proximal step
minimises 1/2 sum_i H_i (x_i - theta_i)^2 + lr lam R(x): only then is the fixed point of both steps at -gradient in
lam dR, so that lam is the strength of R in loss + lam R.

    SGD                 H = (1 - momentum) / (1 - dampening), one number: momentum sums a gradient up to 1 / H of it
    Adam, AdamW         H_i = sqrt(v_i) + eps, bias-corrected, one number for each parameter
    any other           1

Source of the metric of Adam: Yun, Lozano, Yang, "Adaptive Proximal Gradient Methods for Structured Neural Networks",
NeurIPS 2021.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from methods.coordinates import values_of
from methods.groups import Groups
from methods.members import Member

Metric = float | Tensor


@torch.no_grad()
def metrics(groups: Groups, optimizer: Optimizer | None) -> list[Metric]:
    """Return H of each family, over its measured members.

    H is one number if all their parameters share it, else float64 of shape (m, elements), as in
    `coordinates.values_of`. optimizer: None for H = 1.
    """
    if type(optimizer) is torch.optim.SGD:
        trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
        numbers = {_of_momentum(group) for group in optimizer.param_groups}
        if len(numbers) == 1 and trained >= groups.measured_ids:  # one number for all, which is at hand
            return [numbers.pop()] * len(groups)
    settings = {id(p): group for group in optimizer.param_groups for p in group["params"]} if optimizer else {}
    return [_of_members(family.measured, optimizer, settings) for family in groups]


def _of_members(
    members: Sequence[Member], optimizer: Optimizer | None, settings: Mapping[int, dict[str, Any]]
) -> Metric:
    found = [_of_parameter(m.parameter, optimizer, settings.get(id(m.parameter), {})) for m in members]
    numbers = {h for h in found if isinstance(h, float)}
    if len(numbers) == 1 and len(numbers) == len(set(map(type, found))):
        return numbers.pop()
    return values_of([_with(m, h) for m, h in zip(members, found, strict=True)])


def _with(member: Member, h: Metric) -> Member:
    return member._replace(
        parameter=torch.full_like(member.parameter, h, dtype=torch.float64) if isinstance(h, float) else h
    )


def _of_parameter(parameter: Tensor, optimizer: Optimizer | None, settings: dict[str, Any]) -> Metric:
    state = optimizer.state.get(parameter, {}) if optimizer else {}
    if "exp_avg_sq" in state:
        second = state["max_exp_avg_sq"] if settings.get("amsgrad") else state["exp_avg_sq"]
        corrected: Tensor = second / (1 - settings["betas"][1] ** float(state["step"]))
        return corrected.sqrt_().add_(settings["eps"])
    return _of_momentum(settings) if isinstance(optimizer, torch.optim.SGD) else 1.0


def _of_momentum(settings: dict[str, Any]) -> float:
    if not settings.get("momentum"):
        return 1.0
    return float((1 - settings["momentum"]) / (1 - settings["dampening"]))
