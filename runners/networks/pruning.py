"""All that pruning a network takes, for the runner and for a training loop of one's own.

    from runners.networks.pruning import Budget, export, groups_of, load, project, realise

    groups = groups_of(network, images, "coupled")
    masks = project(groups, Budget.of(groups, keep=0.25))       # exactly k groups of each family are left
    small = realise(network, groups, masks, "coupled", images)  # without them: small.network
    export(network, small.network, masks, "coupled", images, "DIR")
    load("DIR", network)                                        # elsewhere: with an untrained network of the same code

docs/own_loop.py trains with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from methods.groups import Budget, Groups, Measure, Scope
from runners.networks.compaction import Realised, realise
from runners.networks.comparison import compare_outputs
from runners.networks.export.deployed import FORMAT, load
from runners.networks.export.writing import NetworkPair, plan_with_origins, write
from runners.networks.groupings import GROUPINGS
from runners.networks.groupings.measures import measured


def groups_of(network: nn.Module, example: Tensor, grouping: str, measure: Measure = "raw") -> Groups:
    """Divide a network into families of groups.

    example: a batch of images, of the size that the network takes. grouping: its name, or `package.module:function`.
    measure: the norm of a group. Raises NothingToDivide if there is no group of this kind, Untraceable if the forward
    pass fails.
    """
    return measured(GROUPINGS[grouping](network, example), network, example, measure)


def project(groups: Groups, budget: Budget, scores: Sequence[Tensor] | None = None) -> list[Tensor]:
    """Set all but the k best groups to zero, and return the masks: bool, one tensor a family, True for kept groups.

    scores: importance of each group, one tensor a family; the norms if None.
    """
    masks = budget.select(groups.norms() if scores is None else scores)
    groups.scale_(masks)
    return masks


def export(
    masked: nn.Module, compact: nn.Module, masks: list[Tensor], grouping: str, example: Tensor, folder: str | Path
) -> None:
    """Write the weights of a compact network, and the plan of what it lacks, to a new or empty folder.

    masked: the network with zeros in place, from which the compact one was made. `load` reads the folder. Raises
    InputError if a plan cannot describe the network.
    """
    pair = NetworkPair(masked, compact)
    plan = {"format": FORMAT, **plan_with_origins(pair, masks, grouping, example)}
    Path(folder).mkdir(parents=True, exist_ok=True)
    write(pair, plan, Path(folder))


__all__ = [
    "Budget",
    "Groups",
    "Realised",
    "Scope",
    "compare_outputs",
    "export",
    "groups_of",
    "load",
    "project",
    "realise",
]
