"""The layers of a network and their batch norms, found by one forward pass."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

ConvOrLinear = nn.Conv2d | nn.Linear


@dataclass
class TracedLayer:
    """A convolution or a linear layer, its path in the network, and the batch norm that reads its output, if any."""

    name: str
    module: nn.Conv2d | nn.Linear
    norm: nn.Module | None = field(default=None)


def is_depthwise(layer: object) -> bool:
    """Return whether a layer is a depthwise convolution: one input channel and one output channel per group."""
    return isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels == layer.out_channels > 1


def is_grouped(layer: object) -> bool:
    """Return whether a layer is a grouped convolution that is not depthwise."""
    return isinstance(layer, nn.Conv2d) and layer.groups > 1 and not is_depthwise(layer)


def trace_layers(network: nn.Module, example: Tensor) -> list[TracedLayer]:
    """Return the convolutions and linear layers in execution order; the last one is the output layer.

    A batch norm belongs to the layer whose output tensor it reads directly. A layer that runs twice is listed once.
    """
    found: dict[int, TracedLayer] = {}
    makers: dict[int, TracedLayer] = {}
    kept_alive: list[Tensor] = []  # so that no id is reused during the pass
    names = {id(m): n for n, m in network.named_modules()}

    def after_layer(module: nn.Module, _: object, output: Tensor) -> None:
        assert isinstance(module, nn.Conv2d | nn.Linear)
        makers[id(output)] = found.setdefault(id(module), TracedLayer(names[id(module)], module))
        kept_alive.append(output)

    def before_norm(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if id(inputs[0]) in makers:
            makers[id(inputs[0])].norm = module

    hooks = [m.register_forward_hook(after_layer) for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks += [m.register_forward_pre_hook(before_norm) for m in network.modules() if isinstance(m, _BatchNorm)]
    was_training = network.training
    try:
        with torch.no_grad():
            network.eval()(example)
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return list(found.values())
