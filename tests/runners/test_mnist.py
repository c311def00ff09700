"""MNIST's files: where they are found, and one line where they are absent or corrupt."""

import gzip
import hashlib
import struct

import numpy as np
import pytest
import torch

from results.errors import InputError
from runners.datasets import DATASETS, mnist

MNISTS = pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])


def idx(array):
    """The bytes of an array in the format of MNIST's files."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """Small files in MNIST's format, by name, and a place where no data is yet: KLEVEL_DATA, not made so far."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KLEVEL_DATA", str(tmp_path / "kept"))
    monkeypatch.setattr(mnist, "DEBIAN", tmp_path / "debian")
    generator = np.random.default_rng(0)
    shapes = {"train": 30, "t10k": 20}
    arrays = {}
    for part in mnist.PARTS:
        n = shapes[part.split("-")[0]]
        labels = np.arange(n, dtype=np.uint8) % 10
        arrays[part] = generator.integers(256, size=(n, 28, 28), dtype=np.uint8) if "images" in part else labels
    checksums = tuple(hashlib.md5(idx(array)).hexdigest() for array in arrays.values())
    monkeypatch.setattr(mnist, "MD5", dict.fromkeys(mnist.MD5, checksums))
    return arrays


def put(parts, folder, pack=None):
    folder.mkdir(parents=True)
    for name, array in parts.items():
        path = folder / (f"{name}.gz" if pack else name)
        path.write_bytes(pack(idx(array)) if pack else idx(array))


def assert_read(published, parts):
    train, _, test, _ = (torch.from_numpy(a) for a in parts.values())
    assert torch.equal(published.train_images, train[:, None])
    assert torch.equal(published.test_images, test[:, None])
    assert published.train_labels.tolist() == [i % 10 for i in range(30)]
    assert published.train_labels.dtype == torch.int64
    assert published.classes == 10


@MNISTS
@pytest.mark.parametrize("place", ["kept", "data"])
def test_files_are_read_from_klevel_data_and_from_data(parts, tmp_path, name, folder, place):
    put(parts, tmp_path / place / folder / "raw")
    assert_read(DATASETS[name](), parts)


def test_the_packages_of_debian_are_unpacked_once(parts, tmp_path):
    put(parts, tmp_path / "debian", gzip.compress)
    assert_read(DATASETS["fashion_mnist"](), parts)
    unpacked = sorted(p.name for p in (tmp_path / "kept" / "FashionMNIST" / "raw").iterdir())
    assert unpacked == sorted(mnist.PARTS)
    (tmp_path / "debian" / f"{mnist.PARTS[0]}.gz").unlink()
    assert_read(DATASETS["fashion_mnist"](), parts)


@MNISTS
def test_missing_files_give_one_line_with_every_way_to_get_them(parts, tmp_path, name, folder):
    with pytest.raises(InputError) as error:
        DATASETS[name]()
    message = str(error.value)
    ways = [f"{folder} is not there", mnist.PARTS[0], "KLEVEL_DATA=", str(tmp_path / "kept"), "internet"]
    assert [w for w in ways if w not in message] == []
    assert "\n" not in message
    assert ("apt-get install dataset-fashion-mnist" in message) == (name == "fashion_mnist")


@MNISTS
@pytest.mark.parametrize(
    "damage", [lambda b: b[:-5], lambda b: b"", lambda b: b"nonsense" * 9, lambda b: b[:-1] + bytes([b[-1] ^ 1])]
)
def test_a_corrupt_file_gives_one_line(parts, tmp_path, name, folder, damage):
    put(parts, tmp_path / "kept" / folder / "raw")
    file = tmp_path / "kept" / folder / "raw" / mnist.PARTS[0]
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(InputError, match="not readable, delete the folder") as error:
        DATASETS[name]()
    assert f"{file.parent}: " in str(error.value)
    assert f"{file.name} is not the published file" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_corrupt_package_leaves_no_file_behind(parts, tmp_path):
    put(parts, tmp_path / "debian", lambda content: gzip.compress(content)[:-20])
    with pytest.raises(InputError) as error:
        DATASETS["fashion_mnist"]()
    assert "\n" not in str(error.value)
    assert list((tmp_path / "kept").rglob("*ubyte*")) == []
