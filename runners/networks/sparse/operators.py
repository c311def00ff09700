"""Sparse products as custom operators, so that the flop counter counts their true operations.

torch's counter counts a product with a sparse tensor as dense. These operators take the parts of the sparse tensor as
plain tensors, and count two operations for every stored value and column.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

_LIBRARY = torch.library.Library("klevel", "DEF")
_PARTS = "Tensor starts, Tensor places, Tensor values, int outputs, Tensor columns"

with warnings.catch_warnings():  # torch warns once in a process that these layouts are in beta
    warnings.simplefilter("ignore")
    torch.eye(1).to_sparse_csr()


def csr(starts: Tensor, places: Tensor, values: Tensor, outputs: int, columns: Tensor) -> Tensor:
    """Return the product (outputs, n) of a matrix in compressed rows (CSR) with columns (inputs, n).

    starts: int32 (outputs + 1,), the start of each row; places: int32 (stored,), the columns; values: (stored,).
    """
    size = (outputs, len(columns))
    matrix = torch.sparse_csr_tensor(starts, places, values, size, check_invariants=False)
    if columns.device.type == "cpu":
        # for many columns torch's kernel is two to three times faster than MKL's, which `@` calls
        product: Tensor = torch.sparse.mm(matrix, columns, "sum")
        return product
    return matrix @ columns


def bsr(starts: Tensor, places: Tensor, values: Tensor, outputs: int, columns: Tensor) -> Tensor:
    """Return the product (outputs, n) of a matrix in compressed rows of blocks (BSR) with columns (inputs, n).

    starts: int32 (rows of blocks + 1,); places: int32 (stored,); values: (stored, size, size), whole blocks.
    """
    size = (outputs, len(columns))
    return torch.sparse_bsr_tensor(starts, places, values, size, check_invariants=False) @ columns


def _product_shape(starts: Tensor, places: Tensor, values: Tensor, outputs: int, columns: Tensor) -> Tensor:
    return columns.new_empty(outputs, columns.shape[1])


def _flops(
    starts: Sequence[int],
    places: Sequence[int],
    values: Sequence[int],
    outputs: int,
    columns: Sequence[int],
    **others: object,
) -> int:
    """Return the operations for these shapes: a multiplication and an addition for every stored value and column."""
    return 2 * math.prod(values) * columns[1]


def _operator(name: str, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    _LIBRARY.define(f"{name}({_PARTS}) -> Tensor")
    _LIBRARY.impl(name, function, "CompositeExplicitAutograd")
    torch.library.register_fake(f"klevel::{name}", _product_shape, lib=_LIBRARY)
    register_flop_formula(getattr(torch.ops.klevel, name))(_flops)
    operator: Callable[..., Tensor] = getattr(torch.ops.klevel, name).default
    return operator


csr_product = _operator("csr_product", csr)
bsr_product = _operator("bsr_product", bsr)
