"""The number format in which a network is trained and its accuracy evaluated: the recipe's key `precision`.

float32: as the weights are. tf32: products of matrices and convolutions round their float32 inputs to 10 bits of
mantissa. bf16: torch.autocast computes them in bfloat16; weights, their gradients, loss and optimiser stay float32.
What compares networks (masked against compact, latencies, multiply-adds) and what chooses groups is float32 always.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch

from results.errors import InputError

Precision = Literal["float32", "tf32", "bf16"]
AMPERE = (8, 0)  # the first compute capability with TF32 and bfloat16


def check(precision: Precision, device: torch.device) -> None:
    """Raise InputError, in one line, where a device cannot compute in a precision."""
    if precision == "float32" or (precision == "bf16" and device.type == "cpu"):
        return
    if device.type != "cuda":
        others = "float32 or bf16" if device.type == "cpu" else "float32"
        raise InputError(f"precision = {precision}: {device} does not have it; {others}, or a GPU of NVIDIA")
    of_another = torch.version.hip is not None and precision == "tf32"  # a GPU that PyTorch calls cuda as well
    if of_another or torch.cuda.get_device_capability(device) < AMPERE:
        name = torch.cuda.get_device_name(device)
        raise InputError(f"precision = {precision}: {name} ({device}) does not have it; precision: float32")


def arithmetic(precision: Precision) -> AbstractContextManager[None]:
    """Return a context in which float32 products are rounded as the precision says; the setting is restored behind it.

    For forward and backward passes alike.
    """
    return _tf32() if precision == "tf32" else nullcontext()


@contextmanager
def _tf32() -> Iterator[None]:
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = True
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def forward_pass(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Return a context for one forward pass and its loss: torch.autocast for bf16.

    A new one for each pass: autocast keeps the converted weights until its end.
    """
    if precision == "bf16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()
