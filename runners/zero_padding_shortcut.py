"""The shortcut without parameters of He et al. 2016 (option A), and how its channels are removed."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ZeroPaddingShortcut(nn.Module):
    """Every `stride`-th pixel of the input; an output channel is a channel of the input, or zero.

    source: int64 (outputs,), the input channel that each output channel is, or `inputs` where it is zero. No part of
    the state dict: it follows from what was removed.
    """

    source: Tensor  # TorchScript needs the type itself, so no annotations are postponed in this file

    def __init__(self, inputs: int, outputs: int, stride: int = 2) -> None:
        """inputs, outputs: numbers of channels; as many zero channels go before the input's as behind them."""
        super().__init__()
        self.stride, self.inputs = stride, inputs
        before = (outputs - inputs) // 2
        source = torch.full((outputs,), inputs)
        source[before : before + inputs] = torch.arange(inputs)
        self.register_buffer("source", source, persistent=False)
        self._update_padding()

    def _update_padding(self) -> None:
        """See whether the input's channels still stand side by side: padding is faster than picking channels."""
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
        """Mask (bool, (outputs,)) of the output channels that are always zero."""
        return self.source == self.inputs

    def remove_outputs(self, channels: Sequence[int]) -> None:
        """Put these output channels out no more."""
        self.source = _without(self.source, channels)
        self._update_padding()

    def remove_inputs(self, channels: Sequence[int]) -> None:
        """Expect an input without these channels, which were always zero: what they were put out as stays zero."""
        left = _without(torch.arange(self.inputs + 1, device=self.source.device), channels)
        place = self.source.new_full((self.inputs + 1,), len(left) - 1)
        place[left] = torch.arange(len(left), device=left.device)
        self.source, self.inputs = place[self.source], len(left) - 1
        self._update_padding()


def _without(values: Tensor, indices: Sequence[int]) -> Tensor:
    stays = torch.ones(len(values), dtype=torch.bool, device=values.device)
    stays[list(indices)] = False
    return values[stays]
