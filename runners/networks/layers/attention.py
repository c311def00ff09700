"""Attention with some of its heads, or of its input channels, gone."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from runners.networks.layers.kinds import Change, resize


class FewerHeads(nn.Module):
    """The self-attention of `torch.nn.MultiheadAttention` with batches first, for any number of heads and inputs.

    The rows of `in_proj` are the queries, then the keys, then the values, each of head after head.
    """

    def __init__(self, in_proj: nn.Linear, out_proj: nn.Linear, head_dim: int, dropout: float) -> None:
        """head_dim: number of features of a head."""
        super().__init__()
        self.in_proj, self.out_proj, self.head_dim, self.dropout = in_proj, out_proj, head_dim, dropout

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, need_weights: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Return (n, tokens, width) for a query of that shape, which is the key and the value too."""
        n, tokens, _ = query.shape
        heads = self.in_proj(query).view(n, tokens, 3, -1, self.head_dim).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(heads[0], heads[1], heads[2], dropout_p=dropout)
        return self.out_proj(mixed.transpose(1, 2).reshape(n, tokens, -1)), None


@resize.register
def _(layer: nn.MultiheadAttention, change: Change) -> nn.Module:
    """Take one layer's place by one of fewer heads; a network that asks for more than it does does not run then."""
    if layer.in_proj_weight is None or not layer.batch_first or layer.bias_k is not None:
        return layer
    rows, inputs = layer.in_proj_weight.shape
    joined = nn.Linear(inputs, rows, bias=layer.in_proj_bias is not None, device="meta")
    joined.weight, joined.bias = layer.in_proj_weight, layer.in_proj_bias
    outputs, mixed = layer.out_proj.weight.shape
    last = nn.Linear(mixed, outputs, bias=layer.out_proj.bias is not None, device="meta")
    last.weight, last.bias = layer.out_proj.weight, layer.out_proj.bias
    return FewerHeads(joined, last, layer.head_dim, layer.dropout).train(layer.training)


@resize.register
def _(layer: FewerHeads, change: Change) -> nn.Module:
    return layer  # its parameters say how many heads and inputs there are
