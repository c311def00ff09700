"""A layer that reads some of the input maps only."""

from torch import Tensor, nn


class ChannelSelection(nn.Module):
    """A convolution or linear layer and, before it, the choice of the maps that it reads.

    Where other layers read the other maps, as at a residual sum, they cannot be removed at their source.
    """

    index: Tensor  # TorchScript needs the type itself, so no annotations are postponed in this file

    def __init__(self, layer: nn.Conv2d | nn.Linear, index: Tensor) -> None:
        """layer: reads len(index) maps. index: int64, which those are; no part of the state dict."""
        super().__init__()
        self.layer, self.dim = layer, 1 if isinstance(layer, nn.Conv2d) else -1
        self.register_buffer("index", index, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Take (n, maps, height, width), or (..., features)."""
        return self.layer(x.index_select(self.dim, self.index))  # type: ignore[no-any-return]
