"""The group lasso, by proximal gradient."""

from __future__ import annotations

from typing import ClassVar

import torch

from methods.proximal import Proximal


class GroupLasso(Proximal):
    """Train with lam sum_j sqrt(p_j) ||theta_j||, p_j the number of parameters in group j; zeros are exact.

    The proximal step is block soft thresholding, theta_j <- max(0, 1 - lr lam sqrt(p_j) / ||theta_j||) theta_j.
    It does not know k: the strength lam decides how many groups are left, and the runner projects to k.
    Source: Yuan and Lin, "Model Selection and Estimation in Regression with Grouped Variables", JRSS B 2006; in
    networks Wen et al., "Learning Structured Sparsity in Deep Neural Networks", NeurIPS 2016.
    """

    name: ClassVar[str] = "group_lasso"

    def prox(self, strength: float) -> None:
        """Soft-threshold every group."""
        for family in self.groups:
            threshold = strength * family.elements**0.5
            norms = family.norms()
            # a group at or below the threshold gets an exact 0, a zero group stays 0 without a division by it
            family.scale_(torch.where(norms > threshold, 1 - threshold / norms, 0.0))
