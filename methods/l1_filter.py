"""L1 filter pruning."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from torch import Tensor

from methods.base import Method


class L1Filter(Method):
    """Keep, of a trained network, the k filters whose weights have the largest sum of absolute values.

    score_j = sum_i |w_ji| over the weights of filter j alone, not its bias or batch norm.
    Source: Li, Kadav, Durdanovic, Samet, Graf, "Pruning Filters for Efficient ConvNets", ICLR 2017.
    """

    name: ClassVar[str] = "l1_filter"

    def scores(self) -> list[Tensor]:
        """Return the L1 norm of each group's first member: the weight, by the contract of the groupings."""
        return [replace(f, members=f.members[:1]).norms(p=1) for f in self.groups]
