"""The metric of an optimiser, as far as a proximal step has to know it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from methods.groups import Family


@torch.no_grad()
def metric(family: Family, optimizer: Optimizer | None) -> Tensor | None:
    """h_j of each group, shape of its norms, float64; None where the optimiser divides by nothing (SGD).

    Adam and its kin step by -lr m / H with H = sqrt(v) + eps, bias-corrected. The proximal step that belongs to it
    minimises (1/2) ||x - theta||_H^2 + lr lam R(x). With h_j the mean of H over group j, for which it is as cheap as
    the plain one: h_j ||theta_j||^2 = ||sqrt(h_j) theta_j||^2, so it is the plain prox at the norms sqrt(h_j) t_j
    with the weights d_j / h_j.
    Source of the metric: Yun, Lozano, Yang, "Adaptive Proximal Gradient Methods for Structured Neural Networks",
    NeurIPS 2021.
    """
    if optimizer is None or not all("exp_avg_sq" in optimizer.state.get(p, {}) for p, *_ in family.parts):
        return None
    settings = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    divisors = [
        m._replace(parameter=_divisor(optimizer.state[m.parameter], settings[id(m.parameter)])) for m in family.parts
    ]
    return Family(family.name, divisors, family.rows).norms(p=1) / family.elements


def _divisor(state: dict[str, Tensor], settings: dict[str, Any]) -> Tensor:
    corrected: Tensor = state["exp_avg_sq"] / (1 - settings["betas"][1] ** float(state["step"]))
    return corrected.sqrt_().add_(settings["eps"])
