"""Data as a trial sees it: the splits, the normalisation, the order, and how MNIST's files are found."""

import dataclasses
import gzip
import struct

import numpy as np
import pytest
import torch

from runners import data
from runners.datasets import DATASETS, Images, mnist
from runners.errors import InputError

MNISTS = pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])


@pytest.fixture(scope="module", params=list(DATASETS))
def images(request):
    try:
        return DATASETS[request.param]()
    except InputError as error:
        pytest.skip(str(error))


def test_what_a_dataset_publishes(images):
    for x, y in ((images.train_images, images.train_labels), (images.test_images, images.test_labels)):
        assert (x.dtype, y.dtype) == (torch.uint8, torch.int64)
        assert x.dim() == 4
        assert x.shape[2] == x.shape[3]
        assert y.shape == (len(x),)
        assert set(y.unique().tolist()) == set(range(images.classes))
    assert images.train_images.shape[1:] == images.test_images.shape[1:]
    assert images.train_images.max() > 127, "the values fill a byte"


@pytest.fixture
def numbered(monkeypatch):
    """A dataset `numbered` of 400 + 40 images, uneven in its classes, that can be told apart by their pixels."""
    n = torch.arange(440)
    pixels = torch.stack([n // 256, n % 256], 1).to(torch.uint8).view(-1, 1, 1, 2).expand(-1, 1, 2, 2).contiguous()
    labels = (n % 10).clamp(max=5)
    published = Images(pixels[:400], labels[:400], pixels[400:], labels[400:], classes=6)
    monkeypatch.setitem(DATASETS._entries, "numbered", lambda: published)
    data._published.cache_clear()
    yield published
    data._published.cache_clear()


def numbers(pixels):
    return (pixels[:, 0, 0, 0].long() * 256 + pixels[:, 0, 0, 1].long()).tolist()


def test_splits_are_disjoint_complete_and_stratified(numbered):
    loaded = data.load("numbered")
    train, val, test = (numbers(s.images) for s in (loaded.train, loaded.val, loaded.test))
    assert len(val) == 40, "a tenth of the training set"
    assert sorted(train + val) == list(range(400))
    assert test == list(range(400, 440)), "the test set is the published one"
    for split, share in ((loaded.val, 0.1), (loaded.train, 0.9)):
        found = split.labels.bincount(minlength=6)
        assert ((found - share * numbered.train_labels.bincount()).abs() <= 1).all()
    assert torch.equal(loaded.train.labels, (torch.tensor(train) % 10).clamp(max=5)), "labels go with their images"


def test_splits_are_fixed_whatever_the_seed(numbered):
    torch.manual_seed(1)
    np.random.seed(1)
    first = data.load("numbered", 60)
    torch.manual_seed(2)
    np.random.seed(2)
    second = data.load("numbered", 60)
    assert torch.equal(first.train.images, second.train.images)
    assert torch.equal(first.val.images, second.val.images)


def test_the_validation_split_is_at_most_5000(numbered, monkeypatch):
    monkeypatch.setattr(data, "VALIDATION_MOST", 24)
    assert len(data.load("numbered").val) == 24


def test_train_images_is_a_stratified_part_of_the_training_split(numbered):
    whole, part = data.load("numbered"), data.load("numbered", 60)
    assert len(part.train) == 60
    assert set(numbers(part.train.images)) < set(numbers(whole.train.images))
    assert torch.equal(part.val.images, whole.val.images)
    assert ((part.train.labels.bincount() - whole.train.labels.bincount() / 6).abs() <= 1).all()
    assert torch.equal(part.mean, whole.mean), "the normalisation is that of the whole training split"
    assert torch.equal(part.std, whole.std)


@pytest.mark.parametrize("n", [6, 7, 300, 353, 354, 355, 359, 360])
def test_train_images_may_be_any_number_that_the_message_allows(numbered, n):
    assert len(data.load("numbered", n).train) == n


@pytest.mark.parametrize("n", [2, 5, 361, 400, 10**9])
def test_wrong_train_images_give_one_line(numbered, n):
    with pytest.raises(InputError, match=rf"^train_images = {n}: numbered allows 6 to 360$"):
        data.load("numbered", n)


def test_an_unknown_dataset_gives_one_line():
    with pytest.raises(InputError, match=r"^unknown dataset; did you mean digits\?"):
        data.load("digist")


@pytest.mark.parametrize("name", DATASETS)
def test_the_training_split_has_mean_zero_and_variance_one(name):
    try:
        loaded = data.load(name)
    except InputError as error:
        pytest.skip(str(error))
    part = loaded.train.images[:10_000]  # all of digits; of a large set as much as the memory is good for
    values = loaded.normalise(part).double()
    tolerance = 1e-5 if len(part) == len(loaded.train) else 0.05
    assert values.mean((0, 2, 3)).abs().max() < tolerance
    assert (values.std((0, 2, 3), unbiased=False) - 1).abs().max() < tolerance
    assert loaded.normalise(part[:1]).dtype == torch.float32


def test_moments_are_those_of_each_channel():
    pixels = torch.randint(256, (50, 3, 4, 4), dtype=torch.uint8)
    mean, std = data._moments(pixels)
    assert torch.allclose(mean, pixels.double().mean((0, 2, 3)), rtol=1e-12)
    assert torch.allclose(std, pixels.double().std((0, 2, 3), unbiased=False), rtol=1e-9)


def test_a_constant_channel_stays_finite(numbered, monkeypatch):
    blank = dataclasses.replace(numbered, train_images=torch.full_like(numbered.train_images, 7))
    monkeypatch.setitem(DATASETS._entries, "blank", lambda: blank)
    loaded = data.load("blank")
    assert loaded.normalise(loaded.train.images).abs().max() < 1e-3


def raw(loaded):
    """The same data with the pixels left as they are, so that images can be told apart in a batch."""
    return dataclasses.replace(loaded, mean=torch.zeros(1, 1, 1), std=torch.ones(1, 1, 1))


def order(loaded, seed):
    batches = list(loaded.shuffled(50, torch.Generator().manual_seed(seed)))
    assert [len(y) for _, y in batches] == [50] * 7 + [10]
    images, labels = torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])
    assert torch.equal(labels, (torch.tensor(numbers(images)) % 10).clamp(max=5))
    return numbers(images)


def test_shuffled_covers_every_image_once_in_the_order_of_the_seed(numbered):
    loaded = raw(data.load("numbered"))
    first = order(loaded, 3)
    assert sorted(first) == sorted(numbers(loaded.train.images))
    assert order(loaded, 3) == first
    assert order(loaded, 4) != first


def test_one_generator_gives_another_order_each_epoch(numbered):
    loaded, generator = raw(data.load("numbered")), torch.Generator().manual_seed(0)
    epochs = [next(numbers(x) for x, _ in loaded.shuffled(500, generator)) for _ in range(2)]
    assert epochs[0] != epochs[1]


def test_shuffled_augments_before_it_normalises(numbered):
    loaded = data.load("numbered")
    images, labels = next(loaded.shuffled(500, torch.Generator().manual_seed(0), ("flip", "cutout")))
    plain, same = next(loaded.shuffled(500, torch.Generator().manual_seed(0)))
    assert torch.equal(labels, same), "augmentation does not change the order"
    assert images.shape == plain.shape
    assert not torch.equal(images, plain)


def test_batches_go_through_a_split_in_its_order(numbered):
    loaded = raw(data.load("numbered"))
    batches = list(loaded.batches(loaded.val, 30))
    assert [len(y) for _, y in batches] == [30, 10]
    assert numbers(torch.cat([x for x, _ in batches])) == numbers(loaded.val.images)
    assert numbers(loaded.example(5)) == numbers(loaded.val.images[:5])


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
@pytest.mark.parametrize("damage", [lambda b: b[:-5], lambda b: b"", lambda b: b"nonsense" * 9])
def test_a_corrupt_file_gives_one_line(parts, tmp_path, name, folder, damage):
    put(parts, tmp_path / "kept" / folder / "raw")
    file = tmp_path / "kept" / folder / "raw" / mnist.PARTS[0]
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(InputError, match="not readable, delete the folder") as error:
        DATASETS[name]()
    assert str(file.parent) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_corrupt_package_leaves_no_file_behind(parts, tmp_path):
    put(parts, tmp_path / "debian", lambda content: gzip.compress(content)[:-20])
    with pytest.raises(InputError) as error:
        DATASETS["fashion_mnist"]()
    assert "\n" not in str(error.value)
    assert list((tmp_path / "kept").rglob("*ubyte*")) == []
