"""A small vision transformer: DeiT-Ti of Touvron et al. 2021 (width 192, depth 12, 3 heads) with patches of 4x4.

The output layer reads the mean over all patches instead of a class token (Zhai et al. 2022, global average pooling),
so that all tokens are patches.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from results.errors import InputError
from runners.networks.architectures import ARCHITECTURES

DEVIATION = 0.02  # of the initial weights
MLP_RATIO = 4  # hidden neurons of a block's two linear layers / width


class Attention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017).

    The rows of `qkv` are the queries, then the keys, then the values, each of head after head. To remove a head, remove
    its rows from `qkv` and its columns from `proj`, and decrement `heads`.
    """

    def __init__(self, width: int, heads: int) -> None:
        """width: number of features, a multiple of heads."""
        super().__init__()
        self.heads, self.head_dim = heads, width // heads
        self.qkv = nn.Linear(width, 3 * heads * self.head_dim)
        self.proj = nn.Linear(heads * self.head_dim, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, patches, width), the shape of the input."""
        n, patches, _ = x.shape
        qkv = self.qkv(x).reshape(n, patches, 3, self.heads, self.head_dim)
        queries, keys, values = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        # two matrix products: torch's flop counter misses some kernels of scaled_dot_product_attention
        attention = (queries @ keys.transpose(2, 3) * self.head_dim**-0.5).softmax(3)
        mixed = (attention @ values).transpose(1, 2).reshape(n, patches, self.heads * self.head_dim)
        return self.proj(mixed)  # type: ignore[no-any-return]


class MLP(nn.Module):
    """Two linear layers with GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        """width: number of features. hidden: number of neurons."""
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, patches, width), the shape of the input."""
        return self.fc2(F.gelu(self.fc1(x)))  # type: ignore[no-any-return]


class TransformerBlock(nn.Module):
    """Attention, then an MLP, each after a layer norm and with its input added to its output."""

    def __init__(self, width: int, heads: int) -> None:
        """width: number of features. heads: of the attention."""
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = MLP(width, MLP_RATIO * width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, patches, width), the shape of the input."""
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class VisionTransformer(nn.Module):
    """Patches as vectors with a learned position, blocks, a layer norm, the mean over patches, and a linear layer."""

    def __init__(
        self, patch: int, width: int, depth: int, heads: int, *, channels: int, size: int, classes: int
    ) -> None:
        """patch: height and width of a patch in pixels; must divide the size. depth: number of blocks."""
        super().__init__()
        if size % patch:
            raise InputError(f"the patches of {patch}x{patch} pixels do not fill images of {size}x{size}")
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        self.position = nn.Parameter(torch.empty(1, (size // patch) ** 2, width))
        self.blocks = nn.Sequential(*[TransformerBlock(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)
        self._initialise()

    def _initialise(self) -> None:
        nn.init.trunc_normal_(self.position, std=DEVIATION)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=DEVIATION)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return one output a class, (n, classes)."""
        x = self.patches(x).flatten(2).transpose(1, 2) + self.position
        return self.head(self.norm(self.blocks(x)).mean(1))  # type: ignore[no-any-return]


@ARCHITECTURES.register("vit_tiny")
def vit_tiny(channels: int, size: int, classes: int) -> nn.Module:
    """Vision transformer DeiT-Ti with 4x4 patches, 5,362,378 parameters on CIFAR-10 (Touvron et al. 2021)."""
    return VisionTransformer(4, 192, 12, 3, channels=channels, size=size, classes=classes)
