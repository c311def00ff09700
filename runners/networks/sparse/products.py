"""Storage formats of a pruned matrix, and products with it. A product knows its matrix, not the layer."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from runners.networks.sparse.operators import bsr_product, csr_product

BLOCK_SIZES = (32, 16, 8, 4)
FILLED = 0.8  # least share of non-zero values in stored blocks; below it compressed rows are as fast


class Product(nn.Module):
    """A matrix (outputs, inputs) that multiplies rows of values.

    name: the kind, as in the column realisation. `forward` takes rows (n, inputs), fastest if they are the transpose of
    a contiguous (inputs, n), and an optional bias (outputs,), and returns (n, outputs).
    """

    name: ClassVar[str]

    def __init__(self, outputs: int, inputs: int) -> None:
        """Make a matrix of zeros of this size."""
        super().__init__()
        self.outputs, self.inputs = outputs, inputs

    def dense(self) -> Tensor:
        """Return the matrix (outputs, inputs), zeros included."""
        raise NotImplementedError

    def sizes(self) -> dict[str, Any]:
        """Return the arguments of the initialiser that allocate the same state, as JSON values."""
        return {"outputs": self.outputs, "inputs": self.inputs}


def untrained(values: Tensor) -> nn.Parameter:
    """Return a parameter, so that it is counted, without gradient: torch has none for these products."""
    return nn.Parameter(values, requires_grad=False)


class Positions(Product):
    """A small dense matrix. It can be trained, and exported to ONNX."""

    name = "positions"

    def __init__(self, outputs: int, inputs: int) -> None:
        """See `Product`."""
        super().__init__(outputs, inputs)
        self.weight = nn.Parameter(torch.zeros(outputs, inputs))

    @classmethod
    def of(cls, matrix: Tensor) -> Positions:
        """Store a matrix."""
        product = cls(len(matrix), matrix.shape[1])
        product.weight = nn.Parameter(matrix.clone())
        return product

    def forward(self, rows: Tensor, bias: Tensor | None = None) -> Tensor:
        """See `Product`."""
        return F.linear(rows, self.weight, bias)

    def dense(self) -> Tensor:
        """See `Product`."""
        return self.weight.detach()


class Csr(Product):
    """Compressed rows (CSR): every non-zero value and its column. Inference only."""

    name = "csr"
    starts: Tensor
    places: Tensor

    def __init__(self, outputs: int, inputs: int, stored: int) -> None:
        """stored: number of values."""
        super().__init__(outputs, inputs)
        self.values = untrained(torch.zeros(stored))
        self.register_buffer("starts", torch.zeros(outputs + 1, dtype=torch.int32))
        self.register_buffer("places", torch.zeros(stored, dtype=torch.int32))

    @classmethod
    def of(cls, matrix: Tensor) -> Csr:
        """Store the non-zero values of a matrix."""
        sparse = matrix.to_sparse_csr()
        product = cls(len(matrix), matrix.shape[1], len(sparse.values()))
        product.values = untrained(sparse.values().clone())
        # the libraries compute with int32, and would convert int64 in every product
        product.starts, product.places = sparse.crow_indices().int(), sparse.col_indices().int()
        return product

    def forward(self, rows: Tensor, bias: Tensor | None = None) -> Tensor:
        """See `Product`."""
        product = csr_product(self.starts, self.places, self.values, self.outputs, rows.t().contiguous())
        return (product if bias is None else product.add_(bias[:, None])).t()

    def dense(self) -> Tensor:
        """See `Product`."""
        size = (self.outputs, self.inputs)
        return torch.sparse_csr_tensor(
            self.starts, self.places, self.values.detach(), size, check_invariants=False
        ).to_dense()

    def sizes(self) -> dict[str, Any]:
        """See `Product`."""
        return super().sizes() | {"stored": len(self.values)}


class Bsr(Product):
    """Compressed rows of square blocks (BSR): every block that is not all zero. Inference only."""

    name = "bsr"
    starts: Tensor
    places: Tensor

    def __init__(self, outputs: int, inputs: int, stored: int, size: int) -> None:
        """stored: number of blocks of size x size values; size must divide outputs and inputs."""
        super().__init__(outputs, inputs)
        self.values = untrained(torch.zeros(stored, size, size))
        self.register_buffer("starts", torch.zeros(outputs // size + 1, dtype=torch.int32))
        self.register_buffer("places", torch.zeros(stored, dtype=torch.int32))

    @classmethod
    def of(cls, matrix: Tensor, size: int) -> Bsr:
        """Store the blocks of a matrix that are not all zero."""
        sparse = matrix.to_sparse_bsr((size, size))
        product = cls(len(matrix), matrix.shape[1], len(sparse.values()), size)
        product.values = untrained(sparse.values().clone())
        product.starts, product.places = sparse.crow_indices().int(), sparse.col_indices().int()
        return product

    def forward(self, rows: Tensor, bias: Tensor | None = None) -> Tensor:
        """See `Product`."""
        product = bsr_product(self.starts, self.places, self.values, self.outputs, rows.t().contiguous())
        return (product if bias is None else product.add_(bias[:, None])).t()

    def dense(self) -> Tensor:
        """See `Product`."""
        size = (self.outputs, self.inputs)
        return torch.sparse_bsr_tensor(
            self.starts, self.places, self.values.detach(), size, check_invariants=False
        ).to_dense()

    def sizes(self) -> dict[str, Any]:
        """See `Product`."""
        return super().sizes() | {"stored": len(self.values), "size": self.values.shape[-1]}


def block_size(matrix: Tensor, channels: int) -> int | None:
    """Return the largest size of square blocks that the zeros of a matrix form; None if they form no blocks.

    channels: columns per kernel position; no block crosses from one position to the next.
    """
    for size in BLOCK_SIZES:
        if len(matrix) % size == 0 and channels % size == 0:
            alive = matrix.view(len(matrix) // size, size, -1, size).ne(0)
            stored = int(alive.any(3).any(1).sum()) * size**2
            if FILLED * stored <= int(alive.sum()) < matrix.numel():
                return size
    return None
