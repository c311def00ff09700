"""The grouping by coupled channels, which can only be removed together."""

from __future__ import annotations

from torch import Tensor, nn

from methods.groups import Family, Groups
from methods.members import Member
from runners.networks.compaction.proof import removable_channels
from runners.networks.graph.layers import numbered
from runners.networks.graph.structure import Set, Structure, structure_of
from runners.networks.groupings import GROUPINGS


@GROUPINGS.register("coupled")
def coupled(network: nn.Module, example: Tensor) -> Groups:
    """Channels that can only be removed together, through sums, concatenations, products, ...; attention heads.

    The channels of a grouped convolution are coupled with those at the same place of every group, and those that a
    zero-padding shortcut copies with their copies. Groups with channels in the same layers are a family. What cannot
    be removed belongs to no group.
    """
    structure = structure_of(network, example)
    return Groups(families(structure, structure.coupled_sets(removable_channels(network, example))))


def families(structure: Structure, sets: list[Set]) -> list[Family]:
    """Return a family for each layout of sets, named after the layers that make its channels first."""
    names = numbered([name_of(structure, found) for found in sets])
    return [Family(name, members_of(structure, found)) for name, found in zip(names, sets, strict=True)]


def name_of(structure: Structure, found: Set) -> str:
    """Return the name of the first layer that makes the channels of a set; of several channels, one of each."""
    first: dict[int, str] = {}
    for r, label in zip(found.ranges, found.labels[0].tolist(), strict=True):
        if bool(structure.made[r.first]):
            first.setdefault(int(structure.channels.all[label]), r.tensor.rpartition(".")[0])
    return "+".join(dict.fromkeys(first.values()))


def members_of(structure: Structure, found: Set) -> list[Member]:
    """Return the parameters that make the channels of a set, weights of layers first."""
    tables = {r: t for r, t in found.tables().items() if bool(structure.members[r.first])}
    makers = sorted(tables, key=lambda r: not bool(structure.made[r.first]))
    return [structure.member(r, tables[r]) for r in [*makers[:1], *(r for r in tables if r is not makers[0])]]
