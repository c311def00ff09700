"""Choose the channels of a masked network that are removed.

A channel goes, with all that depends on it, if every layer that reads it reads zeros there, or multiplies it by zeros:
see `runners.networks.graph.zeros`. The positions of the zeros alone decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from methods.groups import Family, Groups
from methods.members import Member
from runners.networks.graph.structure import Structure


def zeros_of(groups: Groups, masks: Sequence[Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Return masks of the zeros of parameters by name, each with length 1 along dims on which it does not depend.

    masks: bool, one tensor a family, True for kept groups.
    """
    names = {id(p): name for name, p in network.named_parameters()}
    found: dict[str, Tensor] = {}
    for family, mask in zip(groups, masks, strict=True):
        for member in family.parts:
            name, zero = names[id(member.parameter)], _zeros(family, member, mask)
            found[name] = found[name] | zero if name in found else zero
    return found


def _zeros(family: Family, member: Member, mask: Tensor) -> Tensor:
    """Return the mask of the zeros of a member, on the CPU."""
    shape = tuple(member.parameter.shape)
    if member.shape is None:
        shape = tuple(n if d in member.dims else 1 for d, n in enumerate(shape))
    places = None if member.places is None else member.places.cpu()
    ones = member._replace(parameter=torch.ones(shape), places=places)
    Family(family.name, [ones], family.rows).scale_(mask.cpu())
    return ones.parameter == 0


def removable(structure: Structure, zeros: Mapping[str, Tensor], round_to: int = 1) -> Tensor:
    """Return the mask (bool, (channels,)) of the channels that are removed.

    zeros: as of `zeros_of`. round_to: widths are rounded up to multiples of this; at least one channel of a layer
    stays. The last channels are spared.
    """
    gone = torch.zeros(len(structure.free), dtype=torch.bool)
    while True:
        missed = structure.missed(zeros, gone)
        more = spared(structure, gone | (structure.free & ~missed), round_to)
        if torch.equal(more, gone):
            return gone
        gone = more


def spared(structure: Structure, gone: Tensor, round_to: int) -> Tensor:
    """Return the mask of removed channels without those that a layer's width needs."""
    gone, channels = gone.clone(), structure.channels.all
    before = None
    while before is None or not torch.equal(before, gone):
        before = gone.clone()
        for r in structure.ranges:
            if bool(structure.made[r.first]):
                own = channels[r.labels]
                _spare(gone, own, round_to)
    return gone


def _spare(gone: Tensor, own: Tensor, round_to: int) -> None:
    """Spare the last channels of a layer until a multiple of round_to is left, or all, and one at least."""
    left = int((~gone[own]).sum())
    target = min(len(own), max(1, -(-left // round_to)) * round_to)
    while left < target:
        last = own[gone[own]][-1]
        gone[last] = False
        left = int((~gone[own]).sum())
