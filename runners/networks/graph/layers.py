"""The layers of a network and their batch norms, in order of execution."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from runners.networks.graph.tape import Tape

Layer = _ConvNd | nn.Linear
PRODUCTS = ("convolution", "mm", "addmm", "bmm", "linear", "baddbmm")
PASSING = {"view", "_unsafe_view", "reshape", "transpose", "permute", "alias", "detach", "clone", "_to_copy"}


@dataclass
class TracedLayer:
    """A convolution or a linear layer, its path in the network, and the batch norm that reads its output, if any."""

    name: str
    module: nn.Conv2d | nn.Linear
    norm: nn.Module | None = field(default=None)
    norm_name: str = ""


@dataclass
class Call:
    """A layer where it runs first: its operation is node `place` of the tape."""

    layer: TracedLayer
    places: list[int]


def numbered(names: Sequence[str]) -> list[str]:
    """Return names that differ: of equal ones the second ends in /2, and so on."""
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        seen[name] += 1
        result.append(name if seen[name] == 1 else f"{name}/{seen[name]}")
    return result


def layers_of(network: nn.Module, tape: Tape) -> list[Call]:
    """Return the convolutions and linear layers whose weight is used, in order of execution, each once.

    A batch norm belongs to the layer whose output it reads directly.
    """
    owners, weights = _owners(network), tape.weights
    origin: dict[int, str] = {}  # the weight of a layer that a value is made of
    maker: dict[int, Call] = {}
    found: dict[str, Call] = {}
    for place, node in enumerate(tape.nodes):
        for value in node.inputs:
            if tape.tensors.get(value) in owners:
                origin[value] = tape.tensors[value]
        made_of = [origin[v] for v in node.inputs if v in origin]
        if made_of and weights.issuperset(node.inputs):  # standardised, scaled, or only viewed
            origin.update(dict.fromkeys(node.outputs, made_of[0]))
        elif node.operator in PASSING and node.inputs[0] in maker:
            maker[node.outputs[0]] = maker[node.inputs[0]]
        elif node.operator in PRODUCTS:
            if made_of:
                name, module = owners[made_of[0]]
                call = found.setdefault(name, Call(TracedLayer(name, module), []))
                call.places.append(place)
                maker[node.outputs[0]] = call
        elif "batch_norm" in node.operator and node.inputs[0] in maker:
            norm = network.get_submodule(node.module)
            if isinstance(norm, _BatchNorm):
                layer = maker[node.inputs[0]].layer
                layer.norm, layer.norm_name = norm, node.module
    return list(found.values())


def _owners(network: nn.Module) -> Mapping[str, tuple[str, nn.Conv2d | nn.Linear]]:
    """Return the layers by the name of their weight; of tied layers the first."""
    first: dict[int, str] = {}
    result: dict[str, tuple[str, nn.Conv2d | nn.Linear]] = {}
    for name, module in network.named_modules():
        if isinstance(module, Layer) and "weight" in module._parameters:
            weight = first.setdefault(id(module.weight), f"{name}.weight".lstrip("."))
            result.setdefault(weight, (name, module))  # type: ignore[arg-type]
    return result


def output_layers(tape: Tape, layers: list[Call]) -> frozenset[str]:
    """Return the names of the layers that make the output: those that it depends on without a layer in between."""
    names = {place: call.layer.name for call in layers for place in call.places}
    makers = {value: place for place, node in enumerate(tape.nodes) for value in node.outputs}
    found, ahead, seen = set(), list(tape.outputs), set()
    while ahead:
        place = makers.get(ahead.pop())
        if place is None or place in seen:
            continue
        seen.add(place)
        if place in names:
            found.add(names[place])
        else:
            ahead.extend(tape.nodes[place].inputs)
    return frozenset(found)
