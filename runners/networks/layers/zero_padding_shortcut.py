"""The zero-padding shortcut of He et al. 2016 (option A), with removal of channels."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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
        self._update_padding()

    def _update_padding(self) -> None:
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

    def zero_outputs(self) -> Tensor:
        """Return the mask (bool, (outputs,)) of the output channels that are always zero."""
        return self.source == self.inputs

    def remove_outputs(self, channels: Sequence[int]) -> None:
        """Drop these output channels."""
        self.source = _without(self.source, channels)
        self._update_padding()

    def remove_inputs(self, channels: Sequence[int]) -> None:
        """Expect an input without these channels, which were always zero; outputs that copied them become zero."""
        left = _without(torch.arange(self.inputs + 1, device=self.source.device), channels)
        place = self.source.new_full((self.inputs + 1,), len(left) - 1)
        place[left] = torch.arange(len(left), device=left.device)
        self.source, self.inputs = place[self.source], len(left) - 1
        self._update_padding()


def _without(values: Tensor, indices: Sequence[int]) -> Tensor:
    stays = torch.ones(len(values), dtype=torch.bool, device=values.device)
    stays[list(indices)] = False
    return values[stays]
