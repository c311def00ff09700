"""A layer that reads selected input channels only."""

from torch import Tensor, nn


class ChannelSelection(nn.Module):
    """Select input channels (or features), then apply a convolution or linear layer to them.

    For channels that this layer does not read but others do, as after a residual sum: their producer must keep them.
    """

    index: Tensor  # TorchScript needs the type itself, so this file does not postpone annotations

    def __init__(self, layer: nn.Conv2d | nn.Linear, index: Tensor) -> None:
        """layer: has len(index) input channels. index: int64, the selected channels; not in the state dict."""
        super().__init__()
        self.layer, self.dim = layer, 1 if isinstance(layer, nn.Conv2d) else -1
        self.register_buffer("index", index, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the layer for an input (n, channels, height, width), or (..., features)."""
        return self.layer(x.index_select(self.dim, self.index))  # type: ignore[no-any-return]
