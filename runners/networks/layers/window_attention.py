"""Attention within shifted windows, with some of its heads, or of its input channels, gone."""

from __future__ import annotations

import math
import sys
from abc import ABCMeta

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from runners.networks.layers.kinds import Change, resize


class ShiftedWindows(nn.Module, metaclass=ABCMeta):
    """Any `torchvision.models.swin_transformer.ShiftedWindowAttention`, without an import of torchvision.

    Its code takes the width of a head to be that of the input divided by a number of heads that is kept.
    """

    qkv: nn.Linear
    proj: nn.Linear
    window_size: list[int]
    shift_size: list[int]
    attention_dropout: float
    dropout: float
    relative_position_bias_table: nn.Parameter
    relative_position_index: Tensor
    relative_coords_table: Tensor
    logit_scale: nn.Parameter
    cpb_mlp: nn.Module

    @classmethod
    def __subclasshook__(cls, kind: type) -> bool:
        """Return whether a class is torchvision's, if that was imported."""
        swin = sys.modules.get("torchvision.models.swin_transformer")
        return swin is not None and issubclass(kind, swin.ShiftedWindowAttention)


class WindowAttention(nn.Module):
    """Attention within shifted windows (Liu et al. 2021, section 3.2), for any number of heads and inputs.

    An image is padded to a multiple of the window and shifted cyclically; pixels attend to those of their window that
    were neighbours before the shift, with a bias of their relative position. The rows of `qkv` are the queries, then
    the keys, then the values, each of head after head. All tensors have the names that they have in torchvision.
    """

    def __init__(self, like: ShiftedWindows, heads: int) -> None:
        """Take the layers and tensors of torchvision's attention, sliced or not, with this number of heads.

        relative_position_index, int64 (pixels^2,), has of each pair of pixels of a window its offset in `offset_bias`.
        """
        super().__init__()
        self.head_dim = like.qkv.weight.shape[0] // (3 * heads)
        self.window, self.shift = _pair(like.window_size), _pair(like.shift_size)
        self.qkv, self.proj = like.qkv, like.proj
        self.attention_dropout, self.output_dropout = nn.Dropout(like.attention_dropout), nn.Dropout(like.dropout)
        self.relative_position_index = nn.Buffer(like.relative_position_index)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, height, width, outputs) for (n, height, width, inputs)."""
        rows = self.rows(into_windows(x, self.window, self.shift))
        heads = rows.view(rows.size(0), rows.size(1), 3, -1, self.head_dim).permute(2, 0, 3, 1, 4)
        pixels = self.window[0] * self.window[1]
        bias = self.offset_bias()[self.relative_position_index].view(pixels, pixels, -1).permute(2, 0, 1)
        logits = separated(self.logits(heads[0], heads[1]) + bias, x, self.window, self.shift)
        mixed = self.attention_dropout(logits.softmax(-1)).matmul(heads[2]).transpose(1, 2).flatten(2)
        return out_of_windows(self.output_dropout(self.proj(mixed)), x, self.window, self.shift)

    def rows(self, windows: Tensor) -> Tensor:
        """Return queries, keys and values, (windows, pixels, 3 heads head_dim)."""
        return F.linear(windows, self.qkv.weight, self.qkv.bias)

    def logits(self, query: Tensor, key: Tensor) -> Tensor:
        """Return (windows, heads, pixels, pixels) for two of (windows, heads, pixels, head_dim)."""
        raise NotImplementedError

    def offset_bias(self) -> Tensor:
        """Return the bias of every relative position, (offsets, heads)."""
        raise NotImplementedError


class ScaledWindowAttention(WindowAttention):
    """That of Swin (Liu et al. 2021): softmax(q k^T / sqrt(head_dim) + bias) v, with a table of biases.

    relative_position_bias_table: (offsets, heads).
    """

    def __init__(self, like: ShiftedWindows) -> None:
        """Take the layers and the table of torchvision's attention."""
        super().__init__(like, heads=like.relative_position_bias_table.shape[1])
        self.relative_position_bias_table = like.relative_position_bias_table

    def logits(self, query: Tensor, key: Tensor) -> Tensor:
        """Return (windows, heads, pixels, pixels) for two of (windows, heads, pixels, head_dim)."""
        return (query / math.sqrt(self.head_dim)).matmul(key.transpose(-2, -1))

    def offset_bias(self) -> Tensor:
        """Return the table."""
        return self.relative_position_bias_table


class CosineWindowAttention(WindowAttention):
    """That of Swin V2 (Liu et al. 2022, section 3.2): cosines of queries and keys, times a scale of each head.

    A small network, `cpb_mlp`, makes the bias from the logarithms of the offset (section 3.3); as in the networks that
    the authors published, it is 16 sigmoid of that, and keys have no bias. logit_scale: (heads, 1, 1), logarithms.
    relative_coords_table: (1, height, width, 2).
    """

    def __init__(self, like: ShiftedWindows) -> None:
        """Take the layers, the scales and the network of biases of torchvision's attention."""
        super().__init__(like, heads=len(like.logit_scale))
        self.logit_scale, self.cpb_mlp = like.logit_scale, like.cpb_mlp
        self.relative_coords_table = nn.Buffer(like.relative_coords_table)

    def rows(self, windows: Tensor) -> Tensor:
        """Return queries, keys and values, (windows, pixels, 3 heads head_dim)."""
        bias = self.qkv.bias
        if bias is None:
            return F.linear(windows, self.qkv.weight)
        third = bias.size(0) // 3
        of_keys = torch.zeros_like(bias[third : 2 * third])
        return F.linear(windows, self.qkv.weight, torch.cat([bias[:third], of_keys, bias[2 * third :]]))

    def logits(self, query: Tensor, key: Tensor) -> Tensor:
        """Return (windows, heads, pixels, pixels) for two of (windows, heads, pixels, head_dim)."""
        cosines = F.normalize(query, dim=-1).matmul(F.normalize(key, dim=-1).transpose(-2, -1))
        return cosines * self.logit_scale.clamp(max=math.log(100.0)).exp()  # a temperature of at least 0.01

    def offset_bias(self) -> Tensor:
        """Return the bias of every relative position, (offsets, heads)."""
        bias: Tensor = self.cpb_mlp(self.relative_coords_table)
        return 16 * bias.flatten(0, -2).sigmoid()


def _pair(sizes: list[int]) -> tuple[int, int]:
    return sizes[0], sizes[1]


def _windows_along(size: int, window: int) -> int:
    return -(-size // window)


def _shifts(x: Tensor, window: tuple[int, int], shift: tuple[int, int]) -> tuple[int, int]:
    """Return the shift along height and width: none where there is one window."""
    return (0 if window[0] >= x.size(1) else shift[0], 0 if window[1] >= x.size(2) else shift[1])


def into_windows(x: Tensor, window: tuple[int, int], shift: tuple[int, int]) -> Tensor:
    """Return (n windows, pixels, channels) for (n, height, width, channels), padded with zeros and shifted."""
    down, right = _windows_along(x.size(1), window[0]), _windows_along(x.size(2), window[1])
    shifts = _shifts(x, window, shift)
    x = F.pad(x, [0, 0, 0, right * window[1] - x.size(2), 0, down * window[0] - x.size(1)])
    if shifts[0] + shifts[1] > 0:
        x = x.roll([-shifts[0], -shifts[1]], [1, 2])
    x = x.view(x.size(0), down, window[0], right, window[1], x.size(3))
    return x.transpose(2, 3).flatten(0, 2).flatten(1, 2)


def out_of_windows(windows: Tensor, x: Tensor, window: tuple[int, int], shift: tuple[int, int]) -> Tensor:
    """Return (n, height, width, channels) for (n windows, pixels, channels): the inverse of `into_windows` of x."""
    down, right = _windows_along(x.size(1), window[0]), _windows_along(x.size(2), window[1])
    shifts = _shifts(x, window, shift)
    image = windows.view(x.size(0), down, right, window[0], window[1], windows.size(2))
    image = image.transpose(2, 3).flatten(3, 4).flatten(1, 2)
    if shifts[0] + shifts[1] > 0:
        image = image.roll([shifts[0], shifts[1]], [1, 2])
    return image[:, : x.size(1), : x.size(2)]


def separated(logits: Tensor, x: Tensor, window: tuple[int, int], shift: tuple[int, int]) -> Tensor:
    """Return logits, (n windows, heads, pixels, pixels), lowered by 100 where two pixels of x were no neighbours.

    A shift brings two ends of the image together in the last windows: these have zones, before and behind the end.
    """
    shifts = _shifts(x, window, shift)
    if shifts[0] + shifts[1] == 0:
        return logits
    down, right = _windows_along(x.size(1), window[0]), _windows_along(x.size(2), window[1])
    rows = torch.arange(down * window[0], device=x.device) >= down * window[0] - shifts[0]
    columns = torch.arange(right * window[1], device=x.device) >= right * window[1] - shifts[1]
    zones = 2 * rows.int()[:, None] + columns.int()
    zones = into_windows(zones[None, :, :, None], window, (0, 0)).flatten(1)  # (windows, pixels)
    # 100 and not infinity, as torchvision has it: its networks compute the same
    apart = -100.0 * (zones[:, :, None] != zones[:, None]).to(logits.dtype)
    by_image = logits.view(x.size(0), down * right, logits.size(1), logits.size(2), logits.size(3))
    return (by_image + apart[:, None]).flatten(0, 1)


# they ask for sizes, which torch.fx does not know: it calls them as they are
for _function in ("into_windows", "out_of_windows", "separated"):
    fx.wrap(_function)


def window_attention(layer: ShiftedWindows) -> WindowAttention:
    """Return attention that takes the place of torchvision's, with its layers and parameters, sliced or not."""
    kind = CosineWindowAttention if hasattr(layer, "logit_scale") else ScaledWindowAttention
    return kind(layer).train(layer.training)


@resize.register
def _(layer: ShiftedWindows, change: Change) -> nn.Module:
    return window_attention(layer)


@resize.register
def _(layer: WindowAttention, change: Change) -> nn.Module:
    return layer  # its parameters say how many heads and inputs there are
