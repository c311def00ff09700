"""Find what is zero in every tensor of a masked network, and which channels a layer would miss.

The zeros of the parameters alone decide, never an activation: a value counts as zero where the rules of the operations
make it zero for every input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from runners.networks.graph.arrays import falses
from runners.networks.graph.labels import Channels


@dataclass
class Zeros:
    """The zeros of the values of a tape.

    parameters: masks (bool) of the zeros of parameters, by name, each with length 1 along dims on which it does not
        depend; a parameter that is not listed has none. gone: bool (channels,), channels that count as removed.
    missed: labels of elements that are not zero and are read by a weight that is not zero.
    """

    channels: Channels
    parameters: Mapping[str, Tensor]
    gone: Tensor
    missed: list[Tensor] = field(default_factory=list)
    _zero: dict[int, Tensor] = field(default_factory=dict)

    def of(self, value: int) -> Tensor:
        """Return the mask (bool) of the zeros of a value, with length 1 along dims on which it does not depend."""
        if value not in self._zero:
            tape = self.channels.labels.tape
            rank = len(tape.shapes[value])
            mask = self.parameters.get(tape.tensors.get(value, ""))
            self.set(value, falses(rank) if mask is None else mask)
        return self._zero[value]

    def set(self, value: int, zero: Tensor) -> None:
        """Set the mask of the zeros of a value; what is removed counts as zero too."""
        self._zero[value] = zero | self.removed(value) if self._some_gone else zero

    @cached_property
    def _some_gone(self) -> bool:
        return bool(self.gone.any())

    def need(self, labels: Tensor | None, harm: Tensor) -> None:
        """Note that elements are missed where `harm` (bool, as the labels) is true."""
        if labels is not None and bool(harm.any()):
            self.missed.append(labels[harm.expand_as(labels)])

    def removed(self, value: int) -> Tensor:
        """Return the mask (bool) of the elements of a value that are removed."""
        mask = falses(len(self.channels.labels.tape.shapes[value]))
        for labels in self.channels.labels.of(value):
            mask = mask | self.gone[self.channels.all[labels]]
        return mask
