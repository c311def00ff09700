"""The paper's method: the weighted group sparse envelope function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from methods.batched import value_of
from methods.continuation import envelope_leaving, groups_left
from methods.problems import Problem, envelope_factors
from methods.proximal import Proximal

SHRINKAGE = 0.1  # `auto` decays the survivors by exp(-0.1) over the whole phase
LEAST = 1e-12  # c of a step that is no part of the phase: a prox of strength 0 would leave every group


class WGSEF(Proximal):
    """Train with lam Omega_k, the tightest convex under-estimator of ridge + "at most k groups are not zero".

    The proximal step is theta_j <- s_j theta_j with the factors of `methods.envelope.prox_factors` at strength
    lr lam: small groups become exactly zero, middle ones shrink by a constant, the k large ones only decay. Scope
    layer solves one problem a family; scope network one over the groups of all families, in which the largest group of
    each family is kept.

    lam = auto needs no tuning and leaves exactly k groups. Whether a given lam reaches k depends on gradients: the
    ridge part decays the survivors as fast as the losers are held down. So the number of groups is annealed instead
    (`methods.continuation`), c = lr lam is so small that the survivors decay by a tenth in the whole phase, and at each
    step the budget is the largest real number up to n(p) at which the prox leaves n(p) groups. n(p) falls linearly
    from m, and is k from 60 % of the phase on; once the groups that have to go are small against the others, the
    budget is k itself. A given lam is held, after the ramp, and leaves k groups or more.

    Source: Refael, Arbel, Huleihel, "Learning k-Level Structured Sparse Neural Networks Using Group Envelope
    Regularization", TMLR 2024, arXiv 2212.12921.
    """

    name: ClassVar[str] = "wgsef"

    def prox(self, problems: Sequence[Problem], strengths: Sequence[float]) -> list[Tensor]:
        """Factors of the prox of Omega_k."""
        return envelope_factors(problems, [p.k for p in problems], strengths)

    def reach(self, problems: Sequence[Problem], lr: float, progress: float, part: float) -> list[Tensor]:
        """Factors that leave n(p) groups at a small strength, by the budget."""
        # d_j and the metric have scales of their own: c_j is to be small in the mean over the groups
        strengths = [max(SHRINKAGE * part, LEAST) / p.weights.mean() for p in problems]
        self._now = torch.stack(strengths).mean() / lr if lr > 0 else 0.0
        counts = [round(groups_left(p, progress)) for p in problems]
        triples = zip(problems, counts, strengths, strict=True)
        return [envelope_leaving(p, n, c)[0] for p, n, c in triples]

    def value(self, problems: Sequence[Problem]) -> float:
        """Omega_k, summed over the problems; a floor counts with its ridge."""
        rooms = [p.room(p.k) for p in problems]
        omega = float(value_of([p.free for p in problems], rooms, [p.weights for p in problems]))
        return omega + sum(float(p.ridge[p.floor].sum()) for p in problems if p.floor is not None)
