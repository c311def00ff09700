"""Augmentations of a batch on its device, with a separate generator."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from runners.registry import Registry

Augment = Callable[[Tensor, Generator], Tensor]

AUGMENTATIONS: Registry[Augment] = Registry("augmentation")


def _draw(high: int, n: int, like: Tensor, generator: Generator) -> Tensor:
    """Draw n integers in 0..high-1, on the CPU, so that they are the same for every device."""
    return torch.randint(high, (n,), generator=generator).to(like.device, non_blocking=True)


@AUGMENTATIONS.register("crop")
def crop(images: Tensor, generator: Generator) -> Tensor:
    """Shift each image by up to 1/8 of its size, black where it leaves the frame (He et al. 2016: 4 pixels of 32)."""
    n, _, height, width = images.shape
    pad = max(1, width // 8)
    # every window is a view of the padded image, so that whole windows are copied, not single pixels
    windows = F.pad(images, (pad, pad, pad, pad)).unfold(2, height, 1).unfold(3, width, 1)
    row, col = (_draw(2 * pad + 1, n, images, generator) for _ in range(2))
    return windows[torch.arange(n, device=images.device), :, row, col]


@AUGMENTATIONS.register("flip")
def flip(images: Tensor, generator: Generator) -> Tensor:
    """Mirror each image left to right with probability 1/2."""
    mirrored = _draw(2, len(images), images, generator).bool()[:, None, None, None]
    return torch.where(mirrored, images.flip(3), images)


@AUGMENTATIONS.register("cutout")
def cutout(images: Tensor, generator: Generator) -> Tensor:
    """Black out one square of half the size per image, partly outside near the borders (DeVries and Taylor 2017)."""
    n, _, height, width = images.shape
    reach = width // 4

    def near(size: int) -> Tensor:
        centre = _draw(size, n, images, generator)[:, None]
        return (torch.arange(size, device=images.device) - centre + 0.5).abs() < reach

    hole = near(height)[:, None, :, None] & near(width)[:, None, None, :]
    return images.masked_fill(hole, 0)
