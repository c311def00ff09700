"""CIFAR-10 and CIFAR-100: the binary version, or the Python version as torchvision downloads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from runners.datasets import DATASETS, Images
from runners.datasets.files import absent, corrupt, data_folders, verify

PIXELS = 3 * 32 * 32
HOME = "https://www.cs.toronto.edu/~kriz"


@dataclass(frozen=True)
class Version:
    """The file layout of one of the two datasets.

    binary, python: the folders of the two versions. train, test: file names without suffix; each file holds equally
    many images of its split. labels: label bytes before the pixels of an image in a binary file; the last is its class.
    archive: of the binary version, with its published MD5. md5: of the binary files, train before test; without
    published checksums only sizes and labels are checked. torchvision has the checksums of the Python version.
    """

    name: str
    binary: str
    python: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    labels: int
    classes: int
    archive: str
    md5: tuple[str, ...] = ()
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
    archive="cifar-10-binary.tar.gz (md5 c32a1d4ab5d03f1284b67883e8d87530)",
    md5=(
        "5dd7e06a14cb22eb9f671a540d1b7c25",
        "5ea93a67294ea407fff1d09f752e9692",
        "942cd6a4bcdd0dd3c604fbe906cb4421",
        "ae636b3ba5c66a11e91e8cb52e771fcb",
        "53f37980c15c3d472c316c40844f3f0d",
        "803d5f7f4d78ea53de84dbe85f74fb6d",
    ),
)
CIFAR100 = Version(
    name="CIFAR100",
    binary="cifar-100-binary",
    python="cifar-100-python",
    train=("train",),
    test=("test",),
    labels=2,
    classes=100,
    archive="cifar-100-binary.tar.gz (md5 03b5dce01913d631647c71ecec9e9cb8)",
)


def _reader(version: Version) -> Any:
    """Return the dataset of torchvision, whose import takes half a second."""
    from runners.vision import torchvision

    return getattr(torchvision.datasets, version.name)


def _locate(version: Version) -> Path:
    """Return the folder of a complete version. Raises InputError, which lists the ways to get one."""
    files = (*version.train, *version.test)
    for root in data_folders():
        for folder, suffix in ((version.binary, ".bin"), (version.python, "")):
            if all((root / folder / f"{file}{suffix}").is_file() for file in files):
                return root / folder
    root = data_folders()[0]
    try:
        _reader(version)(root, train=True, download=True)
    except (OSError, RuntimeError) as error:
        names = f"{', '.join(f'{file}.bin' for file in files)} of {HOME}/{version.archive}"
        raise absent(version.name, names, version.binary, error) from error
    return root / version.python


def _read_binary(file: Path, version: Version, images: int) -> tuple[Tensor, Tensor]:
    """Return uint8 images (n, 3, 32, 32) and int64 labels (n,) of one binary file. Raises ValueError if corrupt."""
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


def _read_binary_version(folder: Path, version: Version) -> Images:
    train = _binary_split(folder, version, version.train, version.train_images)
    test = _binary_split(folder, version, version.test, version.test_images)
    for file, md5 in zip((*version.train, *version.test), version.md5, strict=bool(version.md5)):
        verify(folder / f"{file}.bin", md5)
    return Images(*train, *test, classes=version.classes)


def _python_split(folder: Path, version: Version, train: bool) -> tuple[Tensor, Tensor]:
    split = _reader(version)(folder.parent, train=train)
    images = torch.from_numpy(split.data).permute(0, 3, 1, 2).contiguous()
    return images, torch.tensor(split.targets, dtype=torch.int64)


def _read_python_version(folder: Path, version: Version) -> Images:
    """Read the Python version with torchvision. Raises ValueError, which names the file, for a wrong checksum."""
    try:
        train, test = (_python_split(folder, version, t) for t in (True, False))
    except Exception:  # torchvision compares the checksums, but does not name the file
        reader = _reader(version)
        for file, md5 in (*reader.train_list, *reader.test_list, (reader.meta["filename"], reader.meta["md5"])):
            verify(folder / file, md5)
        raise
    return Images(*train, *test, classes=version.classes)


def _read(version: Version) -> Images:
    folder = _locate(version)
    try:
        return (_read_python_version if folder.name == version.python else _read_binary_version)(folder, version)
    except Exception as error:  # torchvision may raise anything for a corrupt file
        raise corrupt(folder, error) from error


@DATASETS.register("cifar10")
def cifar10() -> Images:
    """CIFAR-10: 50,000 + 10,000 photographs in 10 classes, 32x32 in colour (Krizhevsky 2009)."""
    return _read(CIFAR10)


@DATASETS.register("cifar100")
def cifar100() -> Images:
    """CIFAR-100: 50,000 + 10,000 photographs in 100 classes, 32x32 in colour (Krizhevsky 2009)."""
    return _read(CIFAR100)
