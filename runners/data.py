"""Prepare a dataset for a trial: split, normalised, on its device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from results.errors import InputError, naming
from runners.datasets import DATASETS, Folders, SourceDataset
from runners.datasets.augmentation import AUGMENTATIONS
from runners.datasets.decoding import FileSplit, workers_for
from runners.datasets.files import unreadable

VALIDATION_SHARE, VALIDATION_MOST = 0.1, 5_000
LEAST = 2  # images of a training step: batch norm finds no variance in one

Normalisation = Literal["dataset", "imagenet"]
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and standard deviation per channel, of [0, 1]


@dataclass(frozen=True)
class Split:
    """uint8 images (n, channels, size, size) and int64 labels (n,) on the device of the trial."""

    images: Tensor
    labels: Tensor

    @property
    def channels(self) -> int:
        """Number of channels of an image."""
        return self.images.shape[1]

    @property
    def size(self) -> int:
        """Height and width of an image in pixels."""
        return self.images.shape[2]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def at(self, indices: Tensor) -> Split:
        """Return a copy of these images."""
        return Split(self.images[indices], self.labels[indices])

    def to(self, device: torch.device) -> Split:
        """Return the split on this device."""
        return Split(self.images.to(device), self.labels.to(device))

    def head(self, n: int) -> Tensor:
        """Return the first n images."""
        return self.images[:n]

    def batches(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches in the order of the split; the last batch may be smaller."""
        yield from zip(self.images.split(batch_size), self.labels.split(batch_size), strict=True)

    def shuffled(
        self, batch_size: int, generator: Generator, augmentation: Sequence[str]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches of one pass in random order, augmented at the size of the images."""
        order = torch.randperm(len(self), generator=generator).to(self.labels.device)  # at once: each copy may wait
        for indices in order.split(batch_size):
            images = self.images.index_select(0, indices)  # copies whole images, as [indices] does not
            for name in augmentation:
                images = AUGMENTATIONS[name](images, generator)
            yield images, self.labels.index_select(0, indices)


AnySplit = Split | FileSplit


@dataclass(frozen=True)
class Data:
    """The three splits, in memory or as files, and the preprocessing of their uint8 images on the device.

    mean, std: per channel, in [0, 255]. resolution: height and width in pixels of the network's input; None for the
    size of the splits.
    """

    train: AnySplit
    val: AnySplit
    test: AnySplit
    mean: Tensor
    std: Tensor
    classes: int
    resolution: int | None = None

    @property
    def channels(self) -> int:
        """Number of channels of an image."""
        return self.train.channels

    @property
    def size(self) -> int:
        """Height and width in pixels of the network's input."""
        return self.resolution or self.train.size

    @property
    def device(self) -> torch.device:
        """Device of the batches."""
        return self.train.labels.device

    def normalise(self, images: Tensor) -> Tensor:
        """Resize uint8 images to the network's resolution and normalise them: (pixels - mean) / std, float32."""
        pixels = images.float()  # a copy, on which the rest works in place
        if pixels.shape[2] != self.size:
            pixels = F.interpolate(pixels, self.size, mode="bilinear", align_corners=False, antialias=True)
        return pixels.sub_(self.mean).div_(self.std)

    def batches(self, split: AnySplit, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield normalised batches in the order of the split; the last batch may be smaller.

        Raises InputError, which names the file, if an image cannot be read.
        """
        for images, labels in split.batches(batch_size):
            yield self.normalise(images), labels

    def shuffled(
        self, batch_size: int, generator: Generator, augmentation: Sequence[str] = ()
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches of one pass over the training split in random order, augmented and normalised.

        A last batch of one image joins the batch before. Raises InputError, which names the file, if an image cannot be
        read.
        """
        for images, labels in _joined(self.train.shuffled(batch_size, generator, augmentation)):
            yield self.normalise(images), labels

    def steps(self, batch_size: int) -> int:
        """Return the number of batches of one pass: see `shuffled`."""
        whole, rest = divmod(len(self.train), batch_size)
        return max(1, whole + (rest >= LEAST))

    def example(self, n: int) -> Tensor:
        """Return the first n validation images, normalised."""
        return self.normalise(self.val.head(n))


def _joined(batches: Iterator[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches, the last two as one if the last is a single image."""
    before = next(batches)
    for batch in batches:
        if len(batch[1]) < LEAST <= len(before[1]):
            before = torch.cat((before[0], batch[0])), torch.cat((before[1], batch[1]))
        else:
            yield before
            before = batch
    yield before


@lru_cache(maxsize=2)
def _source_dataset(dataset: str) -> SourceDataset:
    try:
        with naming(f"dataset {dataset}", OSError):
            source = DATASETS[dataset]()
    except OSError as error:
        raise unreadable(dataset, error) from error
    if not isinstance(source, SourceDataset):
        raise InputError(f"dataset {dataset}: returns {type(source).__name__}, must return Images or Folders")
    if fault := source.fault():
        raise InputError(f"dataset {dataset}: {fault}")
    return source


def _stratified(labels: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Return the indices of n stratified samples, and of the rest; the same for every trial and seed."""
    from sklearn.model_selection import train_test_split  # takes a second, with scipy

    # neither part can be stratified with fewer images than classes, nor a class of a single image
    sizes = labels.unique(return_counts=True)[1]
    strata = labels.numpy() if min(n, len(labels) - n) >= len(sizes) and int(sizes.min()) > 1 else None
    chosen, rest = train_test_split(range(len(labels)), train_size=n, stratify=strata, random_state=0)
    return torch.tensor(sorted(chosen)), torch.tensor(sorted(rest))


def _moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation per channel, float64, from the histogram of bytes: exact, without a copy."""
    counts = torch.stack([images[:, c].flatten().bincount(minlength=256) for c in range(images.shape[1])]).double()
    share, value = counts / counts.sum(1, keepdim=True), torch.arange(256.0, dtype=torch.float64)
    mean = share @ value
    return mean, (share @ value.square() - mean.square()).clamp(min=0).sqrt()


def _normalisation(name: Normalisation, dataset: str, train: AnySplit) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation per channel in [0, 255]: of the training split, or of ImageNet."""
    if name == "dataset" and isinstance(train, Split):
        return _moments(train.images)
    if train.channels != len(IMAGENET[0]):
        raise InputError(f"normalisation = imagenet: {dataset} has {train.channels} channel, not {len(IMAGENET[0])}")
    mean, std = (255 * torch.tensor(values, dtype=torch.float64) for values in IMAGENET)
    return mean, std


def _splits(source: SourceDataset, size: int | None, device: torch.device) -> tuple[AnySplit, AnySplit]:
    """Return all training images and the test images, in main memory."""
    if isinstance(source, Folders):
        edge, workers = size or source.size, workers_for(device)
        train, test = (torch.tensor(labels) for labels in (source.train_labels, source.test_labels))
        return (
            FileSplit(source.train_files, train, edge, workers),
            FileSplit(source.test_files, test, edge, workers),
        )
    return Split(source.train_images, source.train_labels), Split(source.test_images, source.test_labels)


def load(
    dataset: str,
    train_images: int | None = None,
    device: torch.device | None = None,
    normalisation: Normalisation = "dataset",
    size: int | None = None,
    choose_on_test: bool = False,
) -> Data:
    """Return a dataset with its fixed validation split, a tenth of the training set and at most 5,000 images.

    train_images: number of training images, a stratified part of the training split; None for all of them.
    normalisation: `dataset` for mean and standard deviation of the whole training split; `imagenet` for those of
    ImageNet, which image folders always use, to avoid decoding them twice. size: input resolution in pixels of the
    architecture, None for the dataset's own; images in memory are augmented before they are resized. choose_on_test:
    use a fixed, stratified half of the test images for validation and the other half as the test split, for a
    pretrained network that may have seen all training images. Raises InputError if the dataset is not found, has fewer
    images, has only one to train on, or is not in colour although the normalisation is ImageNet's.
    """
    device = device or torch.device("cpu")
    source = _source_dataset(dataset)
    whole, test = _splits(source, size, device)
    val_index, rest = _stratified(whole.labels, min(VALIDATION_MOST, round(VALIDATION_SHARE * len(whole))))
    train = whole.at(rest)
    if choose_on_test:
        chosen_on, reported = _stratified(test.labels, len(test) // 2)
        val, test = test.at(chosen_on), test.at(reported)
    else:
        val = whole.at(val_index)
    mean, std = _normalisation(normalisation, dataset, train)
    if train_images is not None and train_images != len(train):
        if not source.classes <= train_images < len(train):
            raise InputError(f"train_images = {train_images}: {dataset} allows {source.classes} to {len(train)}")
        train = train.at(_stratified(train.labels, train_images)[0])
    if len(train) < LEAST:
        raise InputError(f"dataset {dataset}: has {len(train)} image to train on, at least {LEAST} are needed")
    return Data(
        train=train.to(device),
        val=val.to(device),
        test=test.to(device),
        mean=mean.float().view(-1, 1, 1).to(device),
        std=std.float().clamp(min=1e-6).view(-1, 1, 1).to(device),
        classes=source.classes,
        resolution=size,
    )


def load_shared(
    dataset: str,
    train_images: int | None,
    device: torch.device,
    normalisation: Normalisation,
    size: int | None,
    choose_on_test: bool,
) -> Data:
    """Return what `load` returns; the same object as the last call, if that asked for the same.

    The trials of a setting run one after the other, and nobody changes their data. Raises as `load`.
    """
    source, asked = _source_dataset(dataset), (dataset, train_images, device, normalisation, size, choose_on_test)
    if not _LAST or _LAST[0][0] is not source or _LAST[0][1] != asked:
        _LAST[:] = [(source, asked, load(*asked))]
    return _LAST[0][2]


_LAST: list[tuple[SourceDataset, tuple[object, ...], Data]] = []  # the source, what was asked, and the answer
