"""Remove channels from a network, in place: its parameters and buffers are sliced, its layers resized."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from runners.networks.graph.arrays import compress, support
from runners.networks.graph.structure import Structure
from runners.networks.graph.tape import Node
from runners.networks.layers import Change, resize

# operations whose first input has the channels of the layer that they are, and along which dim
CHANNELS = {"convolution": 1, "native_batch_norm": 1, "opaque": 1, "native_layer_norm": -1, "native_group_norm": 1}


def copy_sharing(network: nn.Module) -> nn.Module:
    """Return a copy of a network that has the same parameters, as `remove` slices them and writes to none."""
    return copy.deepcopy(network, {id(p): p for p in network.parameters()})


def remove(network: nn.Module, structure: Structure, gone: Tensor) -> nn.Module:
    """Remove channels from a network of this structure, in place, and return it.

    gone: bool (channels,). Tied parameters stay tied. The network may be a copy of the one whose structure it is.
    """
    if not bool(gone.any()):
        return network
    remaining = _Remaining(structure, gone)
    changed = _slice_tensors(network, remaining)
    changes = {name: change for name, change in remaining.changes() if name in changed or change.sizes}
    for name in sorted({*changed, *changes}, key=lambda n: -n.count(".")):
        layer = network.get_submodule(name)
        after = resize(layer, changes.get(name, Change()))
        if after is not layer:
            _replace(network, layer, after)
    return network


class _Remaining:
    """What is left of each tensor of a network."""

    def __init__(self, structure: Structure, gone: Tensor) -> None:
        self.structure, self._gone = structure, gone[structure.channels.all]
        self._kept: dict[tuple[int, int], Tensor] = {}

    def of_range(self, labels: Tensor) -> Tensor:
        """Return the indices that are left of a dim with these labels."""
        return (~self._gone[labels]).nonzero().flatten()

    def along(self, value: int, dim: int) -> Tensor:
        """Return the indices that are left along a dim of a value."""
        if (value, dim) not in self._kept:
            gone = torch.zeros(self.structure.tape.shapes[value][dim], dtype=torch.bool)
            for array in self.structure.labels.of(value):
                if dim in support(array):
                    own = compress(self._gone[array])
                    if support(own) == (dim,):
                        gone |= own.flatten()
            self._kept[value, dim] = (~gone).nonzero().flatten()
        return self._kept[value, dim]

    def shape(self, value: int) -> tuple[int, ...]:
        """Return the shape that is left of a value."""
        before = self.structure.tape.shapes[value]
        labelled = {d for a in self.structure.labels.of(value) for d in support(a)}
        return tuple(len(self.along(value, d)) if d in labelled else n for d, n in enumerate(before))

    def changes(self) -> Iterator[tuple[str, Change]]:
        """Yield what becomes of the channels around each module."""
        for name, nodes in self.structure.tape.by_module.items():
            yield name, self._change(nodes)

    def _change(self, nodes: list[Node]) -> Change:
        tape = self.structure.tape
        values = dict.fromkeys(v for n in nodes for v in [*n.inputs, *n.outputs])
        shapes = [(tape.shapes[v], self.shape(v)) for v in values]
        lists = [sizes for n in nodes for sizes in self._parts(n)]
        operators = tuple(n.operator for n in nodes)
        for node in nodes:
            if (dim := CHANNELS.get(node.operator)) is not None:
                ends = (node.inputs[0], node.outputs[0])
                inputs, outputs = (self.along(v, dim % len(tape.shapes[v])) for v in ends)
                return Change(inputs, outputs, shapes, lists, operators)
        return Change(None, None, shapes, lists, operators)

    def _parts(self, node: Node) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Yield the sizes of the parts that an operation takes of a tensor, as they were and as they have to be."""
        tape = self.structure.tape
        if node.operator == "slice":
            dim = node.argument(1, "dim", 0)
            size, kept = tape.shapes[node.inputs[0]][dim], self.along(node.inputs[0], dim)
            for cut in (node.argument(2, "start"), node.argument(3, "end")):
                if isinstance(cut, int) and 0 < abs(cut) < size:
                    yield (abs(cut),), (int((kept < cut if cut > 0 else kept >= size + cut).sum()),)
        elif node.operator in ("split", "split_with_sizes"):
            dim = node.argument(2, "dim", 0)
            before = tuple(tape.shapes[v][dim] for v in node.outputs)
            after = tuple(self.shape(v)[dim] for v in node.outputs)
            yield (before[:1], after[:1]) if node.operator == "split" else (before, after)


def _slice_tensors(network: nn.Module, remaining: _Remaining) -> set[str]:
    """Slice the parameters and buffers of a network; return the names of the modules that own them."""
    kept: dict[str, dict[int, Tensor]] = defaultdict(dict)
    for r in remaining.structure.ranges:
        left = remaining.of_range(r.labels)
        if len(left) < r.size:
            kept[r.tensor][r.dim] = left
    own = {n: t for n, t in [*network.named_parameters(), *network.named_buffers()] if n in kept}
    names = {id(t): n for n, t in own.items()}
    sliced = {n: _sliced(t, kept[n]) for n, t in own.items()}
    changed = set()
    for name, module in network.named_modules():
        for tensors in (module._parameters, module._buffers):
            for key, tensor in tensors.items():
                if tensor is not None and id(tensor) in names:
                    tensors[key] = sliced[names[id(tensor)]]
                    changed.add(name)
    return changed


def _sliced(tensor: Tensor, kept: dict[int, Tensor]) -> Tensor:
    part = tensor.detach()
    for dim, index in kept.items():
        part = part.index_select(dim, index.to(part.device))
    return nn.Parameter(part, requires_grad=tensor.requires_grad) if isinstance(tensor, nn.Parameter) else part


def _replace(network: nn.Module, before: nn.Module, after: nn.Module) -> None:
    """Put a module in the place of another, wherever that is used."""
    for module in list(network.modules()):
        for key, child in module._modules.items():
            if child is before:
                module._modules[key] = after
