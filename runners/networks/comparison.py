"""Compare the outputs of two networks that should compute the same: a masked network and its compact one."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

ATOL, RTOL = 1e-4, 1e-4  # RTOL is relative to the largest absolute output: float32 rounds logits of 1,000 by 1e-4


@dataclass(frozen=True)
class Difference:
    """largest: largest absolute difference of an output, not finite where an output is not. allowed: its limit."""

    largest: float
    allowed: float

    @property
    def ok(self) -> bool:
        """Whether the outputs agree."""
        return self.excess <= 1

    @property
    def excess(self) -> float:
        """The difference as a multiple of its limit; infinite if it is not finite."""
        return self.largest / self.allowed if math.isfinite(self.largest) else math.inf


@torch.no_grad()
def compare_outputs(masked: nn.Module, compact: nn.Module, example: Tensor) -> Difference:
    """Compare the outputs of two networks in evaluation mode: tensors, or lists, tuples and mappings of tensors.

    Each tensor has a limit of its own, ATOL + RTOL times its largest absolute value in the masked network; the one
    that comes closest to its limit is returned. Outputs of different shapes or numbers differ without limit.
    """
    expected, found = (_tensors(n.eval()(example)) for n in (masked, compact))
    if [t.shape for t in expected] != [t.shape for t in found]:
        return Difference(math.inf, ATOL)
    pairs = (_compare(a, b) for a, b in zip(expected, found, strict=True))
    return max(pairs, key=lambda d: d.excess, default=Difference(0.0, ATOL))


def agreement(masked: nn.Module, compact: nn.Module, example: Tensor) -> Difference:
    """Compare as `compare_outputs`, and in float64 where they differ: some networks make much of rounding."""
    found = compare_outputs(masked, compact, example)
    return found if found.ok else compare_in_float64(masked, compact, example)


def compare_in_float64(masked: nn.Module, compact: nn.Module, example: Tensor) -> Difference:
    """Compare copies of two networks in float64: see `compare_outputs`."""
    return compare_outputs(copy.deepcopy(masked).double(), copy.deepcopy(compact).double(), example.double())


def difference(masked: nn.Module, compact: nn.Module, example: Tensor) -> float:
    """Return the largest absolute difference between the outputs of two networks: see `compare_outputs`."""
    return compare_outputs(masked, compact, example).largest


def _tensors(outputs: object) -> list[Tensor]:
    """Return the tensors of an output that are not empty, in their order, as floating-point numbers."""
    tensors = [leaf for leaf in tree_leaves(outputs) if isinstance(leaf, Tensor) and leaf.numel()]
    return [t if t.is_floating_point() or t.is_complex() else t.double() for t in tensors]


def _compare(expected: Tensor, found: Tensor) -> Difference:
    return Difference(float((expected - found).abs().max()), ATOL + RTOL * float(expected.abs().max()))
