"""Datasets by name. An entry takes no arguments and returns `Images`, or `Folders` if memory cannot hold the images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
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

    def fault(self) -> str | None:
        """Return the first fault in a few words; None if there is none."""
        for images, labels in ((self.train_images, self.train_labels), (self.test_images, self.test_labels)):
            if images.dtype != torch.uint8 or images.dim() != 4 or images.shape[2] != images.shape[3]:
                return f"images are {images.dtype} {tuple(images.shape)}, must be uint8 (n, channels, size, size)"
            if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
                return f"labels are {labels.dtype} {tuple(labels.shape)}, must be int64 ({len(images)},)"
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            return "training and test images differ in shape"
        return _strays(self.train_labels, self.classes) or _strays(self.test_labels, self.classes)


@dataclass(frozen=True)
class Folders:
    """A dataset as image files of any size, decoded in colour on demand; labels in 0..classes-1.

    size: height and width in pixels of the network's input, unless the architecture has a resolution. Files are
    strings, since a `Path` takes five times the memory: ImageNet has 1.3 million.
    """

    train_files: Sequence[str]
    train_labels: Sequence[int]
    test_files: Sequence[str]
    test_labels: Sequence[int]
    classes: int
    size: int

    def fault(self) -> str | None:
        """Return the first fault in a few words; None if there is none."""
        for files, labels in ((self.train_files, self.train_labels), (self.test_files, self.test_labels)):
            if len(files) != len(labels):
                return f"{len(files)} files have {len(labels)} labels"
            if stray := _strays(torch.tensor(labels), self.classes):
                return stray
        return None


def _strays(labels: Tensor, classes: int) -> str | None:
    if not len(labels):
        return "a split has no images"
    least, most = int(labels.min()), int(labels.max())
    return None if 0 <= least <= most < classes else f"labels are in {least}..{most}, must be in 0..{classes - 1}"


SourceDataset = Images | Folders

DATASETS: Registry[Callable[[], SourceDataset]] = Registry("dataset", "() -> Images or Folders")
DATASETS.discover(__name__, list(__path__))
