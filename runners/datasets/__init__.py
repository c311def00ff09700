"""Datasets by name. An entry takes no arguments and returns `Images`: the published training and test images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from runners.registry import Registry


@dataclass(frozen=True)
class Images:
    """A dataset as published: uint8 images (n, channels, size, size), int64 labels (n,) in 0..classes-1."""

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: int


DATASETS: Registry[Callable[[], Images]] = Registry("dataset")
DATASETS.discover(__name__, list(__path__))
