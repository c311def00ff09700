"""Which of the zero groups of a masked network a compact network is really without."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from methods.groups import Groups
from runners.networks.graph.structure import Structure


def removed_groups(
    network: nn.Module,
    groups: Groups,
    masks: Sequence[Tensor],
    structure: Structure | None,
    gone: Tensor | None,
    left: Collection[str],
) -> list[Tensor]:
    """Return masks (bool, as `masks`) of the groups that are zero and of which no value is left.

    masks: True for kept groups. gone: bool (channels,), the channels that were removed. left: names of the parameters
    that are left.
    """
    names = {id(p): n for n, p in network.named_parameters()}
    alive = {n: _alive(n, p, structure, gone, left) for n, p in network.named_parameters()}
    result = []
    for family, mask in zip(groups, masks, strict=True):
        parts = [m._replace(parameter=alive[names[id(m.parameter)]], places=_cpu(m.places)) for m in family.parts]
        some = torch.stack([m.alive() for m in parts]).any(0).view(mask.shape)
        result.append(~mask.cpu() & ~some)
    return result


def _cpu(places: Tensor | None) -> Tensor | None:
    return None if places is None else places.cpu()


def _alive(
    name: str, parameter: Tensor, structure: Structure | None, gone: Tensor | None, left: Collection[str]
) -> Tensor:
    """Return the mask (bool) of the values of a parameter that are left."""
    alive = torch.full((1,) * parameter.dim(), name in left)
    if structure is not None and gone is not None:
        for dim in range(parameter.dim()):
            if (found := structure.labels.ranges.get((name, dim))) is not None:
                here = ~gone[structure.channels.all[found.labels]]
                alive = alive & here.reshape([-1 if d == dim else 1 for d in range(parameter.dim())])
    return alive.expand(parameter.shape).contiguous()
