"""Compact a masked network: remove zeros, or use sparse layers, so that the network is smaller or faster.

Removal depends on the positions of the zeros alone, so it works for any grouping, custom groupings included. `realise`
removes channels, heads and branches before fine-tuning, and only what leaves the outputs as they were; `deploy` adds
sparse layers for inference after it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from methods.groups import Groups
from results.errors import Untraceable
from runners.networks import sparse
from runners.networks.compaction.proof import perturbed, proved, with_zeros
from runners.networks.compaction.removal import removable, zeros_of
from runners.networks.compaction.report import removed_groups
from runners.networks.compaction.selection import select_inputs, unread_maps
from runners.networks.compaction.surgery import copy_sharing, remove
from runners.networks.comparison import compare_outputs
from runners.networks.graph.branches import branches, without_branches
from runners.networks.graph.structure import Structure, structure_of

CLOCK = sparse.time_interleaved  # times sparse layers
# groupings whose zeros fill no whole row or column, except by chance
IN_PLACE = ("element", "kernel", "block", "n_of_m")


@dataclass(frozen=True)
class Removal:
    """What is removed from a network, from any copy of it alike, whatever its values.

    gone: bool (channels,) of the structure. branches: names of residual branches. read: input channels that layers
    read, by their names, where they do not read all.
    """

    structure: Structure | None = None
    gone: Tensor | None = None
    branches: Sequence[str] = ()
    read: Mapping[str, Tensor] = field(default_factory=dict)

    def of(self, network: nn.Module) -> nn.Module:
        """Return a copy of the network without what is removed; the copy that is given may be changed."""
        if self.structure is not None and self.gone is not None:
            network = remove(network, self.structure, self.gone)
        if self.branches:
            network = without_branches(network, self.branches)
        select_inputs(network, self.read)
        return network


@dataclass
class Realised:
    """A pruned network for fine-tuning.

    network: a copy; the masked network is unchanged. realisation: `compact` (all zeros removed), `masked` (all zeros in
        place), or `compact+masked` (some zeros removed; for example, zeros in only one layer of a residual sum stay).
    restore: sets the remaining zeros again after a training step.
    removed: bool, one tensor a family, True for groups that are zero and whose values are all removed.
    reason: why zeros that could go have stayed; None if there are none.
    removal: what was removed.
    """

    network: nn.Module
    realisation: str
    restore: Callable[[], None]
    removed: list[Tensor] = field(default_factory=list)
    reason: str | None = None
    removal: Removal = Removal()


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
    zeros = zeros_of(groups, masks, network)
    marks, removal, reason = _marked(network, zeros), Removal(), None
    if grouping not in IN_PLACE:
        removal, reason = _channels(network, zeros, example, round_to)
        marks = removal.of(marks)
        idle = _idle_branches(marks)
        if idle and _idle_indeed(network, zeros, idle, example):
            removal, marks = replace(removal, branches=idle), without_branches(marks, idle)
    left = dict(marks.named_parameters())
    removed = removed_groups(network, groups, masks, removal.structure, removal.gone, left)
    if grouping == "channel":
        removed = [~mask.cpu() for mask in masks]  # a layer that reads some of its input has no others
        removal = replace(removal, read=unread_maps(marks))
        select_inputs(marks, removal.read)
    if grouping not in (*IN_PLACE, "shape") and not reason and not _some(removed) and _some(~m for m in masks):
        reason = "no zero group is one that all layers around it can do without"
    # a copy, for what nothing was removed from is the network's until now
    compact = copy.deepcopy(removal.of(copy_sharing(network)))
    zero_masks = {n: p == 0 for n, p in marks.named_parameters() if not p.all()}
    compact.zero_grad()
    return Realised(
        _laid_out_as(network, compact),
        _realisation(_shapes(compact) != _shapes(network), bool(zero_masks)),
        lambda: _restore(compact, zero_masks),
        removed,
        reason,
        removal,
    )


def _channels(
    network: nn.Module, zeros: Mapping[str, Tensor], example: Tensor, round_to: int
) -> tuple[Removal, str | None]:
    """Return the channels that are removed, and why others have stayed that could go."""
    try:
        structure = structure_of(network, example)
    except Untraceable as error:
        return Removal(), str(error)
    gone = removable(structure, zeros, round_to)
    sets = structure.sets(structure.channels.all, gone[structure.channels.all])
    parts = [structure.channels.all[s.labels[:, 0]] for s in sets]
    right = proved(network, structure, zeros, parts, example)
    for part, ok in zip(parts, right, strict=True):
        if not ok:
            gone[part] = False
    left = [s.ranges[0].tensor for s, ok in zip(sets, right, strict=True) if not ok]
    reason = f"a smaller network computes something else without {', '.join(left)}" if left else None
    return Removal(structure, gone), reason


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
def _marked(network: nn.Module, zeros: Mapping[str, Tensor]) -> nn.Module:
    """Return a copy of a network with 0 for every masked value, and 1 for every other, in views of little memory."""
    values = {}
    for name, parameter in network.named_parameters():
        one = torch.ones((), dtype=parameter.dtype, device=parameter.device)
        mark = one.masked_fill(zeros[name].to(one.device), 0) if name in zeros else one
        values[id(parameter)] = nn.Parameter(mark.expand(parameter.shape), requires_grad=parameter.requires_grad)
    return copy.deepcopy(network, values)


def _idle_branches(marks: nn.Module) -> list[str]:
    if all(bool(p.any()) for p in marks.parameters()):
        return []
    try:
        found = branches(marks)
    except Untraceable:
        return []
    return [b.name for b in found if not any(bool(p.any()) for p in b.parameters(marks))]


def _idle_indeed(network: nn.Module, zeros: Mapping[str, Tensor], names: Sequence[str], example: Tensor) -> bool:
    """Return whether a network computes the same without these branches, whose parameters are zero."""
    masked = perturbed(network, zeros).eval()
    return compare_outputs(masked, without_branches(masked, names), example[:2]).ok


def _some(masks: Iterable[Tensor]) -> bool:
    return any(bool(m.any()) for m in masks)


def _shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(p.shape) for name, p in network.named_parameters()}


def _restore(network: nn.Module, zeros: Mapping[str, Tensor]) -> None:
    with_zeros(network, zeros)


def _laid_out_as(network: nn.Module, compact: nn.Module) -> nn.Module:
    """Give a compact network the memory layout of the network: slicing leaves weights in a slower one."""
    wide = [p for p in network.parameters() if p.dim() == 4]
    last = any(p.is_contiguous(memory_format=torch.channels_last) and not p.is_contiguous() for p in wide)
    layout = torch.channels_last if last else torch.contiguous_format
    for tensor in (*compact.parameters(), *compact.buffers()):
        if tensor.dim() == 4:
            tensor.data = tensor.data.to(memory_format=layout)
    return compact
