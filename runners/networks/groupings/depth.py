"""The grouping by whole residual branches."""

from __future__ import annotations

from torch import Tensor, nn

from methods.groups import Family, Groups
from methods.members import Member
from runners.networks.graph.branches import branches
from runners.networks.groupings import GROUPINGS


@GROUPINGS.register("depth")
def residual_branches(network: nn.Module, example: Tensor) -> Groups:
    """Residual branches: all parameters that produce a summand of a shortcut; k branches survive in the network."""
    return Groups(
        [
            Family(branch.name, [Member(p, ()) for p in branch.parameters(network)], floor=False)
            for branch in branches(network)
        ]
    )


residual_branches.scope = "network"  # type: ignore[attr-defined]
