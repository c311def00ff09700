"""CIFAR's files: both versions, both places, and one line where they are absent or corrupt."""

import dataclasses
import hashlib
import pickle

import numpy as np
import pytest
import torch

from results.errors import InputError
from runners.datasets import DATASETS, cifar
from runners.vision import torchvision

NAMES = pytest.mark.parametrize("name", ["cifar10", "cifar100"])
PER_FILE = 20


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Small files of both datasets by name: {file: (labels (n,), pixels (n, 3072))}; nothing is written so far."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KLEVEL_DATA", str(tmp_path / "kept"))
    generator = np.random.default_rng(0)
    found = {}
    for name in ("CIFAR10", "CIFAR100"):
        version = getattr(cifar, name)
        found[name.lower()] = {
            file: (
                generator.integers(version.classes, size=PER_FILE, dtype=np.uint8),
                generator.integers(256, size=(PER_FILE, cifar.PIXELS), dtype=np.uint8),
            )
            for file in (*version.train, *version.test)
        }
        small = {"train_images": PER_FILE * len(version.train), "test_images": PER_FILE * len(version.test)}
        if version.md5:
            contents = [binary(version, *arrays) for arrays in found[name.lower()].values()]
            small["md5"] = tuple(hashlib.md5(content).hexdigest() for content in contents)
        monkeypatch.setattr(cifar, name, dataclasses.replace(version, **small))
        reader = getattr(torchvision.datasets, name)
        for split in ("train", "test"):
            monkeypatch.setattr(reader, f"{split}_list", [[file, None] for file in getattr(version, split)])
        monkeypatch.setattr(reader, "meta", {"filename": "meta", "key": "names", "md5": None})
    return found


def version_of(name):
    return getattr(cifar, name.upper())


def binary(version, labels, pixels):
    before = [255 - labels] if version.labels == 2 else []  # the coarse class, which is not read
    return np.concatenate([*(column[:, None] for column in (*before, labels)), pixels], 1).tobytes()


def put_binary(files, root, name):
    folder = root / version_of(name).binary
    folder.mkdir(parents=True)
    for file, arrays in files.items():
        (folder / f"{file}.bin").write_bytes(binary(version_of(name), *arrays))
    return folder


def put_python(files, root, name):
    folder = root / version_of(name).python
    folder.mkdir(parents=True)
    key = "fine_labels" if name == "cifar100" else "labels"
    for file, (labels, pixels) in files.items():
        (folder / file).write_bytes(pickle.dumps({"data": pixels, key: labels.tolist()}))
    (folder / "meta").write_bytes(pickle.dumps({"names": list(map(str, range(version_of(name).classes)))}))
    return folder


@NAMES
@pytest.mark.parametrize("put", [put_binary, put_python])
@pytest.mark.parametrize("place", ["kept", "data"])
def test_both_versions_are_read_from_klevel_data_and_from_data(published, tmp_path, name, put, place):
    files = published[name]
    put(files, tmp_path / place, name)
    images = DATASETS[name]()
    *train, test = files.values()
    assert torch.equal(images.train_labels, torch.from_numpy(np.concatenate([y for y, _ in train])).long())
    assert torch.equal(images.test_labels, torch.from_numpy(test[0]).long())
    pixels = np.concatenate([x for _, x in train]).reshape(-1, 3, 32, 32)
    assert torch.equal(images.train_images, torch.from_numpy(pixels))
    assert torch.equal(images.test_images, torch.from_numpy(test[1].reshape(-1, 3, 32, 32)))
    assert images.train_images.is_contiguous()
    assert images.classes == version_of(name).classes


def assert_one_line(error, fragments):
    message = str(error.value)
    assert [f for f in fragments if f not in message] == [], message
    assert "\n" not in message


@NAMES
@pytest.mark.parametrize("put", [None, put_binary, put_python])
def test_missing_files_give_one_line_with_every_way_to_get_them(published, tmp_path, name, put):
    if put:
        folder = put(published[name], tmp_path / "kept", name)
        next(f for f in folder.iterdir() if f.stem.startswith("test")).unlink()
    with pytest.raises(InputError) as error:
        DATASETS[name]()
    version = version_of(name)
    ways = [f"{version.name} is not there", f"{version.train[0]}.bin", f"DIR/{version.binary}", "KLEVEL_DATA=DIR"]
    assert_one_line(
        error, [*ways, f"https://www.cs.toronto.edu/~kriz/{version.archive}", str(tmp_path / "kept"), "internet"]
    )


DAMAGE = {
    "short": lambda b: b[:-5],
    "an image short": lambda b: b[: -cifar.PIXELS - 1],
    "empty": lambda b: b"",
    "text": lambda b: b"nonsense" * 9,
    "no such class": lambda b: b"\xff\xff" + b[2:],
}


@NAMES
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_corrupt_binary_file_gives_one_line(published, tmp_path, name, damage):
    folder = put_binary(published[name], tmp_path / "kept", name)
    file = folder / f"{version_of(name).train[-1]}.bin"
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    with pytest.raises(InputError, match="not readable, delete the folder") as error:
        DATASETS[name]()
    assert_one_line(error, [str(folder), file.name])


@NAMES
@pytest.mark.parametrize("damage", ["short", "empty", "text"])
def test_a_corrupt_python_file_gives_one_line(published, tmp_path, name, damage):
    folder = put_python(published[name], tmp_path / "kept", name)
    file = folder / version_of(name).train[-1]
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    with pytest.raises(InputError, match="not readable, delete the folder") as error:
        DATASETS[name]()
    assert_one_line(error, [str(folder)])


def test_one_wrong_pixel_of_the_binary_version_is_seen_where_checksums_are_published(published, tmp_path):
    folder = put_binary(published["cifar10"], tmp_path / "kept", "cifar10")
    file = folder / "data_batch_3.bin"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError) as error:
        DATASETS["cifar10"]()
    assert_one_line(error, [f"{folder}: not readable", "data_batch_3.bin is not the published file: its MD5 is"])


@NAMES
def test_the_wrong_file_of_the_python_version_is_named(published, tmp_path, monkeypatch, name):
    folder = put_python(published[name], tmp_path / "kept", name)
    reader = getattr(torchvision.datasets, version_of(name).name)
    for split in ("train_list", "test_list"):
        sums = [[file, hashlib.md5((folder / file).read_bytes()).hexdigest()] for file, _ in getattr(reader, split)]
        monkeypatch.setattr(reader, split, sums)
    assert len(DATASETS[name]().test_labels) == PER_FILE
    file = folder / version_of(name).test[0]
    file.write_bytes(file.read_bytes() + b"?")
    with pytest.raises(InputError) as error:
        DATASETS[name]()
    assert_one_line(error, [f"{folder}: not readable", f"{file.name} is not the published file: its MD5 is"])
