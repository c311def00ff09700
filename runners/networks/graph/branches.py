"""Find the residual branches of a network, and remove some of them, by torch.fx."""

from __future__ import annotations

import copy
import operator
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import fx, nn
from torch.nn.modules.batchnorm import _NormBase

from results.errors import Untraceable
from runners.networks.architectures.vit import Attention
from runners.networks.graph.layers import Layer, numbered
from runners.networks.layers import is_opaque
from runners.networks.layers.counted_norm import CountedNorm

SUMS = (operator.add, operator.iadd, torch.add)


@dataclass(frozen=True)
class Branch:
    """A residual branch, which is added to a shortcut.

    name: of its last layer, numbered if that is the last of several. modules: names of all its modules with parameters.
    bare: names of its parameters that belong to no such module, such as layer scales. sum: the addition. end: output of
    the branch. shortcut: output of the shortcut.
    """

    name: str
    modules: tuple[str, ...]
    bare: tuple[str, ...]
    sum: fx.Node
    end: fx.Node
    shortcut: fx.Node

    def parameters(self, network: nn.Module) -> list[nn.Parameter]:
        """Return all parameters of the branch, weights of convolutions and linear layers first."""
        owned = [p for name in self.modules for p in network.get_submodule(name).parameters()]
        owned += [network.get_parameter(name) for name in self.bare]
        return sorted(owned, key=lambda p: p.dim() < 2)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        # a norm with an activation of its own, as timm has them, is a norm
        norms = _NormBase | nn.LayerNorm | nn.GroupNorm | CountedNorm
        return isinstance(module, Attention | norms) or is_opaque(module) or super().is_leaf_module(module, name)


def branches(network: nn.Module) -> list[Branch]:
    """Return the residual branches in the order of the network. Raises Untraceable if torch.fx cannot trace it."""
    return _numbered(_branches(_trace(network)[1], network))


def without_branches(network: nn.Module, names: Collection[str]) -> nn.Module:
    """Return a copy of a network without these branches: each of their sums becomes its shortcut.

    Modules keep their names. Raises ValueError, which names the branch, for an unknown branch.
    """
    whole = copy.deepcopy(network)
    root, graph = _trace(whole)
    found = {branch.name: branch for branch in _numbered(_branches(graph, whole))}
    if unknown := set(names) - set(found):
        raise ValueError(f"no such branch: {', '.join(sorted(unknown))}; there are {', '.join(found)}")
    # from last to first: the shortcut of a sum may be a sum that is removed too
    for branch in reversed([b for b in found.values() if b.name in names]):
        branch.sum.replace_all_uses_with(branch.shortcut)
    for node in graph.nodes:
        node.type = None  # TorchScript cannot read annotations that are strings
    less = fx.GraphModule(root, graph)
    less.graph.eliminate_dead_code()
    less.delete_all_unused_submodules()
    less.recompile()
    less.train(network.training)
    less.meta["without"] = sorted(names)
    return less


def _numbered(found: Iterable[Branch]) -> list[Branch]:
    """Number the branches whose last layer is that of an earlier one."""
    branches = list(found)
    names = numbered([b.name for b in branches])
    return [replace(branch, name=name) for branch, name in zip(branches, names, strict=True)]


def _trace(network: nn.Module) -> tuple[nn.Module, fx.Graph]:
    was_training = network.training
    try:
        tracer = _Tracer()
        graph = tracer.trace(network.eval())
    except Exception as error:  # a forward pass may raise anything on a placeholder
        reason = " ".join(str(error).split())[:120]
        raise Untraceable(f"torch.fx cannot trace this network: {reason}") from error
    finally:
        network.train(was_training)
    assert isinstance(tracer.root, nn.Module)
    return tracer.root, graph


def _branches(graph: fx.Graph, network: nn.Module) -> Iterator[Branch]:
    parameters = {name for name, _ in network.named_parameters()}
    ancestors: dict[fx.Node, set[fx.Node]] = {}
    for node in graph.nodes:
        ancestors[node] = {node}.union(*(ancestors[i] for i in node.all_input_nodes))
        ends = node.all_input_nodes if node.target in SUMS else []
        if len(ends) != 2 or not any(n.op == "call_module" for n in ancestors[ends[0]] & ancestors[ends[1]]):
            continue  # both operands have to start at one module: not at the input of the network
        own = [sorted(ancestors[a] - ancestors[b]) for a, b in (ends, reversed(ends))]
        layers = [_layers(nodes, network) for nodes in own]
        if len(layers[0]) == len(layers[1]):
            continue
        longer = max((0, 1), key=lambda i: len(layers[i]))  # the branch; the other is the shortcut
        called = _targets(own[longer], "call_module")
        modules = tuple(n for n in called if next(network.get_submodule(n).parameters(), None) is not None)
        bare = tuple(n for n in _targets(own[longer], "get_attr") if n in parameters)
        yield Branch(layers[longer][-1], modules, bare, node, ends[longer], ends[1 - longer])


def _targets(nodes: Iterable[fx.Node], kind: str) -> list[str]:
    """Return the names of what nodes of a kind refer to, each once."""
    return list(dict.fromkeys(str(n.target) for n in nodes if n.op == kind))


def _layers(nodes: Iterable[fx.Node], network: nn.Module) -> list[str]:
    """Return the names of the layers that are called in these nodes, in order, a layer as often as it is called."""
    called = [str(n.target) for n in nodes if n.op == "call_module"]
    return [name for name in called if isinstance(network.get_submodule(name), Layer | Attention)]
