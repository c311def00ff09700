"""Prove a removal of channels: run the smaller network, and compare it with the one that has zeros in place.

What is compared is a copy with other weights, so that no layer is proved by weights near zero, such as the first layer
scales of a network that was not trained.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from traceback import walk_tb

import torch
from torch import Tensor, nn

from runners.networks.compaction.surgery import copy_sharing, remove
from runners.networks.comparison import Reference
from runners.networks.graph.arrays import marked
from runners.networks.graph.structure import Structure, structure_of
from runners.networks.graph.tape import without_fast_paths

TRIES = 32  # smaller networks run in a search; what is not proved by then stays. No clock: rows must not depend on it
FAILURES = 3  # of single parts in a row after which no other part is tried that changes a module of that class
SMALL = 1e-2  # vectors below this are as good as zero


def removable_channels(network: nn.Module, example: Tensor) -> Tensor:
    """Return the mask (bool, (channels,)) of the channels that can be removed once what makes them is zero.

    Half of the channels of every kind are removed from a copy; kinds that make a difference are left out. Found once
    for a structure. Raises Untraceable if the forward pass fails.
    """
    structure = structure_of(network, example)
    if structure.proven is None:
        sets = structure.coupled_sets(structure.divisible)
        chosen = [structure.channels.all[s.labels[1::2]].flatten() for s in sets]
        zeros = structure.zeros_of(marked(len(structure.free), chosen)[structure.channels.all])
        right = proved(network, structure, zeros, chosen, example)
        every = [structure.channels.all[s.labels].flatten() for s, ok in zip(sets, right, strict=True) if ok]
        structure.proven = marked(len(structure.free), every)
    return structure.proven


def proved(
    network: nn.Module, structure: Structure, zeros: Mapping[str, Tensor], parts: Sequence[Tensor], example: Tensor
) -> list[bool]:
    """Return, for each part of a removal, whether the network without it computes the same.

    zeros: masks of zeros by parameter. parts: int64 channels, to be removed together with all other parts.
    """
    search = _Search(perturbed(network, zeros).eval(), structure, parts, example[:1])
    with without_fast_paths():  # the operations of the tape; torch's own are slower on many tokens, too
        good = set(search.largest(list(range(len(parts)))))
    return [i in good for i in range(len(parts))]


class _Search:
    """A search for the parts of a removal that can be removed together."""

    def __init__(self, masked: nn.Module, structure: Structure, parts: Sequence[Tensor], images: Tensor) -> None:
        self._masked, self._structure, self._parts = masked, structure, parts
        self._expected = Reference(masked, images)
        self._tries = 0
        self._failures: Counter[str] = Counter()  # of single parts in a row, by the class of the module that stopped

    def largest(self, places: list[int]) -> list[int]:
        """Return places that are right together: all, or those left without what stops the smaller network."""
        kept, dropped = places, list[int]()
        while kept and (stopped := self._try(kept)) is not None:
            culprits = self._touching(stopped, kept) or kept
            dropped += culprits
            kept = [i for i in kept if i not in culprits]
        return self._extended(kept, dropped, tried=not kept)

    def _extended(self, kept: list[int], more: list[int], *, tried: bool = False) -> list[int]:
        """Return places that are right together, with as many more as are right with them, by halving these.

        tried: whether all of them together are known to be wrong.
        """
        more = [i for i in more if i not in self._given_up(more)]
        if not more or self._late:
            return kept
        stopped = "" if tried else self._try([*kept, *more])
        if stopped is None:
            self._failures.clear()
            return [*kept, *more]
        if len(more) == 1:
            self._failures[stopped] += 1
            return kept
        half = len(more) // 2
        return self._extended(self._extended(kept, more[:half]), more[half:])

    def _given_up(self, places: list[int]) -> set[int]:
        """Return the places of parts that change modules whose code has stopped too often for other widths."""
        hopeless = [kind for kind, n in self._failures.items() if n >= FAILURES]
        return {i for kind in hopeless for i in self._touching(kind, places)}

    @property
    def _late(self) -> bool:
        return self._tries >= TRIES

    def _try(self, places: list[int]) -> str | None:
        """Remove the parts at these places; return None if that is right, or the class of the module that stopped."""
        self._tries += 1
        gone = marked(len(self._structure.free), [self._parts[i] for i in places])
        try:
            smaller = remove(copy_sharing(self._masked), self._structure, gone)
            return None if self._expected.agreement(smaller).ok else ""
        except Exception as error:  # a forward pass with other widths may raise anything
            return _innermost(error)

    def _touching(self, kind: str, places: list[int]) -> list[int]:
        """Return the places of the parts that change a tensor in any module of a class; none for no class."""
        if not kind:
            return []
        modules = [n for n, m in self._masked.named_modules() if type(m).__name__ == kind]
        within = tuple(f"{n}." for n in modules)
        inside = [nodes for name, nodes in self._structure.tape.by_module.items() if f"{name}.".startswith(within)]
        values = {v for nodes in inside for n in nodes for v in [*n.inputs, *n.outputs]}
        arrays = [self._structure.channels.all[a] for v in values for a in self._structure.labels.of(v)]
        touched = marked(len(self._structure.free), arrays)
        return [i for i in places if bool(touched[self._parts[i]].any())]


def _innermost(error: BaseException) -> str:
    """Return the class of the innermost module in whose code an error was raised, of those that are no plain layers."""
    frames = [frame.f_locals.get("self") for frame, _ in walk_tb(error.__traceback__)]
    modules = [m for m in frames if isinstance(m, nn.Module) and not type(m).__module__.startswith("torch.nn")]
    return type(modules[-1]).__name__ if modules else ""


@torch.no_grad()
def perturbed(network: nn.Module, zeros: Mapping[str, Tensor]) -> nn.Module:
    """Return a copy with zeros whose scales and shifts are not near zero, nor equal; the same copy each time.

    zeros: masks by parameter. The copy shares all other parameters with the network.
    """
    generator = torch.Generator().manual_seed(0)
    values: dict[int, Tensor] = {}
    for name, parameter in network.named_parameters():
        value: Tensor = parameter
        if value.numel() == max(value.shape, default=1):  # a vector: scales, shifts, biases
            noise = torch.rand(value.shape, generator=generator).to(value.device, value.dtype)
            small = not value.numel() or float(value.abs().max()) < SMALL
            value = noise / 2 if small else value * (1 + noise / 4)
        if name in zeros:
            value = value.masked_fill(zeros[name].to(value.device), 0)
        changed = value is not parameter
        values[id(parameter)] = nn.Parameter(value, requires_grad=parameter.requires_grad) if changed else parameter
    return copy.deepcopy(network, values)


@torch.no_grad()
def with_zeros(network: nn.Module, zeros: Mapping[str, Tensor]) -> nn.Module:
    """Set the zeros of parameters, by name, in place, and return the network."""
    for name, zero in zeros.items():
        parameter = network.get_parameter(name)
        parameter.masked_fill_(zero.to(parameter.device), 0)
    return network
