"""Decode image files to batches of tensors of one size, with the same result for any number of workers."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Generator, Tensor
from torch.utils.data import DataLoader, Dataset

from results.errors import InputError, MachineFault
from runners.datasets.augmentation import AUGMENTATIONS
from runners.environment import cpus

SHORTER_SIDE = 256 / 224  # shorter side of an image / size of its centre crop (Krizhevsky et al. 2012)
MOST_WORKERS = 8

Transform = Callable[[Image.Image], Tensor]
Key = tuple[int, int]  # index of an image, and the seed of its augmentation


def decode(file: str) -> Image.Image:
    """Return an image in colour. Raises InputError, which names the file, if it cannot be read."""
    try:
        with Image.open(file) as image:
            return image.convert("RGB")
    except Exception as error:  # PIL may raise anything for a corrupt file
        why = " ".join(str(error).split())[:120]
        raise MachineFault(f"{file}: not a readable image, get it again from the dataset's archive ({why})") from error


def to_tensor(image: Image.Image) -> Tensor:
    """Return the pixels as uint8 (3, height, width)."""
    pixels: Tensor = _v2().functional.pil_to_tensor(image)
    return pixels


def workers_for(device: torch.device) -> int:
    """Return the number of processes that decode images for a trial: $KLEVEL_WORKERS if set, else by its device.

    0 on the CPU: there decoding takes milliseconds and training seconds an image, and other trials use the other cores.
    With an accelerator one per core except the trial's own, at most 8. The number changes no result. Raises InputError
    if the variable is not a number.
    """
    named = os.environ.get("KLEVEL_WORKERS", "")
    if named and not named.isdecimal():
        raise InputError(f"KLEVEL_WORKERS = {named}: must be a number of processes, 0 or more")
    if multiprocessing.current_process().daemon:  # daemons cannot have child processes
        return 0
    return int(named) if named else 0 if device.type == "cpu" else min(MOST_WORKERS, cpus() - 1)


def _v2() -> Any:
    """Import torchvision's transforms, which most trials do not need."""
    from runners.vision import torchvision

    return importlib.import_module(f"{torchvision.__name__}.transforms.v2")


def _whole(size: int) -> Transform:
    """Return the transform of evaluation: resize, then crop the centre."""
    v2 = _v2()
    steps = [v2.Resize(round(SHORTER_SIDE * size)), v2.CenterCrop(size), v2.PILToTensor()]
    return v2.Compose(steps)  # type: ignore[no-any-return]


def _crop(size: int) -> Transform:
    """Return the transform of `crop`: a random part of 8 to 100 % of the area, resized (Szegedy et al. 2015)."""
    v2 = _v2()
    return v2.Compose([v2.RandomResizedCrop(size), v2.PILToTensor()])  # type: ignore[no-any-return]


class _Reader(Dataset[Any]):
    """Reads single images. It returns errors, since a DataLoader turns an exception into a long traceback."""

    def __init__(self, files: Sequence[str], transform: Transform) -> None:
        self._files, self._transform = files, transform

    def __getitem__(self, key: Key) -> Tensor | InputError:
        index, seed = key
        try:
            image = decode(self._files[index])
        except InputError as error:
            return error
        # transforms draw from the global CPU generator, whose state differs between workers
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return self._transform(image)


def _collate(images: Sequence[Tensor | InputError]) -> Tensor | InputError:
    readable = [i for i in images if isinstance(i, Tensor)]
    if len(readable) == len(images):
        return torch.stack(readable)
    return next(i for i in images if isinstance(i, InputError))


@dataclass(frozen=True)
class FileSplit:
    """The files of a split, and int64 labels (n,) on the device of the trial.

    size: height and width in pixels after decoding. workers: number of decoding processes.
    """

    files: Sequence[str]
    labels: Tensor
    size: int
    workers: int = 0
    channels: ClassVar[int] = 3

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def at(self, indices: Tensor) -> FileSplit:
        """Return the split of these images."""
        return replace(self, files=[self.files[i] for i in indices.tolist()], labels=self.labels[indices])

    def to(self, device: torch.device) -> FileSplit:
        """Return the split with its batches on this device."""
        return replace(self, labels=self.labels.to(device))

    def head(self, n: int) -> Tensor:
        """Return the first n images, uint8 (n, 3, size, size)."""
        first = FileSplit(self.files[:n], self.labels[:n], self.size)
        return next(images for images, _ in first.batches(n))

    def batches(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches in the order of the split: centre crops, and labels; the last batch may be smaller."""
        order = torch.arange(len(self))
        return self._read(order, torch.zeros_like(order), batch_size, _whole(self.size))

    def shuffled(
        self, batch_size: int, generator: Generator, augmentation: Sequence[str]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches of one pass in random order, augmented.

        `crop` is RandomResizedCrop at decoding, without `crop` the centre crop is taken; the other augmentations act on
        batches, as for a dataset in memory.
        """
        order = torch.randperm(len(self), generator=generator)
        seeds = torch.randint(2**63 - 1, (len(self),), generator=generator)
        transform = (_crop if "crop" in augmentation else _whole)(self.size)
        for images, labels in self._read(order, seeds, batch_size, transform):
            for name in augmentation:
                if name != "crop":
                    images = AUGMENTATIONS[name](images, generator)
            yield images, labels

    def _read(
        self, order: Tensor, seeds: Tensor, batch_size: int, transform: Transform
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Decode images in this order, each with its seed. Raises InputError, which names an unreadable file."""
        device, batches = self.labels.device, order.split(batch_size)
        parts = zip(batches, seeds.split(batch_size), strict=True)
        keys = (list(zip(indices.tolist(), drawn.tolist(), strict=True)) for indices, drawn in parts)
        workers = min(self.workers, len(batches))
        loader = DataLoader(
            _Reader(self.files, transform),
            batch_sampler=keys,
            collate_fn=_collate,
            num_workers=workers,
            # with the start method of a trial's own process, spawn, every pass would import everything again
            multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
            pin_memory=device.type == "cuda",
            generator=Generator(),  # otherwise it draws from the global generator
        )
        for indices, images in zip(batches, loader, strict=True):
            if isinstance(images, InputError):
                raise images
            yield images.to(device, non_blocking=True), self.labels[indices.to(device, non_blocking=True)]
