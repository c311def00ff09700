"""Tiny ImageNet: small enough for one tensor on the device, large enough to cache the decoded images."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from results.errors import InputError
from runners.datasets import DATASETS, Images
from runners.datasets.decoding import decode, to_tensor
from runners.datasets.folders import Layout, by_class, classes_of, count, locate

SIZE = 64
DECODED = "klevel.pt"
TINY = Layout(
    name="tiny_imagenet",
    folders=("tiny-imagenet-200",),
    classes=200,
    train_images=100_000,
    test_images=10_000,
    source="http://cs231n.stanford.edu/tiny-imagenet-200.zip (md5 90528d7ca1a48142e341f4ef8d21d0de)",
)


def _pixels(files: Sequence[str]) -> Tensor:
    """Decode files to uint8 (n, 3, 64, 64). Raises InputError, which names the file, for any other image."""
    images = torch.empty(len(files), 3, SIZE, SIZE, dtype=torch.uint8)
    for place, file in zip(images, files, strict=True):
        pixels = to_tensor(decode(file))
        if pixels.shape != place.shape:
            raise InputError(f"{file}: {pixels.shape[2]}x{pixels.shape[1]} pixels, must be {SIZE}x{SIZE}")
        place.copy_(pixels)
    return images


def _test_files(folder: Path, classes: Sequence[str]) -> tuple[list[str], list[int]]:
    """Return the files of val and their labels from val_annotations.txt. Raises InputError if it is not readable."""
    label_of = {name: label for label, name in enumerate(classes)}
    annotations = folder / "val_annotations.txt"
    try:
        rows = [line.split("\t") for line in annotations.read_text(encoding="ascii").splitlines()]
        return [str(folder / "images" / row[0]) for row in rows], [label_of[row[1]] for row in rows]
    except (OSError, ValueError, LookupError) as error:
        raise InputError(f"{annotations}: not readable, unpack it again from {TINY.source} ({error})") from error


def _decode(folder: Path) -> Images:
    classes = classes_of(TINY, folder / "train")
    train, train_labels = by_class([folder / "train" / name / "images" for name in classes])
    test, test_labels = _test_files(folder / "val", classes)
    count(TINY, folder / "train", len(train), TINY.train_images, "images")
    count(TINY, folder / "val", len(test), TINY.test_images, "images")
    return Images(_pixels(train), torch.tensor(train_labels), _pixels(test), torch.tensor(test_labels), TINY.classes)


def _keep(images: Images, file: Path) -> None:
    """Cache decoded images in a file, whole or not at all; a failure to write is ignored."""
    partial = file.with_name(f"{file.name}.{os.getpid()}")
    with contextlib.suppress(OSError, RuntimeError):  # torch.save raises RuntimeError if the disk is full
        torch.save(vars(images), partial)
        partial.replace(file)
    with contextlib.suppress(OSError):
        partial.unlink(missing_ok=True)


@DATASETS.register("tiny_imagenet")
def tiny_imagenet() -> Images:
    """Tiny ImageNet: 100,000 + 10,000 photographs in 200 classes, 64x64 in colour (Stanford CS231n 2015).

    Its test set has no labels: the folder val is the test set here. The files are decoded once, in about a minute, and
    cached in klevel.pt (1.4 GB) in the same folder, which processes share by memory mapping. All images have the same
    small size, so they are augmented as tensors, `crop` included, like those of CIFAR.
    """
    folder = locate(TINY)
    kept = folder / DECODED
    if not kept.is_file():
        images = _decode(folder)
        _keep(images, kept)
        return images
    try:
        return Images(**torch.load(kept, mmap=True, weights_only=True))
    except Exception as error:  # torch may raise anything for a corrupt file
        raise InputError(f"{kept}: not readable, delete it to have the images decoded again") from error
