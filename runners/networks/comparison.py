"""Compare the outputs of two networks that should compute the same: a masked network and its compact one."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from functools import cached_property

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


class Reference:
    """What a network computes of an example in evaluation mode, once for all networks that are compared with it."""

    def __init__(self, network: nn.Module, example: Tensor) -> None:
        """Compute nothing yet."""
        self._network, self._example = network, example

    @cached_property
    def _outputs(self) -> list[Tensor]:
        return _outputs(self._network, self._example)

    @cached_property
    def _precise(self) -> list[Tensor]:
        return _outputs(copy.deepcopy(self._network).double(), self._example.double())

    def compare(self, network: nn.Module) -> Difference:
        """Compare the outputs of another network: tensors, or lists, tuples and mappings of tensors.

        Each tensor has a limit of its own, ATOL + RTOL times its largest absolute value in the reference; the one that
        comes closest to its limit is returned. Outputs of different shapes or numbers differ without limit.
        """
        return _largest(self._outputs, _outputs(network, self._example))

    def compare_in_float64(self, network: nn.Module) -> Difference:
        """Compare as `compare`, with copies of both networks in float64."""
        return _largest(self._precise, _outputs(copy.deepcopy(network).double(), self._example.double()))

    def agreement(self, network: nn.Module) -> Difference:
        """Compare as `compare`, and in float64 where they differ: some networks make much of rounding."""
        found = self.compare(network)
        return found if found.ok else self.compare_in_float64(network)


def compare_outputs(masked: nn.Module, compact: nn.Module, example: Tensor) -> Difference:
    """Compare the outputs of two networks: see `Reference.compare`."""
    return Reference(masked, example).compare(compact)


def compare_in_float64(masked: nn.Module, compact: nn.Module, example: Tensor) -> Difference:
    """Compare copies of two networks in float64: see `Reference.compare`."""
    return Reference(masked, example).compare_in_float64(compact)


def agreement(masked: nn.Module, compact: nn.Module, example: Tensor) -> Difference:
    """Compare two networks in float32, or else in float64: see `Reference.agreement`."""
    return Reference(masked, example).agreement(compact)


def difference(masked: nn.Module, compact: nn.Module, example: Tensor) -> float:
    """Return the largest absolute difference between the outputs of two networks: see `compare_outputs`."""
    return compare_outputs(masked, compact, example).largest


@torch.no_grad()
def _outputs(network: nn.Module, example: Tensor) -> list[Tensor]:
    """Return the tensors of an output that are not empty, in their order, as floating-point numbers."""
    tensors = [leaf for leaf in tree_leaves(network.eval()(example)) if isinstance(leaf, Tensor) and leaf.numel()]
    return [t if t.is_floating_point() or t.is_complex() else t.double() for t in tensors]


def _largest(expected: list[Tensor], found: list[Tensor]) -> Difference:
    if [t.shape for t in expected] != [t.shape for t in found]:
        return Difference(math.inf, ATOL)
    pairs = (_compare(a, b) for a, b in zip(expected, found, strict=True))
    return max(pairs, key=lambda d: d.excess, default=Difference(0.0, ATOL))


def _compare(expected: Tensor, found: Tensor) -> Difference:
    return Difference(float((expected - found).abs().max()), ATOL + RTOL * float(expected.abs().max()))
