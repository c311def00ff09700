"""The control that chooses blindly."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Method


class Random(Method):
    """Keep k groups drawn at random from the trained network. With `start: scratch`, the trained-from-scratch control.

    What a criterion is worth is its distance to this one (Mittal et al. 2018, Recovering from Random Pruning;
    Liu et al. 2019, Rethinking the Value of Network Pruning).
    """

    name: ClassVar[str] = "random"

    def scores(self) -> list[Tensor]:
        """Return uniform numbers from torch's generator, which the runner seeds, drawn on the CPU for every device."""
        return [torch.rand(n.shape, dtype=torch.float64).to(n.device) for n in self.groups.norms()]
