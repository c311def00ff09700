"""The memory layout of a network's weights: channels last where the network works with it.

On a CPU convolutions with channels-last weights are up to three times faster, but their outputs are laid out alike, and
code that relies on a contiguous output, such as `x.view(len(x), -1)` behind a convolution, raises.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

TRIED = 2  # images of the trial pass: batch norm needs more than one


def channels_last(network: nn.Module, example: Tensor) -> nn.Module:
    """Convert the weights of a network to channels last in place, and back if it then cannot be trained.

    example: a batch, of which two images are tried. Nothing but the layout changes, no buffer and no random state.
    """
    if any(p.dim() == 4 for p in network.parameters()):
        _lay_out(network, torch.channels_last)
        if not _trains(network, example):
            _lay_out(network, torch.contiguous_format)
    return network


def _lay_out(network: nn.Module, layout: torch.memory_format) -> None:
    """Convert all tensors of four dimensions; those of five have no such layout."""
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.dim() == 4:
            # not contiguous(), which leaves the strides of 1x1 kernels alone, and with them the slower kernels
            tensor.data = tensor.data.to(memory_format=layout)


def _trains(network: nn.Module, example: Tensor) -> bool:
    """Return whether a copy of the network does a forward and a backward pass in training mode."""
    devices = [example.device] if example.is_cuda else []
    images = example[:TRIED] if len(example) >= TRIED else example.repeat(TRIED, *[1] * (example.dim() - 1))
    try:
        with torch.random.fork_rng(devices=devices), torch.enable_grad():
            outputs = tree_leaves(copy.deepcopy(network).train()(images))
            # squared, so that the gradients have a layout of their own, as those of a loss do
            losses = [o.square().sum() for o in outputs if isinstance(o, Tensor) and o.requires_grad]
            torch.autograd.backward(losses)
    except Exception:  # of the network, whatever it may be: training raises it again if the layout is not the cause
        return False
    return True
