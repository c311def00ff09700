"""A layer that reads some of the input maps only."""

from __future__ import annotations

from torch import Tensor, nn


class Gathered(nn.Module):
    """A convolution or linear layer and, before it, the choice of the maps that it reads.

    Where other layers read the other maps, as at a residual sum, they cannot be removed at their source.
    """

    index: Tensor

    def __init__(self, layer: nn.Conv2d | nn.Linear, index: Tensor) -> None:
        """layer: reads len(index) maps. index: int64, which those are; no part of the state dict."""
        super().__init__()
        self.layer = layer
        self.register_buffer("index", index, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Take (n, maps, height, width), or (..., features)."""
        dim = 1 if isinstance(self.layer, nn.Conv2d) else -1
        return self.layer(x.index_select(dim, self.index))  # type: ignore[no-any-return]
