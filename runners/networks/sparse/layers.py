"""Sparse layers that replace masked layers and read the surviving positions only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from runners.networks.sparse.columns import Window, columns, split
from runners.networks.sparse.products import Product

LayerT = TypeVar("LayerT", nn.Conv2d, nn.Linear)


class SparseConv2d(nn.Module):
    """A convolution as a matrix product over some of the positions (channel, row, column) of its weight.

    channels: int64 (P,), the input channel of every position, in the order of the kernel offsets. Part of the state
    dict; `counts` is part of the layer's description instead.
    """

    channels: Tensor

    def __init__(self, window: Window, inputs: int, counts: Sequence[int], product: Product, bias: bool) -> None:
        """inputs: channels. counts: positions at each kernel offset, row by row; their sum is product.inputs."""
        super().__init__()
        self.window, self.inputs, self.counts, self.product = window, inputs, tuple(counts), product
        self.bias = nn.Parameter(torch.zeros(product.outputs)) if bias else None
        self.register_buffer("channels", torch.zeros(product.inputs, dtype=torch.int64))

    def forward(self, images: Tensor) -> Tensor:
        """Map (n, inputs, height, width) to (n, outputs, ...), in channels-last layout."""
        height, width = self.window.outputs(images.shape[2], images.shape[3])
        rows = [
            self.product(columns(part, self.window, self.inputs, self.channels, self.counts).t(), self.bias)
            for part in split(images, self.product.inputs * height * width)
        ]
        joined = rows[0].contiguous() if len(rows) == 1 else torch.cat(rows)
        return joined.view(-1, height, width, self.product.outputs).permute(0, 3, 1, 2)

    def places(self) -> Tensor:
        """Return int64 (P,), the columns of the full matrix (outputs, K) that are read: see `columns.matrix_of`."""
        counts = torch.tensor(self.counts, device=self.channels.device)
        offsets = torch.arange(len(self.counts), device=self.channels.device).repeat_interleave(counts)
        return offsets * self.inputs + self.channels

    def dense(self) -> nn.Conv2d:
        """Return the equivalent dense convolution, zeros in place, its weight in channels-last layout."""
        w = self.window
        layer = nn.Conv2d(
            *(self.inputs, self.product.outputs, w.kernel, w.stride, w.padding, w.dilation),
            bias=self.bias is not None,
            device="meta",  # skips the initialisation of weights that are replaced at once
        )
        matrix = _spread(self.product, self.places(), self.inputs * len(self.counts))
        weight = matrix.view(self.product.outputs, *w.kernel, self.inputs).permute(0, 3, 1, 2)
        return _filled(layer, weight, self.bias)


class SparseLinear(nn.Module):
    """A linear layer that reads some of its input features. features: int64 (P,), in the state dict."""

    features: Tensor

    def __init__(self, inputs: int, product: Product, bias: bool) -> None:
        """inputs: number of input features, of which product.inputs are read."""
        super().__init__()
        self.inputs, self.product = inputs, product
        self.bias = nn.Parameter(torch.zeros(product.outputs)) if bias else None
        self.register_buffer("features", torch.zeros(product.inputs, dtype=torch.int64))

    def forward(self, values: Tensor) -> Tensor:
        """Map (..., inputs) to (..., outputs)."""
        read = values if self.product.inputs == self.inputs else values.index_select(-1, self.features)
        rows: Tensor = self.product(read.reshape(-1, self.product.inputs), self.bias)
        return rows.reshape(*values.shape[:-1], self.product.outputs)

    def places(self) -> Tensor:
        """Return int64 (P,), the columns of the full matrix (outputs, inputs) that are read."""
        return self.features

    def dense(self) -> nn.Linear:
        """Return the equivalent dense linear layer, zeros in place."""
        layer = nn.Linear(self.inputs, self.product.outputs, bias=self.bias is not None, device="meta")
        return _filled(layer, _spread(self.product, self.places(), self.inputs), self.bias)


def _spread(product: Product, places: Tensor, width: int) -> Tensor:
    """Return the full matrix of a product, with zeros in the columns that it does not read."""
    matrix = product.dense()
    spread: Tensor = matrix.new_zeros(product.outputs, width).index_copy(1, places, matrix)
    return spread


def _filled(layer: LayerT, weight: Tensor, bias: Tensor | None) -> LayerT:
    layer.weight = nn.Parameter(weight)
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone())
    return layer
