"""Augmentation of a batch on its device, with its own generator."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from runners.registry import Registry

Augment = Callable[[Tensor, Generator], Tensor]

AUGMENTATIONS: Registry[Augment] = Registry("augmentation")


def _draw(high: int, n: int, like: Tensor, generator: Generator) -> Tensor:
    """n integers in 0..high-1, drawn on the CPU so that every device sees the same ones."""
    return torch.randint(high, (n,), generator=generator).to(like.device)


@AUGMENTATIONS.register("crop")
def crop(images: Tensor, generator: Generator) -> Tensor:
    """Shift each image by up to 1/8 of its size, black where it leaves the frame (He et al. 2016: 4 pixels of 32)."""
    n, channels, height, width = images.shape
    pad = max(1, width // 8)
    padded = F.pad(images, (pad, pad, pad, pad))
    rows = _draw(2 * pad + 1, n, images, generator)[:, None] + torch.arange(height, device=images.device)
    cols = _draw(2 * pad + 1, n, images, generator)[:, None] + torch.arange(width, device=images.device)
    sample = torch.arange(n, device=images.device)[:, None, None, None]
    channel = torch.arange(channels, device=images.device)[None, :, None, None]
    return padded[sample, channel, rows[:, None, :, None], cols[:, None, None, :]]


@AUGMENTATIONS.register("flip")
def flip(images: Tensor, generator: Generator) -> Tensor:
    """Mirror each image left to right with probability 1/2."""
    mirrored = _draw(2, len(images), images, generator).bool()[:, None, None, None]
    return torch.where(mirrored, images.flip(3), images)


@AUGMENTATIONS.register("cutout")
def cutout(images: Tensor, generator: Generator) -> Tensor:
    """Black out one square of half the size per image, partly outside at the rims (DeVries and Taylor 2017)."""
    n, _, height, width = images.shape
    reach = width // 4

    def near(size: int) -> Tensor:
        centre = _draw(size, n, images, generator)[:, None]
        return (torch.arange(size, device=images.device) - centre + 0.5).abs() < reach

    hole = near(height)[:, None, :, None] & near(width)[:, None, None, :]
    return images.masked_fill(hole, 0)
