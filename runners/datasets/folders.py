"""Datasets in folders of image files: find them, and check that they are complete."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from results.errors import InputError
from runners.datasets import Folders
from runners.datasets.files import data_folders, looked_in

SUFFIXES = (".jpeg", ".jpg", ".png")


@dataclass(frozen=True)
class Layout:
    """A dataset with a folder `train` and a folder `val`, its size, and its source.

    folders: possible names under $KLEVEL_DATA, in order of preference. source: its archive, with its MD5.
    """

    name: str
    folders: tuple[str, ...]
    classes: int
    train_images: int
    test_images: int
    source: str


def locate(layout: Layout) -> Path:
    """Return the folder of a dataset. Raises InputError with instructions if it is missing: it is never downloaded."""
    for root in data_folders():
        for folder in layout.folders:
            if all((root / folder / part).is_dir() for part in ("train", "val")):
                return root / folder
    raise InputError(
        f"{layout.name} is not there: get {layout.source}, unpack it so that DIR/{layout.folders[0]} has the folders "
        f"train and val, and set KLEVEL_DATA=DIR ({looked_in()})"
    )


def image_files(folder: Path) -> list[str]:
    """Return the paths of the image files in a folder, in alphabetical order; none if it does not exist."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(e.path for e in entries if e.name.lower().endswith(SUFFIXES) and not e.name.startswith("."))


def classes_of(layout: Layout, folder: Path) -> list[str]:
    """Return the names of the class folders in alphabetical order. Raises InputError for a wrong number."""
    names = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    count(layout, folder, len(names), layout.classes, "folders of classes")
    return names


def count(layout: Layout, place: Path, found: int, expected: int, what: str) -> None:
    """Raise InputError unless the number of files or folders in a place is the published number."""
    if found != expected:
        raise InputError(f"{place}: {found:,} {what}, must be {expected:,}; unpack it again from {layout.source}")


def by_class(folders: Sequence[Path]) -> tuple[list[str], list[int]]:
    """Return the image files of the class folders, and their labels; the first folder is class 0."""
    found = [image_files(folder) for folder in folders]
    labels = [label for label, files in enumerate(found) for _ in files]
    return [file for files in found for file in files], labels


def read(layout: Layout, size: int) -> Folders:
    """Return a dataset in the layout train/CLASS/*.JPEG and val/CLASS/*.JPEG; val, which has labels, is the test set.

    size: see `Folders`. Raises InputError if the dataset is missing or incomplete.
    """
    root = locate(layout)
    classes = classes_of(layout, root / "train")
    splits: list[tuple[list[str], list[int]]] = []
    for part, expected in (("train", layout.train_images), ("val", layout.test_images)):
        if part == "val" and classes_of(layout, root / part) != classes:
            raise InputError(f"{root}: train and val differ in their classes; unpack it again from {layout.source}")
        splits.append(by_class([root / part / name for name in classes]))
        count(layout, root / part, len(splits[-1][0]), expected, "images")
    (train, train_labels), (test, test_labels) = splits
    return Folders(train, train_labels, test, test_labels, layout.classes, size)
