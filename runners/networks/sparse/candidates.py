"""The possible replacements of a masked layer, found from its zeros alone, without its grouping."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from runners.networks.sparse import semi_structured
from runners.networks.sparse.columns import Window, matrix_of, positions_used
from runners.networks.sparse.layers import SparseConv2d, SparseLinear
from runners.networks.sparse.products import Bsr, Csr, Positions, Product, block_size
from runners.networks.sparse.semi_structured import SemiStructured

Replacement = SparseConv2d | SparseLinear

# Compressed rows are not tried above this share of non-zero values: on the CPU they were never faster above a quarter
# in tests/benchmarks/bench_sparse.py.
DENSEST = 0.5


@torch.no_grad()
def candidates(layer: nn.Module, densest: float = DENSEST) -> dict[str, Replacement]:
    """Return the replacements of a masked convolution or linear layer, by kind, simplest first.

    Empty for any other layer, and for a convolution with groups or with a padding other than zeros.
    densest: include compressed rows up to this share of non-zero values.
    """
    if not isinstance(layer, nn.Conv2d | nn.Linear) or (isinstance(layer, nn.Conv2d) and Window.of(layer) is None):
        return {}
    return {product.name: _reading(layer, product, places) for product, places in _products(layer, densest)}


def _products(layer: nn.Conv2d | nn.Linear, densest: float) -> Iterator[tuple[Product, Tensor]]:
    """Yield the products that fit the zeros, each with the columns of the full matrix that it reads."""
    matrix, channels = matrix_of(layer), layer.weight.shape[1]
    used = positions_used(matrix)
    if len(used) < matrix.shape[1]:
        yield Positions.of(matrix[:, used]), used
    stored = int(matrix.count_nonzero())
    if stored < matrix.numel() and stored <= densest * len(matrix) * len(used):
        yield Csr.of(matrix[:, used]), used
    size = block_size(matrix, channels)
    if size is not None:
        used = positions_used(matrix, size)
        yield Bsr.of(matrix[:, used].contiguous(), size), used
    if channels % 4 == 0 and semi_structured.fits(matrix):
        yield SemiStructured.of(matrix), torch.arange(matrix.shape[1], device=matrix.device)


def _reading(layer: nn.Conv2d | nn.Linear, product: Product, places: Tensor) -> Replacement:
    """Return the replacement that multiplies these columns of the full matrix by a product."""
    bias, channels = layer.bias is not None, layer.weight.shape[1]
    replacement: Replacement
    if isinstance(layer, nn.Linear):
        replacement = SparseLinear(channels, product, bias)
        replacement.features = places
    else:
        window = Window.of(layer)
        assert window is not None, "such a convolution has no candidates"
        counts = torch.bincount(places // channels, minlength=len(window.offsets)).tolist()
        replacement = SparseConv2d(window, channels, counts, product, bias)
        replacement.channels = places % channels
    if layer.bias is not None:
        replacement.bias = nn.Parameter(layer.bias.detach().clone())
    return replacement.to(layer.weight.device).train(layer.training)
