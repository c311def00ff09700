"""Label the channels of a network: which elements of all its tensors can only be removed together.

Every index of every dim of every parameter has a label. The rules of the operations on a tape (`runners.networks.graph
.rules`) carry the labels to activations, and tie labels that can only be removed together; a channel is a set of tied
labels. An operation without a rule, and the inputs and outputs of the network, fix their labels: these stay.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from runners.networks.graph.arrays import aligned, along, compress, marked, support
from runners.networks.graph.tape import Tape

FIXED = 0  # the label of what is never removed
Tie = Callable[[Tensor, Tensor], None]


@dataclass(frozen=True)
class Range:
    """The labels first, first + 1, ... of the indices of one dim of a parameter or buffer, or of a module's padding."""

    tensor: str
    dim: int
    first: int
    size: int

    @property
    def labels(self) -> Tensor:
        """int64 (size,)."""
        return torch.arange(self.first, self.first + self.size)


@dataclass
class Labels:
    """The labels of the values of a tape, as they are found.

    arrays: of every value, label arrays over its elements; an element goes if any of its labels goes.
    """

    owner: weakref.ReferenceType[nn.Module]  # weak: a structure is kept for as long as its network lives
    tape: Tape
    arrays: dict[int, list[Tensor]] = field(default_factory=dict)
    ranges: dict[tuple[str, int], Range] = field(default_factory=dict)
    made: list[Tensor] = field(default_factory=list)  # outputs of layers
    read: list[Tensor] = field(default_factory=list)  # inputs of layers, summed over
    summed: list[Tensor] = field(default_factory=list)  # what else is summed over: it has to be zero to go
    gates: list[Tensor] = field(default_factory=list)  # factors of channels of others
    slopes: list[Tensor] = field(default_factory=list)  # parameters that need not be zero for zero outputs
    unknown: dict[str, str] = field(default_factory=dict)  # operators without a rule, and the module of the first
    _ties: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    _products: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    _copies: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    _joint: list[Tensor] = field(default_factory=list)
    _count: int = 1

    @property
    def network(self) -> nn.Module:
        """The network whose labels these are."""
        network = self.owner()
        assert network is not None, "whoever asks for its labels holds the network"
        return network

    def of(self, value: int) -> list[Tensor]:
        """Return the label arrays of a value; a parameter that is seen first gets labels for each of its dims."""
        if value not in self.arrays:
            name = self.tape.tensors.get(value)
            self.arrays[value] = [] if name is None else self._of_tensor(name, self.tape.shapes[value])
        return self.arrays[value]

    def _of_tensor(self, name: str, shape: tuple[int, ...]) -> list[Tensor]:
        return [along(self.new(name, d, n), d, len(shape)) for d, n in enumerate(shape) if n > 1]

    def new(self, owner: str, dim: int, size: int) -> Tensor:
        """Return the labels of a dim of a parameter, or new labels of a module's own."""
        if (owner, dim) not in self.ranges:
            self.ranges[owner, dim] = Range(owner, dim, self._count, size)
            self._count += size
        return self.ranges[owner, dim].labels

    def set(self, value: int, arrays: Iterable[Tensor]) -> None:
        """Set the label arrays of a value."""
        self.arrays[value] = [a for a in arrays if a.numel() > 1]
        self._joint.extend(a for a in self.arrays[value] if len(support(a)) > 1)

    def on(self, value: int | None, dim: int) -> Tensor | None:
        """Return the labels along one dim of a value as a vector; None if the dim has none and is fixed.

        A dim with several labels has all of them tied. Labels that depend on another dim as well are tied over it.
        """
        if value is None:
            return None
        dim %= max(1, len(self.tape.shapes[value]))
        found = self.within(value, [dim])[0]
        for other in found[1:]:
            self.tie(found[0], other)
        return found[0].flatten() if found else None

    def within(self, value: int, dims: Sequence[int]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the label arrays of a value along any of these dims, then all others.

        Those that depend on other dims as well are tied over them, in the value too: a dim that code views as two, one
        of which an operation treats as a whole, is divided along the other.
        """
        kept = [self.collapse(a, dims) if set(support(a)) & set(dims) else a for a in self.of(value)]
        self.arrays[value] = kept
        inside = [a for a in kept if set(support(a)) & set(dims)]
        return inside, [a for a in kept if not set(support(a)) & set(dims)]

    def tie(self, first: Tensor, second: Tensor) -> None:
        """Tie labels elementwise: each pair can only be removed together."""
        self._ties.append(_pairs(first, second))

    def tie_factors(self, first: Tensor, second: Tensor) -> None:
        """Tie labels of two factors of a product: removed together, but one that is zero makes the product zero."""
        self._products.append(_pairs(first, second))

    def tie_copies(self, first: Tensor, second: Tensor) -> None:
        """Note copies of channels: the copy becomes zero where the channel goes, so each can go without the other."""
        self._copies.append(_pairs(first, second))

    def fix(self, labels: Tensor | None) -> None:
        """Fix labels: they are never removed."""
        if labels is not None:
            self.tie(labels, torch.tensor(FIXED))

    def tie_or_fix(self, first: Tensor | None, second: Tensor | None) -> None:
        """Tie the labels of two dims that have to stay equal; fix those of one whose other has none."""
        if first is None or second is None:
            self.fix(first)
            self.fix(second)
        else:
            self.tie(first, second)

    def fix_all(self, values: Iterable[int]) -> None:
        """Fix all labels of these values."""
        for value in values:
            for array in self.of(value):
                self.fix(array)

    def collapse(self, array: Tensor, dims: Sequence[int]) -> Tensor:
        """Tie labels over all dims but these, and return the array over these dims alone."""
        first = array
        for dim in support(array):
            if dim not in dims:
                first = first.narrow(dim, 0, 1)
        if first.shape != array.shape:
            self.tie(array, first)
        return first

    def join(self, values: Sequence[int], *, product: bool = False, without: int | None = None) -> list[Tensor]:
        """Tie the labels of values that are combined elementwise, with broadcasting; return those of the result.

        without: a dim to leave out.
        """
        rank = max(len(self.tape.shapes[v]) for v in values)
        parts = [
            ([a for a in (aligned(a, rank) for a in self.of(v)) if without not in support(a)], self._extents(v, rank))
            for v in values
        ]
        parts.sort(key=lambda part: -part[1].numel())  # stable: the labels of the first of the largest are carried on
        arrays, extents = parts[0]
        for other, wide in parts[1:]:
            if product and wide.numel() < extents.numel():
                # what a channel is multiplied with that comes from itself, as in a response norm, is no gate
                own = [a.flatten() for a in arrays]
                self.gates.extend(o for o in other if not any(torch.equal(o.flatten(), a) for a in own))
            arrays = self._merged(arrays, extents, other, wide, self.tie_factors if product else self.tie)
            extents = torch.Size(map(max, zip(extents, wide, strict=True)))
        return arrays

    def _extents(self, value: int, rank: int) -> torch.Size:
        shape = self.tape.shapes[value]
        return torch.Size((1,) * (rank - len(shape)) + shape)

    def _merged(
        self, arrays: list[Tensor], extents: torch.Size, others: list[Tensor], wide: torch.Size, tie: Tie
    ) -> list[Tensor]:
        """Tie the arrays of two operands that lie along the same dims; fix those that meet a dim without labels."""
        result, met = [], set()
        for array in arrays:
            found = [i for i, o in enumerate(others) if set(support(o)) & set(support(array))]
            for i in found:
                common = [d for d in support(array) if d in support(others[i])]
                array = self.collapse(array, common)
                tie(array, self.collapse(others[i], common))
            met.update(found)
            result.append(array if found else self._beside(array, wide))
        return result + [self._beside(o, extents) for i, o in enumerate(others) if i not in met]

    def _beside(self, array: Tensor, extents: torch.Size) -> Tensor:
        """Return an array beside an operand without labels: what that operand is as long as along is fixed."""
        free = [d for d in support(array) if extents[d] == 1]
        array = self.collapse(array, free)
        if not free:
            self.fix(array)
        return array

    def channels(self) -> Channels:
        """Return the channels that the labels amount to."""
        while unsettled := self._unsettled():
            for array in unsettled:
                # code that views a dim as two, without a product over one of them: the finer division of the two
                self.collapse(array, [max(support(array), key=lambda d: array.shape[d])])
        every = self._every
        kinds = (every, [self._ties], [*every, self._copies])
        return Channels(self, *(self._classes(*kind) for kind in kinds))

    def _unsettled(self) -> list[Tensor]:
        """Return the arrays over several dims whose channels differ along more than one of them."""
        classes = self._classes(*self._every)
        return [a for a in self._joint if len(support(compress(classes[a]))) > 1]

    @property
    def _every(self) -> list[list[tuple[Tensor, Tensor]]]:
        return [self._ties, self._products]

    def _classes(self, *kinds: list[tuple[Tensor, Tensor]]) -> Tensor:
        from scipy.sparse import coo_array  # not needed where nothing is pruned
        from scipy.sparse.csgraph import connected_components

        pairs = [p for kind in kinds for p in kind]
        rows, columns = (torch.cat([p[i] for p in pairs]).numpy() if pairs else np.zeros(0, int) for i in (0, 1))
        graph = coo_array((np.ones(len(rows), dtype=bool), (rows, columns)), shape=(self._count, self._count))
        return torch.from_numpy(connected_components(graph, directed=False)[1]).long()


def _pairs(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    first, second = torch.broadcast_tensors(first, second)
    return first.flatten(), second.flatten()


@dataclass(frozen=True)
class Channels:
    """Channels by label, int64 (labels,) each.

    all: the channel of each label: what is removed together. sums: the same without products. coupled: with copies.
    """

    labels: Labels
    all: Tensor
    sums: Tensor
    coupled: Tensor

    def with_any(self, classes: Tensor, labels: Tensor) -> Tensor:
        """Return the mask (bool) of those of these classes, int64 (labels,), that have any of the labels (bool)."""
        return marked(int(classes.max()) + 1, [classes[labels]])
