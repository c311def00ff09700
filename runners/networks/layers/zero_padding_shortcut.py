"""The zero-padding shortcut of He et al. 2016 (option A), with removal of channels."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from runners.networks.layers.kinds import Change, channel_sources, resize


class ZeroPaddingShortcut(nn.Module):
    """A shortcut without parameters: subsample the input by `stride`, and pad its channels with zeros.

    source: int64 (outputs,), the input channel that each output channel copies, or `inputs` for a zero channel. Not in
    the state dict.
    """

    source: Tensor  # TorchScript needs the type itself, so this file does not postpone annotations

    def __init__(self, inputs: int, outputs: int, stride: int = 2) -> None:
        """inputs, outputs: numbers of channels; half of the zero channels come before the input channels."""
        super().__init__()
        self.stride, self.inputs = stride, inputs
        before = (outputs - inputs) // 2
        source = torch.full((outputs,), inputs)
        source[before : before + inputs] = torch.arange(inputs)
        self.register_buffer("source", source, persistent=False)
        self.update_padding()

    def update_padding(self) -> None:
        """Set the padding if the input channels are contiguous in the output: it is faster than index_select."""
        places = (self.source < self.inputs).nonzero().flatten().tolist()
        before = places[0] if places else 0
        together = places == list(range(before, before + self.inputs))
        after = len(self.source) - before - self.inputs
        self._padding = [0, 0, 0, 0, before, after] if together else None

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, outputs, height / stride, width / stride), rounded up."""
        x = x[:, :, :: self.stride, :: self.stride]
        if self._padding is not None:
            return F.pad(x, self._padding)
        return F.pad(x, (0, 0, 0, 0, 0, 1)).index_select(1, self.source)


@channel_sources.register
def _(layer: ZeroPaddingShortcut) -> Tensor:
    return layer.source.masked_fill(layer.source == layer.inputs, -1).cpu()


@resize.register
def _(layer: ZeroPaddingShortcut, change: Change) -> nn.Module:
    """Outputs that copied an input that is gone, which was zero, become zero."""
    if change.inputs is None or change.outputs is None:
        return layer
    inputs, outputs = (t.to(layer.source.device) for t in (change.inputs, change.outputs))
    place = layer.source.new_full((layer.inputs + 1,), len(inputs))
    place[inputs] = torch.arange(len(inputs), device=inputs.device)
    layer.source, layer.inputs = place[layer.source][outputs], len(inputs)
    layer.update_padding()
    return layer
