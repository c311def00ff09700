"""Remove channels from modules, in place: parameters, buffers, and attributes such as out_channels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from runners.networks.architectures.vit import Attention
from runners.networks.graph.layers import is_depthwise
from runners.networks.layers.channel_selection import ChannelSelection
from runners.networks.layers.zero_padding_shortcut import ZeroPaddingShortcut


@dataclass
class Removal:
    """Channels and heads to remove, by the name of a module: int64 indices before the removal."""

    outputs: dict[str, Tensor] = field(default_factory=dict)
    inputs: dict[str, Tensor] = field(default_factory=dict)
    heads: dict[str, Tensor] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Return whether there is anything to remove."""
        return bool(self.outputs or self.inputs or self.heads)


def apply_removal(network: nn.Module, removal: Removal) -> None:
    """Remove channels and heads from a network. Grouped convolutions lose whole groups, inputs with outputs."""
    modules = dict(network.named_modules())
    for name, channels in removal.outputs.items():
        remove_outputs(modules[name], channels)
    for name, channels in removal.inputs.items():
        remove_inputs(modules[name], channels)
    for name, heads in removal.heads.items():
        remove_heads(modules[name], heads)


def remove_outputs(module: nn.Module, channels: Tensor) -> None:
    """Remove output channels from a layer, a batch norm or a zero-padding shortcut."""
    if isinstance(module, ZeroPaddingShortcut):
        module.remove_outputs(channels.tolist())
    elif not isinstance(module, nn.PReLU) or module.num_parameters > 1:
        depthwise, size = is_depthwise(module), _outputs(module)
        kept = _rest(size, channels)
        _select(module, ("weight", "bias", "running_mean", "running_var"), 0, kept)
        _set(module, ("out_channels", "out_features", "num_features", "num_parameters"), len(kept))
        if depthwise:
            _set(module, ("in_channels", "groups"), len(kept))


def remove_inputs(module: nn.Module, channels: Tensor) -> None:
    """Remove input channels from a layer, an attention or a zero-padding shortcut."""
    if isinstance(module, ZeroPaddingShortcut):
        module.remove_inputs(channels.tolist())
    elif isinstance(module, Attention):
        remove_inputs(module.qkv, channels)
    elif isinstance(module, nn.Conv2d) and module.groups > 1:
        left = module.in_channels - len(channels)
        module.groups, module.in_channels = module.groups * left // module.in_channels, left
    else:
        assert isinstance(module, nn.Conv2d | nn.Linear)
        kept = _rest(module.weight.shape[1], channels)
        _select(module, ("weight",), 1, kept)
        _set(module, ("in_channels", "in_features"), len(kept))


def remove_heads(module: nn.Module, heads: Tensor) -> None:
    """Remove heads from an attention."""
    assert isinstance(module, Attention)
    columns = torch.arange(module.proj.in_features).view(module.heads, -1)
    remove_outputs(module.qkv, module.rows_of_heads()[heads].flatten())
    remove_inputs(module.proj, columns[heads].flatten())
    module.heads -= len(heads)


def select_inputs(network: nn.Module, read: dict[str, Tensor]) -> None:
    """Let each layer, by name, read these input channels only (int64 indices)."""
    for name, index in read.items():
        parent, _, last = name.rpartition(".")
        layer = network.get_submodule(name)
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        inputs = torch.arange(layer.weight.shape[1])
        remove_inputs(layer, inputs[~torch.isin(inputs, index)])
        setattr(network.get_submodule(parent), last, ChannelSelection(layer, index.to(layer.weight.device)))


def _outputs(module: nn.Module) -> int:
    sizes = [getattr(module, n, None) for n in ("out_channels", "out_features", "num_features", "num_parameters")]
    return next(int(n) for n in sizes if n is not None)


def _rest(n: int, without: Tensor) -> Tensor:
    left = torch.ones(n, dtype=torch.bool)
    left[without] = False
    return left.nonzero().flatten()


def _select(module: nn.Module, names: Iterable[str], dim: int, kept: Tensor) -> None:
    """Replace those parameters and buffers of these names that exist by their kept part."""
    for name in names:
        tensor = getattr(module, name, None)
        if isinstance(tensor, nn.Parameter):
            part = tensor.detach().index_select(dim, kept.to(tensor.device))
            setattr(module, name, nn.Parameter(part, requires_grad=tensor.requires_grad))
        elif isinstance(tensor, Tensor):
            setattr(module, name, tensor.index_select(dim, kept.to(tensor.device)))


def _set(module: nn.Module, names: Iterable[str], value: int) -> None:
    for name in names:
        if hasattr(module, name):
            setattr(module, name, value)
