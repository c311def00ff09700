"""A dataset ready for a trial: split, normalised, on its device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from sklearn.model_selection import train_test_split
from torch import Generator, Tensor

from runners.datasets import DATASETS, Images
from runners.datasets.augmentation import AUGMENTATIONS
from runners.errors import InputError

VALIDATION_SHARE, VALIDATION_MOST = 0.1, 5_000

Normalisation = Literal["dataset", "imagenet"]
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and standard deviation per channel, of [0, 1]


@dataclass(frozen=True)
class Split:
    """uint8 images (n, channels, size, size) and int64 labels (n,) on the device of the trial."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def at(self, indices: Tensor, device: torch.device) -> Split:
        """Return these images, on this device."""
        return Split(self.images[indices].to(device), self.labels[indices].to(device))


@dataclass(frozen=True)
class Data:
    """The three splits, and the mean and standard deviation per channel that images are normalised by, in [0, 255]."""

    train: Split
    val: Split
    test: Split
    mean: Tensor
    std: Tensor
    classes: int

    @property
    def channels(self) -> int:
        """Number of channels of an image."""
        return self.train.images.shape[1]

    @property
    def size(self) -> int:
        """Height and width of an image in pixels."""
        return self.train.images.shape[2]

    def normalise(self, images: Tensor) -> Tensor:
        """Return float32 images less the mean, divided by the standard deviation."""
        return (images.float() - self.mean) / self.std

    def batches(self, split: Split, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Go through a split in its order, normalised; the last batch may be smaller."""
        for images, labels in zip(split.images.split(batch_size), split.labels.split(batch_size), strict=True):
            yield self.normalise(images), labels

    def shuffled(
        self, batch_size: int, generator: Generator, augmentation: Sequence[str] = ()
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Go through the training split once in the generator's order, augmented and normalised."""
        for indices in torch.randperm(len(self.train), generator=generator).split(batch_size):
            indices = indices.to(self.train.labels.device)
            images = self.train.images[indices]
            for name in augmentation:
                images = AUGMENTATIONS[name](images, generator)
            yield self.normalise(images), self.train.labels[indices]

    def example(self, n: int) -> Tensor:
        """Return the first n validation images, normalised."""
        return self.normalise(self.val.images[:n])


@lru_cache(maxsize=2)
def _published(dataset: str) -> Images:
    return DATASETS[dataset]()


def _stratified(labels: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Indices of n stratified samples, and of the rest; the same for every trial, whatever its seed."""
    # a rest with fewer samples than classes cannot be stratified, and is too small to matter
    strata = labels.numpy() if len(labels) - n >= len(labels.unique()) else None
    chosen, rest = train_test_split(range(len(labels)), train_size=n, stratify=strata, random_state=0)
    return torch.tensor(sorted(chosen)), torch.tensor(sorted(rest))


def _moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per channel, float64, from the histogram of the bytes: exact, and no large copy."""
    counts = torch.stack([images[:, c].flatten().bincount(minlength=256) for c in range(images.shape[1])]).double()
    share, value = counts / counts.sum(1, keepdim=True), torch.arange(256.0, dtype=torch.float64)
    mean = share @ value
    return mean, (share @ value.square() - mean.square()).clamp(min=0).sqrt()


def _normalisation(name: Normalisation, dataset: str, images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per channel in [0, 255]: of these images, or of ImageNet."""
    if name == "dataset":
        return _moments(images)
    if images.shape[1] != len(IMAGENET[0]):
        raise InputError(f"normalisation = imagenet: {dataset} has {images.shape[1]} channel, not {len(IMAGENET[0])}")
    mean, std = (255 * torch.tensor(values, dtype=torch.float64) for values in IMAGENET)
    return mean, std


def load(
    dataset: str,
    train_images: int | None = None,
    device: torch.device | None = None,
    normalisation: Normalisation = "dataset",
) -> Data:
    """Return a dataset with its fixed validation split, a tenth of the training set and at most 5,000 images.

    train_images: a stratified part of what is left to train on; None for all of it. normalisation: `dataset` for mean
    and standard deviation of the whole training split, `imagenet` for those of ImageNet. Raises InputError where the
    dataset is not found, has fewer images than that, or is not in colour as ImageNet is.
    """
    device = device or torch.device("cpu")
    images = _published(dataset)
    whole = Split(images.train_images, images.train_labels)
    val, train = _stratified(whole.labels, min(VALIDATION_MOST, round(VALIDATION_SHARE * len(whole))))
    mean, std = _normalisation(normalisation, dataset, whole.images[train])
    if train_images is not None and train_images != len(train):
        if not images.classes <= train_images < len(train):
            raise InputError(f"train_images = {train_images}: {dataset} allows {images.classes} to {len(train)}")
        train = train[_stratified(whole.labels[train], train_images)[0]]
    return Data(
        train=whole.at(train, device),
        val=whole.at(val, device),
        test=Split(images.test_images.to(device), images.test_labels.to(device)),
        mean=mean.float().view(-1, 1, 1).to(device),
        std=std.float().clamp(min=1e-6).view(-1, 1, 1).to(device),
        classes=images.classes,
    )
