"""CIFAR-10 and CIFAR-100: the binary version, or the Python version as torchvision downloads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from runners.datasets import DATASETS, Images
from runners.datasets.files import absent, data_folders
from runners.errors import InputError
from runners.vision import torchvision

PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Version:
    """How one of the two datasets is laid out.

    binary, python: the folders of the two versions. train, test: file names without suffix; each holds equally many
    images of its split. labels: bytes before the pixels of an image in a binary file; the last of them is its class.
    """

    name: str
    binary: str
    python: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    labels: int
    classes: int
    train_images: int = 50_000
    test_images: int = 10_000


CIFAR10 = Version(
    name="CIFAR10",
    binary="cifar-10-batches-bin",
    python="cifar-10-batches-py",
    train=tuple(f"data_batch_{i}" for i in range(1, 6)),
    test=("test_batch",),
    labels=1,
    classes=10,
)
CIFAR100 = Version(
    name="CIFAR100",
    binary="cifar-100-binary",
    python="cifar-100-python",
    train=("train",),
    test=("test",),
    labels=2,
    classes=100,
)


def _locate(version: Version) -> Path:
    """Return the folder of a version that is whole. Raises InputError listing the ways to get one."""
    files = (*version.train, *version.test)
    for root in data_folders():
        for folder, suffix in ((version.binary, ".bin"), (version.python, "")):
            if all((root / folder / f"{file}{suffix}").is_file() for file in files):
                return root / folder
    root = data_folders()[0]
    try:
        getattr(torchvision.datasets, version.name)(root, train=True, download=True)
    except (OSError, RuntimeError) as error:
        names = f"{', '.join(f'{file}.bin' for file in files)} of the binary version"
        raise absent(version.name, names, version.binary, error) from error
    return root / version.python


def _read_binary(file: Path, version: Version, images: int) -> tuple[Tensor, Tensor]:
    """Return uint8 images (n, 3, 32, 32) and int64 labels (n,) of one binary file. Raises ValueError where corrupt."""
    values, row = np.fromfile(file, dtype=np.uint8), version.labels + PIXELS
    if len(values) != images * row:
        raise ValueError(f"{file.name} has {len(values)} bytes, must have {images * row}")
    rows = torch.from_numpy(values).view(images, row)
    labels = rows[:, version.labels - 1].long()
    if int(labels.max()) >= version.classes:
        raise ValueError(f"{file.name} has class {int(labels.max())} of {version.classes}")
    return rows[:, version.labels :].reshape(images, 3, 32, 32), labels


def _binary_split(folder: Path, version: Version, files: tuple[str, ...], images: int) -> tuple[Tensor, Tensor]:
    parts = [_read_binary(folder / f"{file}.bin", version, images // len(files)) for file in files]
    return torch.cat([x for x, _ in parts]), torch.cat([y for _, y in parts])


def _python_split(folder: Path, version: Version, train: bool) -> tuple[Tensor, Tensor]:
    split = getattr(torchvision.datasets, version.name)(folder.parent, train=train)
    images = torch.from_numpy(split.data).permute(0, 3, 1, 2).contiguous()
    return images, torch.tensor(split.targets, dtype=torch.int64)


def _read(version: Version) -> Images:
    folder = _locate(version)
    try:
        if folder.name == version.python:
            train, test = (_python_split(folder, version, t) for t in (True, False))
        else:
            train = _binary_split(folder, version, version.train, version.train_images)
            test = _binary_split(folder, version, version.test, version.test_images)
    except Exception as error:  # torchvision raises whatever a corrupt file leads to
        raise InputError(f"{folder}: not readable, delete the folder to get it again ({error})") from error
    return Images(*train, *test, classes=version.classes)


@DATASETS.register("cifar10")
def cifar10() -> Images:
    """CIFAR-10: 50,000 + 10,000 photographs in 10 classes, 32x32 in colour (Krizhevsky 2009)."""
    return _read(CIFAR10)


@DATASETS.register("cifar100")
def cifar100() -> Images:
    """CIFAR-100: 50,000 + 10,000 photographs in 100 classes, 32x32 in colour (Krizhevsky 2009)."""
    return _read(CIFAR100)
