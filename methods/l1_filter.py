"""L1 filter pruning."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from torch import Tensor

from methods.base import Method
from methods.groups import Family


class L1Filter(Method):
    """Keep, of a trained network, the k filters whose weights have the largest sum of absolute values.

    score_j = sum_i |w_ji| over the weights of filter j alone, not its bias or batch norm; of groups that span layers,
    over the weights of all of them. A family that is not measured raw has its L1 norm in its own measure.
    Source: Li, Kadav, Durdanovic, Samet, Graf, "Pruning Filters for Efficient ConvNets", ICLR 2017.
    """

    name: ClassVar[str] = "l1_filter"

    def scores(self) -> list[Tensor]:
        """Return the L1 norm of each group's weights: the members that are matrices or kernels, not vectors."""
        return [(_weights(f) if f.is_raw else f).norms(p=1) for f in self.groups]


def _weights(family: Family) -> Family:
    return replace(family, members=[m for m in family.parts if m.parameter.dim() > 1])
