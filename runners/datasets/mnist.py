"""MNIST and Fashion-MNIST: files of the same format, read by torchvision."""

from __future__ import annotations

import gzip
import os
import shutil
import zlib
from pathlib import Path
from typing import Any

from results.errors import InputError
from runners.datasets import DATASETS, Images
from runners.datasets.files import absent, corrupt, data_folders, verify

PARTS = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
# MD5 of the unpacked files, since a distribution compresses them again. torchvision has the MD5 of the archives.
MD5 = {
    "MNIST": (
        "6bbc9ace898e44ae57da46a324031adb",
        "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea",
        "27ae3e4e09519cfbb04c329615203637",
    ),
    "FashionMNIST": (
        "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "9018921c3c673c538a1fc5bad174d6f9",
        "8181f5470baa50b63fa0f6fddb340f0a",
        "15d484375f8d13e6eb1aabb0c3f46965",
    ),
}
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def _reader(name: str) -> Any:
    """Return the dataset of torchvision, whose import takes half a second."""
    from runners.vision import torchvision

    return getattr(torchvision.datasets, name)


def _holds(raw: Path) -> bool:
    return all((raw / part).is_file() for part in PARTS)


def _unpack(source: Path, raw: Path) -> None:
    """Unpack a distribution's .gz files to torchvision's layout, each whole or not at all.

    Raises InputError if a file is corrupt.
    """
    raw.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        packed, partial = source / f"{part}.gz", raw / f"{part}.{os.getpid()}"
        try:
            with gzip.open(packed) as content, partial.open("wb") as plain:
                shutil.copyfileobj(content, plain)
            partial.replace(raw / part)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(f"{packed}: not readable, install its package again ({error})") from error
        finally:
            partial.unlink(missing_ok=True)


def _locate(name: str, debian: Path | None) -> Path:
    """Return the root folder for torchvision; unpack or download if needed. Raises InputError, which lists the ways."""
    for root in data_folders():
        if _holds(root / name / "raw"):
            return root
    root = data_folders()[0]
    if debian and all((debian / f"{part}.gz").is_file() for part in PARTS):
        _unpack(debian, root / name / "raw")
        return root
    reader = _reader(name)
    try:
        reader(root, train=True, download=True)
    except (OSError, RuntimeError) as error:
        package = "; or apt-get install dataset-fashion-mnist" if debian else ""
        files = f"{PARTS[0]} and its three siblings, unpacked from {reader.mirrors[0]},"
        raise absent(name, files, f"{name}/raw", error, package) from error
    return root


def _read(name: str, debian: Path | None = None) -> Images:
    root = _locate(name, debian)
    raw = root / name / "raw"
    try:
        for part, md5 in zip(PARTS, MD5[name], strict=True):
            verify(raw / part, md5)
        train, test = (_reader(name)(root, train=t) for t in (True, False))
    except Exception as error:  # torchvision may raise anything for a corrupt file
        raise corrupt(raw, error) from error
    return Images(train.data[:, None], train.targets.long(), test.data[:, None], test.targets.long(), classes=10)


@DATASETS.register("mnist")
def mnist() -> Images:
    """MNIST: 60,000 + 10,000 handwritten digits, 28x28 grey (LeCun et al. 1998)."""
    return _read("MNIST")


@DATASETS.register("fashion_mnist")
def fashion_mnist() -> Images:
    """Fashion-MNIST: 60,000 + 10,000 articles of clothing, 28x28 grey (Xiao et al. 2017)."""
    return _read("FashionMNIST", DEBIAN)
