"""The structure of a network: its layers in order of execution, and its channels."""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from methods.members import Member
from runners.networks.graph.arrays import along, marked
from runners.networks.graph.labels import FIXED, Channels, Labels, Range
from runners.networks.graph.layers import TracedLayer, layers_of, output_layers
from runners.networks.graph.rules import rule_of
from runners.networks.graph.tape import Tape, record
from runners.networks.graph.zeros import Zeros

_KNOWN: weakref.WeakKeyDictionary[nn.Module, tuple[object, Structure]] = weakref.WeakKeyDictionary()


def structure_of(network: nn.Module, example: Tensor) -> Structure:
    """Return the structure of a network; found once for a network of these widths.

    example: a batch, of which the first image is used. Raises Untraceable if the forward pass fails.
    """
    widths = [(n, tuple(t.shape)) for n, t in [*network.named_parameters(), *network.named_buffers()]]
    key = (tuple(example.shape[1:]), widths, [id(p) for p in network.parameters()])
    if network not in _KNOWN or _KNOWN[network][0] != key:
        _KNOWN[network] = (key, Structure.of(network, record(network, example)))
    return _KNOWN[network][1]


@dataclass(frozen=True)
class Set:
    """m sets of tied labels of one layout: labels is int64 (m, n), and column j lies in ranges[j]."""

    ranges: tuple[Range, ...]
    labels: Tensor

    def tables(self) -> dict[Range, Tensor]:
        """Return, for each range, the indices of the m sets in it, int64 (m, c)."""
        places: dict[Range, list[int]] = defaultdict(list)
        for column, found in enumerate(self.ranges):
            places[found].append(column)
        return {r: self.labels[:, columns] - r.first for r, columns in places.items()}


@dataclass
class Structure:
    """The layers of a network in order of execution, and its channels.

    outputs: names of the layers that make the output of the network. proven: bool (channels,), what
    `runners.networks.compaction.proof` has proved to be removable; None before.
    """

    tape: Tape
    labels: Labels
    channels: Channels
    layers: list[TracedLayer]
    outputs: frozenset[str]
    proven: Tensor | None = None

    @classmethod
    def of(cls, network: nn.Module, tape: Tape) -> Structure:
        """Find the channels by the rules of all operations on a tape."""
        labels = Labels(weakref.ref(network), tape)
        for node in tape.nodes:
            rule_of(node).labels(labels, node)
        labels.fix_all([*tape.inputs, *tape.outputs])
        layers = layers_of(network, tape)
        return cls(tape, labels, labels.channels(), [x.layer for x in layers], output_layers(tape, layers))

    @cached_property
    def ranges(self) -> list[Range]:
        """The ranges of labels, in order."""
        return sorted(self.labels.ranges.values(), key=lambda r: r.first)

    @cached_property
    def range_of(self) -> Tensor:
        """int64 (labels,), the index of the range of each label; that of the label of what is fixed is -1."""
        sizes = torch.tensor([1, *(r.size for r in self.ranges)])
        return torch.repeat_interleave(torch.arange(-1, len(self.ranges)), sizes)

    def marked(self, arrays: Iterable[Tensor]) -> Tensor:
        """Return the mask (bool, (labels,)) of the labels in these arrays."""
        return marked(len(self.channels.all), arrays)

    @cached_property
    def made(self) -> Tensor:
        """bool (labels,), outputs of layers."""
        return self.marked(self.labels.made)

    @cached_property
    def read(self) -> Tensor:
        """bool (labels,), inputs of layers."""
        return self.marked(self.labels.read)

    @cached_property
    def padded(self) -> Tensor:
        """bool (labels,), channels of layers without parameters that are zero, or copies."""
        tensors = {*self.tape.tensors.values()}
        return torch.tensor([False, *(r.tensor not in tensors for r in self.ranges for _ in range(r.size))])

    @cached_property
    def members(self) -> Tensor:
        """bool (labels,), of parameters that make channels: at zero they make them zero."""
        slopes = self.marked(self.labels.slopes)
        parameters = {n for n, _ in self.labels.network.named_parameters()}
        own = torch.tensor([False, *(r.tensor in parameters for r in self.ranges for _ in range(r.size))])
        return own & ~self.read & ~slopes

    @cached_property
    def free(self) -> Tensor:
        """bool (channels,), channels that a layer makes, a layer reads, and nothing fixes."""
        used = (self.made, self.read | self.marked(self.labels.summed), self.made & self.read)
        made, read, both = (self.channels.with_any(self.channels.all, labels) for labels in used)
        free = made & read & ~both  # both: a tied weight that is used both ways
        free[self.channels.all[FIXED]] = False
        return free

    @cached_property
    def divisible(self) -> Tensor:
        """bool (channels,), free channels that can be removed once all parameters that make them are zero."""
        chosen = self.free
        while bool((missed := self.missed_if_zero(chosen[self.channels.all])).any()):
            chosen = chosen & ~missed
        return chosen

    def missed_if_zero(self, labels: Tensor) -> Tensor:
        """Return the mask (bool, (channels,)) of the channels whose removal would change what a layer reads.

        labels: bool (labels,), of which the members are zero: first those of one half of the coupled channels, then
        those of the other, as the layers that read them are not zero as a whole.
        """
        every, together = self.channels.all, self.channels.coupled
        result = torch.zeros_like(self.free)
        for rest in (0, 1):
            own = labels & (together % 2 == rest)
            missed = self.missed(self.zeros_of(own), torch.zeros_like(self.free))
            result |= missed & marked(len(missed), [every[own]])
        return result

    def missed(self, parameters: Mapping[str, Tensor], gone: Tensor) -> Tensor:
        """Return the mask (bool, (channels,)) of the channels whose removal would change what a layer reads.

        parameters, gone: as of `Zeros`.
        """
        zeros = Zeros(self.channels, parameters, gone)
        for node in self.tape.nodes:
            rule_of(node).zeros(zeros, node)
        return marked(len(gone), (self.channels.all[labels] for labels in zeros.missed))

    def zeros_of(self, labels: Tensor) -> Mapping[str, Tensor]:
        """Return masks of zeros, by parameter, where the members among these labels (bool) are zero."""
        found: dict[str, Tensor] = {}
        shapes = {n: p.dim() for n, p in self.labels.network.named_parameters()}
        chosen = labels & self.members
        for r in self.ranges:
            if r.tensor in shapes and bool((own := chosen[r.labels]).any()):
                mask = along(own, r.dim, shapes[r.tensor])
                found[r.tensor] = found[r.tensor] | mask if r.tensor in found else mask
        return found

    def sets(self, classes: Tensor, chosen: Tensor) -> list[Set]:
        """Return the chosen labels (bool), in sets of equal class, by layout, in the order of the network.

        classes: int64 (labels,).
        """
        labels = chosen.nonzero().flatten()
        order = classes[labels].argsort(stable=True)
        labels = labels[order]
        sizes = torch.unique_consecutive(classes[labels], return_counts=True)[1]
        starts = sizes.cumsum(0) - sizes
        found: dict[int, Set] = {}  # by the first label
        for size in sizes.unique().tolist():
            own = labels[starts[sizes == size, None] + torch.arange(size)]
            own = own[own[:, 0].argsort()]
            layouts, layout = self.range_of[own].unique(dim=0, return_inverse=True)
            for i, ranges in enumerate(layouts.tolist()):
                alike = own[layout == i]
                found[int(alike[0, 0])] = Set(tuple(self.ranges[r] for r in ranges), alike)
        return [found[first] for first in sorted(found)]

    def coupled_sets(self, channels: Tensor) -> list[Set]:
        """Return the sets of labels that are coupled by copies too, of those whose channels (bool) are all chosen."""
        together = self.channels.coupled
        mixed = self.channels.with_any(together, ~channels[self.channels.all])
        return self.sets(together, ~mixed[together])

    def member(self, found: Range, table: Tensor) -> Member:
        """Return the slices of a parameter as a member, without `places` if slice j is group j."""
        parameter = self.labels.network.get_parameter(found.tensor)
        if table.shape[1] == 1 and torch.equal(table[:, 0], torch.arange(found.size)):
            return Member(parameter, (found.dim,))
        places = table[:, 0] if table.shape[1] == 1 else table
        return Member(parameter, (found.dim,), places=places.to(parameter.device))
