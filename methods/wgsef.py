"""The paper's method: the weighted group sparse envelope function."""

from __future__ import annotations

from typing import ClassVar

from methods.envelope import prox_factors
from methods.groups import join, split_like
from methods.proximal import Proximal


class WGSEF(Proximal):
    """Train with lam Omega_k, the tightest convex under-estimator of ridge + "at most k groups are not zero".

    The proximal step is theta_j <- s_j theta_j with the factors of `methods.envelope.prox_factors` at strength
    lr lam: small groups become exactly zero, middle ones shrink by a constant, the k large ones only decay. Scope
    layer solves one problem a family, scope network one over the groups of all families.
    Source: Refael, Arbel, Huleihel, "Learning k-Level Structured Sparse Neural Networks Using Group Envelope
    Regularization", TMLR 2024, arXiv 2212.12921.
    """

    name: ClassVar[str] = "wgsef"

    def prox(self, strength: float) -> None:
        """Scale every group by its factor."""
        norms = self.groups.norms()
        if self.budget.scope == "layer":
            pairs = zip(norms, self.budget.per_family, strict=True)
            self.groups.scale_([prox_factors(n, k, strength) for n, k in pairs])
        else:
            self.groups.scale_(split_like(prox_factors(join(norms), self.budget.total, strength), norms))
