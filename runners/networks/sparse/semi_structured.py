"""2:4 sparsity in hardware: at most two of every four consecutive weights are not zero."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.sparse import to_sparse_semi_structured

from runners.networks.sparse.products import Product, untrained

CAPABILITY = (8, 0)  # CUDA compute capability of the first chips with sparse tensor cores


class SemiStructured(Product):
    """Half of the values, and their positions. Inference only, on CUDA; the flop counter counts it as dense.

    torch computes it in float16 and bfloat16, and for float32 in TF32, with 10 bits of mantissa. TF32 misses the
    tolerance of 1e-4, so autotuning skips it for a network in float32: see `autotuning.agrees`.
    """

    name = "semi_structured"
    places: Tensor

    def __init__(self, outputs: int, inputs: int) -> None:
        """inputs: a multiple of four."""
        super().__init__(outputs, inputs)
        self.values = untrained(torch.zeros(outputs, inputs // 2))
        self.register_buffer("places", torch.zeros(outputs, inputs // 2, dtype=torch.uint8))
        self._packed: Tensor | None = None

    @classmethod
    def of(cls, matrix: Tensor) -> SemiStructured:
        """Store a matrix for which `fits` is true."""
        quads = matrix.view(len(matrix), -1, 4)
        # stable, so that quads with more than two zeros have the same places on every machine
        places = quads.ne(0).int().argsort(dim=-1, descending=True, stable=True)[..., :2].sort(-1).values
        product = cls(len(matrix), matrix.shape[1])
        product.values = untrained(quads.gather(-1, places).flatten(1).contiguous())
        product.places = places.flatten(1).to(torch.uint8)
        return product

    def forward(self, rows: Tensor, bias: Tensor | None = None) -> Tensor:
        """See `Product`. Raises RuntimeError or NotImplementedError if device, dtype or size is not supported."""
        if self._packed is None or self._packed.device != rows.device:
            self._packed = to_sparse_semi_structured(self.dense().contiguous())
        product = torch.mm(self._packed, rows.t().contiguous()).t()
        return product if bias is None else product + bias

    def dense(self) -> Tensor:
        """See `Product`."""
        quads = self.values.new_zeros(self.outputs, self.inputs // 4, 4)
        places = self.places.view(self.outputs, -1, 2).long()
        return quads.scatter(-1, places, self.values.detach().view_as(places)).flatten(1)

    def _load_from_state_dict(self, *args: object, **kwargs: object) -> None:
        self._packed = None
        super()._load_from_state_dict(*args, **kwargs)


def fits(matrix: Tensor) -> bool:
    """Return whether a matrix (outputs, inputs) is 2:4 sparse, on a device with sparse tensor cores."""
    if matrix.device.type != "cuda" or torch.cuda.get_device_capability(matrix.device) < CAPABILITY:
        return False
    return two_of_four(matrix)


def two_of_four(matrix: Tensor) -> bool:
    """Return whether every four consecutive values of a row have at least two zeros."""
    return matrix.shape[1] % 4 == 0 and int(matrix.view(len(matrix), -1, 4).ne(0).sum(-1).max()) <= 2
