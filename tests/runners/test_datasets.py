"""Every dataset by its registry: what it publishes, or how to get it; and the faults of one's own."""

import dataclasses
import os
from pathlib import Path

import pytest
import torch

from results.errors import InputError
from runners import data
from runners.data import Split
from runners.datasets import DATASETS, Images, mnist

USERS = os.environ.get("KLEVEL_DATA")  # read before the tests' own takes its place


@pytest.fixture
def users_data(monkeypatch):
    """The user's own KLEVEL_DATA where it is set, so that what is in it is tested as well."""
    if USERS:
        monkeypatch.setenv("KLEVEL_DATA", USERS)
    data._source_dataset.cache_clear()
    yield
    data._source_dataset.cache_clear()


@pytest.mark.parametrize("name", DATASETS)
def test_what_a_dataset_publishes(name, users_data):
    try:
        published = DATASETS[name]()
    except InputError as error:
        pytest.skip(str(error))
    assert published.fault() is None
    (assert_images if isinstance(published, Images) else assert_folders)(published)


def assert_folders(folders):
    for files, labels in ((folders.train_files, folders.train_labels), (folders.test_files, folders.test_labels)):
        assert len(set(files)) == len(labels)
        assert set(labels) == set(range(folders.classes))
        assert Path(files[-1]).is_file()


def assert_images(images):
    for x, y in ((images.train_images, images.train_labels), (images.test_images, images.test_labels)):
        assert (x.dtype, y.dtype) == (torch.uint8, torch.int64)
        assert x.dim() == 4
        assert x.shape[2] == x.shape[3]
        assert y.shape == (len(x),)
        assert set(y.unique().tolist()) == set(range(images.classes))
    assert images.train_images.shape[1:] == images.test_images.shape[1:]
    assert images.train_images[:1000].max() > 127, "the values fill a byte"


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_is_there_or_one_line_says_how_to_get_it(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KLEVEL_DATA", str(tmp_path / "kept"))
    monkeypatch.setattr(mnist, "DEBIAN", tmp_path / "debian")
    if name == "digits":
        assert isinstance(DATASETS[name](), Images), "the one that is always there"
        return
    with pytest.raises(InputError) as error:
        DATASETS[name]()
    message = str(error.value)
    assert [w for w in ("is not there", "http", "KLEVEL_DATA=DIR", str(tmp_path / "kept")) if w not in message] == []
    assert "\n" not in message


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_has_a_line_of_help(name):
    assert 20 < len(DATASETS.help(name)) < 120


@pytest.mark.parametrize("name", DATASETS)
def test_the_training_split_has_mean_zero_and_variance_one(name, users_data):
    try:
        loaded = data.load(name)
    except InputError as error:
        pytest.skip(str(error))
    if not isinstance(loaded.train, Split):
        pytest.skip("image files are normalised by the moments of ImageNet")
    part = loaded.train.images[:10_000]  # all of digits; of a large set as much as the memory is good for
    values = loaded.normalise(part).double()
    tolerance = 1e-5 if len(part) == len(loaded.train) else 0.05
    assert values.mean((0, 2, 3)).abs().max() < tolerance
    assert (values.std((0, 2, 3), unbiased=False) - 1).abs().max() < tolerance
    assert loaded.normalise(part[:1]).dtype == torch.float32


SMALL = Images(
    torch.zeros(20, 1, 2, 2, dtype=torch.uint8),
    torch.arange(20) % 6,
    torch.zeros(6, 1, 2, 2).byte(),
    torch.arange(6),
    6,
)
FAULTS = {
    "images are torch.float32": {"train_images": torch.zeros(6, 1, 2, 2)},
    "must be uint8 (n, channels, size, size)": {"test_images": torch.zeros(6, 2, 2, dtype=torch.uint8)},
    "(20, 1, 2, 3)": {"train_images": torch.zeros(20, 1, 2, 3, dtype=torch.uint8)},
    "labels are torch.int32": {"train_labels": torch.zeros(20, dtype=torch.int32)},
    "must be int64 (6,)": {"test_labels": torch.zeros(5, dtype=torch.int64)},
    "differ in shape": {"test_images": torch.zeros(6, 3, 2, 2, dtype=torch.uint8)},
    "labels are in 0..5, must be in 0..4": {"classes": 5},
    "a split has no images": {"test_images": torch.zeros(0, 1, 2, 2).byte(), "test_labels": torch.zeros(0).long()},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_dataset_that_is_not_what_it_must_be_gives_one_line(monkeypatch, fault):
    assert SMALL.fault() is None
    monkeypatch.setitem(DATASETS._entries, "wrong", lambda: dataclasses.replace(SMALL, **FAULTS[fault]))
    with pytest.raises(InputError, match=r"^dataset wrong: ") as error:
        data.load("wrong")
    assert fault in str(error.value)
    assert "\n" not in str(error.value)


OWN = """
import torch
from runners.datasets import Images

def squares():
    images = torch.randint(256, (30, 3, 4, 4), dtype=torch.uint8)
    labels = torch.arange(30) % 2
    return Images(images[:20], labels[:20], images[20:], labels[20:], classes=2)

def nothing():
    return 0
"""


def test_a_dataset_of_ones_own_is_named_by_its_function(tmp_path, monkeypatch):
    (tmp_path / "klevel_own_data.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    data._source_dataset.cache_clear()
    loaded = data.load("klevel_own_data:squares", size=6)
    assert (len(loaded.train), len(loaded.val), len(loaded.test)) == (18, 2, 10)
    assert (loaded.channels, loaded.size, loaded.classes) == (3, 6, 2)
    with pytest.raises(InputError, match=r"^dataset klevel_own_data:nothing: returns int, must return Images or Fold"):
        data.load("klevel_own_data:nothing")
