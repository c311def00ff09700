"""Convolution as a matrix product over some positions of the weight: the columns of its inputs (im2col)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HeightWidth = tuple[int, int]

# Values of the columns made at once on the CPU, 4 MB of float32. Every filter reads them again, so a sparse product is
# up to four times faster if they fit in the cache than for a whole batch.
PART = 1 << 20


@dataclass(frozen=True)
class Window:
    """The geometry of a convolution: pairs of (height, width), in pixels."""

    kernel: HeightWidth
    stride: HeightWidth
    padding: HeightWidth
    dilation: HeightWidth

    @classmethod
    def of(cls, layer: nn.Conv2d) -> Window | None:
        """Return the window of a convolution; None if it has groups, or a padding other than a number of zeros."""
        if layer.groups != 1 or layer.padding_mode != "zeros" or isinstance(layer.padding, str):
            return None
        return cls(*(_pair(v) for v in (layer.kernel_size, layer.stride, layer.padding, layer.dilation)))

    @property
    def offsets(self) -> list[HeightWidth]:
        """Row and column of every position in the kernel, row by row."""
        return [(row, column) for row in range(self.kernel[0]) for column in range(self.kernel[1])]

    def outputs(self, height: int, width: int) -> HeightWidth:
        """Return height and width of the output for an input of this height and width."""
        tall, wide = ((self._reach(d, size)) // self.stride[d] + 1 for d, size in enumerate((height, width)))
        return tall, wide

    def _reach(self, d: int, size: int) -> int:
        return size + 2 * self.padding[d] - self.dilation[d] * (self.kernel[d] - 1) - 1

    def seen(self, planes: Tensor, offset: HeightWidth, outputs: HeightWidth) -> Tensor:
        """Return a view of the pixels that one kernel position reads in padded planes (..., height, width)."""
        steps = []
        for place, count, stride, dilation in zip(offset, outputs, self.stride, self.dilation, strict=True):
            first = place * dilation
            steps.append(slice(first, first + (count - 1) * stride + 1, stride))
        return planes[..., steps[0], steps[1]]


def _pair(value: Sequence[int]) -> HeightWidth:
    first, second = value
    return int(first), int(second)


def matrix_of(layer: nn.Conv2d | nn.Linear) -> Tensor:
    """Return the weight as a matrix (outputs, K), K = rows x columns x input channels, the channels innermost."""
    weight = layer.weight.detach()
    if weight.dim() == 4:
        weight = weight.permute(0, 2, 3, 1)
    return weight.reshape(len(weight), -1).contiguous()


def positions_used(matrix: Tensor, grain: int = 1) -> Tensor:
    """Return int64 (P,), the columns of a matrix (outputs, K) that are not all zero; at least one column.

    grain: columns are kept in runs of this length; it must divide K.
    """
    used = matrix.view(len(matrix), -1, grain).ne(0).any(0).any(1)
    used[0] |= ~used.any()
    return used.repeat_interleave(grain).nonzero().flatten()


def columns(images: Tensor, window: Window, inputs: int, channels: Tensor, counts: Sequence[int]) -> Tensor:
    """Return the inputs of the positions: (P, n * height * width of the output), pixels innermost.

    images: (n, inputs, height, width).
    channels: int64 (P,), the input channel of every position, in the order of `window.offsets`.
    counts: number of positions at every offset of `window.offsets`; at least one in all.
    """
    planes = images.permute(1, 0, 2, 3)
    if any(window.padding):
        tall, wide = window.padding
        planes = F.pad(planes, (wide, wide, tall, tall))
    planes = planes.contiguous()
    outputs = window.outputs(images.shape[2], images.shape[3])
    places = [(offset, count) for offset, count in zip(window.offsets, counts, strict=True) if count]
    parts = []
    for (offset, count), kept in zip(places, channels.split([count for _, count in places]), strict=True):
        seen = window.seen(planes, offset, outputs)
        parts.append(seen if count == inputs else seen.index_select(0, kept))
    return torch.cat(parts).reshape(sum(counts), -1)


def split(images: Tensor, values: int) -> Sequence[Tensor]:
    """Split a batch on the CPU so that the columns of each part have about PART values.

    values: number of column values of one image. A batch is not split on accelerators, nor while the network is traced
    or exported: the trace must fit every batch size.
    """
    traced = torch.jit.is_tracing() or torch.compiler.is_compiling()  # type: ignore[attr-defined,no-untyped-call]
    if images.device.type != "cpu" or traced:
        return [images]
    return torch.split(images, max(1, PART // max(1, values)))
