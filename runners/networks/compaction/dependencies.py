"""Dependencies between the channels of a network: torch-pruning's graph (Fang et al. 2023, DepGraph) as tables.

A component is a set of modules whose output channels can only be removed together: the layers of a residual sum, a
convolution with its batch norm and depthwise convolution, ... It includes the input channels of the modules that read
them.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch_pruning
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from results.errors import Untraceable
from runners.networks.architectures.vit import Attention
from runners.networks.graph.layers import ConvOrLinear, is_depthwise
from runners.networks.layers.zero_padding_shortcut import ZeroPaddingShortcut


@dataclass(frozen=True)
class Item:
    """The part of a component in one module.

    owner: a module of the network, or a parameter of it. channels: int64 (n,), output channels of a producer, or input
    channels of a consumer. roots: int64 (n,), the channel of the component for each of these channels.
    """

    owner: nn.Module | nn.Parameter
    channels: Tensor
    roots: Tensor

    @property
    def table(self) -> Tensor:
        """Channels of the module for each channel of the component, (width, s); s pixels of a map after a flatten."""
        order = self.roots.argsort(stable=True)
        return self.channels[order].view(len(self.roots.unique()), -1)


@dataclass(frozen=True)
class Component:
    """Output channels that are removed together. name, layer: of the first producer. width: number of channels."""

    name: str
    layer: ConvOrLinear
    width: int
    producers: list[Item]
    consumers: list[Item]

    @property
    def removable(self) -> bool:
        """Whether removing a channel that is zero, or that no module reads, leaves the outputs unchanged.

        False for outputs of the network, and for channels over which a norm takes a mean.
        """
        makers = ConvOrLinear | _BatchNorm | ZeroPaddingShortcut | nn.PReLU
        readers = ConvOrLinear | ZeroPaddingShortcut | Attention
        known = [isinstance(i.owner, makers) for i in self.producers]
        known += [isinstance(i.owner, readers) for i in self.consumers]
        return bool(self.consumers) and all(known)

    @property
    def channel_mixing(self) -> list[Item]:
        """The producers that mix channels: all layers but depthwise convolutions, and zero-padding shortcuts."""
        return [
            i
            for i in self.producers
            if isinstance(i.owner, ConvOrLinear | ZeroPaddingShortcut) and not is_depthwise(i.owner)
        ]


def components(network: nn.Module, example: Tensor) -> list[Component]:
    """Return the components of a network in the order of their first layers; components inside attentions are omitted.

    example: a batch to trace with; its first image is used. Raises Untraceable if the graph cannot be built.
    """
    graph = _graph(network, example)
    settled = {id(m) for a in network.modules() if isinstance(a, Attention) for m in a.modules()}
    found = []
    for name, layer in network.named_modules():
        if isinstance(layer, ConvOrLinear) and id(layer) not in settled and not is_depthwise(layer):
            found.append(_component(graph, name, layer))
            settled |= {id(item.owner) for item in found[-1].producers}
    return found


def _graph(network: nn.Module, example: Tensor) -> Any:
    pruners = {ZeroPaddingShortcut: _Opaque(), Attention: _Opaque()}
    was_training = network.training
    try:
        with warnings.catch_warnings(), torch.enable_grad():
            warnings.simplefilter("ignore")  # about parameters that belong to no layer: they are items too
            return torch_pruning.DependencyGraph().build_dependency(
                network.eval(), example_inputs=example[:1], customized_pruners=pruners
            )
    except Exception as error:  # the forward pass or the graph may raise anything
        reason = " ".join(str(error).split())[:120]
        raise Untraceable(f"the dependencies of this network cannot be traced: {reason}") from error
    finally:
        network.train(was_training)


def _component(graph: Any, name: str, layer: ConvOrLinear) -> Component:
    linear, width = isinstance(layer, nn.Linear), layer.weight.shape[0]
    pruning = torch_pruning.prune_linear_out_channels if linear else torch_pruning.prune_conv_out_channels
    producers: list[Item] = []
    consumers: list[Item] = []
    for item in graph.get_pruning_group(layer, pruning, idxs=list(range(width))):
        owner = item.dep.target.module
        if not type(owner).__module__.startswith("torch_pruning"):  # its own nodes for sums, concatenations, ...
            part = Item(owner, torch.tensor(item.idxs), torch.tensor(item.root_idxs))
            (producers if graph.is_out_channel_pruning_fn(item.dep.handler) else consumers).append(part)
    return Component(name, layer, width, producers, consumers)


class _Opaque(torch_pruning.BasePruningFunc):  # type: ignore[misc]
    """A module that the graph treats as opaque: its input and output channels do not depend on each other."""

    def prune_out_channels(self, layer: nn.Module, idxs: Sequence[int]) -> nn.Module:
        """Refuse: the graph is read, not used to prune."""
        raise AssertionError("the graph is only read")

    def prune_in_channels(self, layer: nn.Module, idxs: Sequence[int]) -> nn.Module:
        """Refuse: the graph is read, not used to prune."""
        raise AssertionError("the graph is only read")

    def get_out_channels(self, layer: Any) -> int:
        """Return the number of output channels."""
        return layer.proj.out_features if isinstance(layer, Attention) else len(layer.source)

    def get_in_channels(self, layer: Any) -> int:
        """Return the number of input channels."""
        return layer.qkv.in_features if isinstance(layer, Attention) else layer.inputs
