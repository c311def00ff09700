"""Compact a masked network: remove zeros, or use sparse layers, so that the network is smaller or faster.

Removal depends on the positions of the zeros alone, so it works for any grouping, custom groupings included. `realise`
removes channels, heads and branches before fine-tuning; `deploy` adds sparse layers for inference after it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods.groups import Family, Groups
from results.errors import Untraceable
from runners.networks import sparse
from runners.networks.compaction.removal import removals, unread_maps
from runners.networks.compaction.surgery import apply_removal, select_inputs
from runners.networks.graph.branches import branches, without_branches

TOLERANCE = 1e-4
CLOCK = sparse.time_interleaved  # times sparse layers
# groupings whose zeros fill no whole row or column, except by chance
IN_PLACE = ("element", "kernel", "block", "n_of_m")


@dataclass
class Realised:
    """A pruned network for fine-tuning.

    network: a copy; the masked network is unchanged. realisation: `compact` (all zeros removed), `masked` (all zeros in
        place), or `compact+masked` (some zeros removed; for example, zeros in only one layer of a residual sum stay).
    restore: sets the remaining zeros again after a training step.
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
    """Remove from a copy of a masked network all channels, heads and branches that its masks make superfluous.

    The shapes depend on the masks alone. masks: bool, one tensor a family shaped as its norms, True for kept groups.
    example: a batch to trace with. round_to: round widths up to multiples of this; the spared channels stay at zero.
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
    # removal leaves weights in a slower layout
    return Realised(
        channels_last(compact),
        _realisation(_shapes(compact) != before, bool(zero_masks)),
        lambda: _restore_zeros(compact, zero_masks),
    )


def deploy(network: nn.Module, grouping: str, realisation: str, example: Tensor) -> tuple[nn.Module, str]:
    """Return a network with sparse layers for its remaining zeros, if they are faster, and its realisation.

    In the realisation `masked` becomes the kinds of layers in use, joined by `+`: see `runners.networks.sparse.deploy`.
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
    """Return a copy of a network with 0 for every masked value, and 1 for every other parameter value."""
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
    """Convert the weights of a network to channels last: convolutions on a CPU are up to three times faster."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


@torch.no_grad()
def difference(masked: nn.Module, compact: nn.Module, example: Tensor) -> float:
    """Return the largest absolute difference between the two outputs in evaluation mode."""
    return float((masked.eval()(example) - compact.eval()(example)).abs().max())
