"""From zeros in place to a network that is really smaller or faster.

What can be removed is read off where the zeros are, so any grouping is realised, a user's own as well. `realise`
removes what goes for good, before fine-tuning; `deploy` is for what is only worth it in inference, after it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods.groups import Family, Groups
from results.errors import Untraceable
from runners import sparse
from runners.branches import branches, without_branches
from runners.compaction.removal import removals, unread_maps
from runners.compaction.surgery import apply_removal, select_inputs

TOLERANCE = 1e-4
CLOCK = sparse.time_interleaved  # how sparse layers are timed
# zeros in no row or column: what removal would find there is chance
IN_PLACE = ("element", "kernel", "block", "n_of_m")


@dataclass
class Realised:
    """A pruned network as it is fine-tuned.

    network: a copy; the masked one is left as it is. realisation: `compact` (all that is zero is removed), `masked`
        (zeros in place), or `compact+masked` (some removed; others could not be, as where a residual sum has them in
        one layer only).
    restore: puts the zeros back after a training step; does nothing where there is nothing left to hold.
    """

    network: nn.Module
    realisation: str
    restore: Callable[[], None]


def realise(
    network: nn.Module,
    groups: Groups,
    masks: Sequence[Tensor],
    grouping: str,
    example: Tensor,
    round_to: int = 1,
) -> Realised:
    """Return a masked network without what its masks make superfluous; its shape follows from the masks alone.

    masks: bool, one tensor a family shaped as its norms, True where a group is kept. example: a batch to trace with.
    round_to: widths are rounded up to multiples of it; the channels that are spared stay at zero.
    """
    marks, compact = _marked(network, groups, masks), copy.deepcopy(network)
    before = _shapes(compact)
    if grouping not in IN_PLACE:
        for step in removals(marks, example, round_to):
            apply_removal(compact, step)
        if idle := _idle_branches(marks):
            marks, compact = without_branches(marks, idle), without_branches(compact, idle)
    if grouping == "channel":
        read = unread_maps(marks)
        select_inputs(marks, read)
        select_inputs(compact, read)
    zero_masks = {n: p == 0 for n, p in marks.named_parameters() if not p.all()}
    compact.zero_grad()
    # removal leaves weights in the slower layout
    return Realised(
        channels_last(compact),
        _realisation(_shapes(compact) != before, bool(zero_masks)),
        lambda: _restore_zeros(compact, zero_masks),
    )


def deploy(network: nn.Module, grouping: str, realisation: str, example: Tensor) -> tuple[nn.Module, str]:
    """Return a network whose remaining zeros are left out in inference, where that is faster, and its realisation.

    `masked` becomes the kinds of layers that are in use, joined by `+`: see `runners.sparse.deploy`.
    """
    if grouping not in (*IN_PLACE, "shape") or "masked" not in realisation:
        return network, realisation
    names = [n for n, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear) and not m.weight.all()]
    kind = "positions" if grouping == "shape" else None
    faster, words = sparse.deploy(network, names, example, kind=kind, clock=CLOCK)
    return faster, realisation.replace("masked", words)


def _realisation(removed: bool, zeros_left: bool) -> str:
    if not zeros_left:
        return "compact"
    return "compact+masked" if removed else "masked"


@torch.no_grad()
def _marked(network: nn.Module, groups: Groups, masks: Sequence[Tensor]) -> nn.Module:
    """Return a copy of a network with 0 for every parameter that is masked, and 1 for all others."""
    marks = copy.deepcopy(network)
    names = {id(p): name for name, p in network.named_parameters()}
    for parameter in marks.parameters():
        parameter.fill_(1)
    for family, mask in zip(groups, masks, strict=True):
        own = [m._replace(parameter=marks.get_parameter(names[id(m.parameter)])) for m in family.parts]
        Family(family.name, own, family.rows).scale_(mask)
    return marks


def _idle_branches(marks: nn.Module) -> list[str]:
    try:
        found = branches(marks)
    except Untraceable:
        return []
    return [b.name for b in found if not any(bool(p.any()) for p in b.parameters(marks))]


def _shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(p.shape) for name, p in network.named_parameters()}


@torch.no_grad()
def _restore_zeros(network: nn.Module, zero_masks: dict[str, Tensor]) -> None:
    for name, mask in zero_masks.items():
        network.get_parameter(name).masked_fill_(mask, 0)


def channels_last(network: nn.Module) -> nn.Module:
    """Lay a network's weights out channels last: torch's convolutions are up to three times faster on a CPU."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


@torch.no_grad()
def difference(masked: nn.Module, compact: nn.Module, example: Tensor) -> float:
    """Return the largest absolute difference of the two outputs in evaluation mode."""
    return float((masked.eval()(example) - compact.eval()(example)).abs().max())
