"""Data as a trial sees it: the splits, the normalisation, the order and the resolution."""

import dataclasses

import numpy as np
import pytest
import torch

from results.errors import InputError
from runners import data
from runners.datasets import DATASETS, Images


@pytest.fixture
def numbered(monkeypatch):
    """A dataset `numbered` of 400 + 40 images, uneven in its classes, that can be told apart by their pixels."""
    n = torch.arange(440)
    pixels = torch.stack([n // 256, n % 256], 1).to(torch.uint8).view(-1, 1, 1, 2).expand(-1, 1, 2, 2).contiguous()
    labels = (n % 10).clamp(max=5)
    published = Images(pixels[:400], labels[:400], pixels[400:], labels[400:], classes=6)
    monkeypatch.setitem(DATASETS._entries, "numbered", lambda: published)
    data._source_dataset.cache_clear()
    yield published
    data._source_dataset.cache_clear()


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


def test_trials_of_a_setting_share_their_data(numbered, monkeypatch):
    asked = ("numbered", 60, torch.device("cpu"), "dataset", None, False)
    first = data.load_shared(*asked)
    assert data.load_shared(*asked) is first
    assert torch.equal(first.train.images, data.load(*asked).train.images)
    assert len(data.load_shared("numbered", 70, *asked[2:]).train) == 70
    assert data.load_shared(*asked) is not first, "one is kept"
    first = data.load_shared(*asked)
    monkeypatch.setitem(DATASETS._entries, "numbered", lambda: dataclasses.replace(numbered, classes=7))
    assert data.load_shared(*asked) is first, "as it was read"
    data._source_dataset.cache_clear()
    assert data.load_shared(*asked).classes == 7, "read again"


def test_batches_leave_the_images_as_they_are(numbered):
    loaded = data.load("numbered")
    before = [s.images.clone() for s in (loaded.train, loaded.val)]
    list(loaded.shuffled(50, torch.Generator(), ["crop", "flip", "cutout"]))
    list(loaded.batches(loaded.val, 50))
    assert all(torch.equal(s.images, images) for s, images in zip((loaded.train, loaded.val), before, strict=True))
    expected = (loaded.val.images.float() - loaded.mean) / loaded.std
    assert torch.equal(loaded.normalise(loaded.val.images), expected)


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


@pytest.mark.parametrize(
    ("images", "size", "expected"),
    [(301, 50, [50] * 5 + [51]), (302, 50, [50] * 6 + [2]), (301, 300, [301]), (7, 1, [1] * 7), (7, 2, [2, 2, 3])],
)
@pytest.mark.parametrize("augmentation", [(), ("flip", "crop")])
def test_a_last_batch_of_one_joins_the_batch_before(numbered, images, size, expected, augmentation):
    loaded = raw(data.load("numbered", images))
    batches = list(loaded.shuffled(size, torch.Generator().manual_seed(3), augmentation))
    assert [len(y) for _, y in batches] == expected == [len(x) for x, _ in batches]
    assert loaded.steps(size) == len(batches)
    if not augmentation:
        seen = numbers(torch.cat([x for x, _ in batches]))
        order = torch.randperm(images, generator=torch.Generator().manual_seed(3))
        assert seen == numbers(loaded.train.images[order]), "the order is that of the seed"


def test_files_are_joined_alike(numbered):
    class Files(data.FileSplit):
        def shuffled(self, *given):
            yield from data.Split(numbered.train_images[:7], numbered.train_labels[:7]).shuffled(*given)

    loaded = dataclasses.replace(raw(data.load("numbered", 7)), train=Files([""] * 7, numbered.train_labels[:7], 2))
    assert [len(y) for _, y in loaded.shuffled(3, torch.Generator())] == [3, 4]


def test_a_single_image_to_train_on_gives_one_line(numbered, monkeypatch):
    lone = dataclasses.replace(numbered, train_labels=numbered.train_labels * 0, test_labels=numbered.test_labels * 0)
    monkeypatch.setitem(DATASETS._entries, "lone", lambda: dataclasses.replace(lone, classes=1))
    with pytest.raises(InputError, match=r"^dataset lone: has 1 image to train on, at least 2 are needed$"):
        data.load("lone", 1)


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


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_network_sees_the_resolution_that_it_asks_for(numbered, size):
    loaded, own = data.load("numbered", size=size), data.load("numbered")
    assert (loaded.size, own.size, loaded.channels) == (size, 2, 1)
    assert loaded.example(5).shape == (5, 1, size, size)
    for batches in (loaded.batches(loaded.test, 30), loaded.shuffled(30, torch.Generator().manual_seed(0), ["crop"])):
        assert {tuple(x.shape[1:]) for x, _ in batches} == {(1, size, size)}
    assert torch.equal(loaded.mean, own.mean), "normalised by the moments of the published pixels"
    if size == 2:
        assert torch.equal(loaded.example(5), own.example(5))


def test_resizing_keeps_the_mean_and_comes_after_augmentation(numbered):
    loaded, own = data.load("numbered", size=1), data.load("numbered")
    small, large = (next(d.shuffled(99, torch.Generator().manual_seed(0), ("crop", "flip"))) for d in (loaded, own))
    assert torch.equal(small[1], large[1])
    assert torch.allclose(small[0], large[0].mean((2, 3), keepdim=True), atol=1e-5)


def test_data_knows_its_device(numbered):
    assert data.load("numbered").device == torch.device("cpu")


def test_with_weights_from_elsewhere_half_of_the_test_images_are_to_choose_on():
    plain, halves = data.load("digits"), data.load("digits", choose_on_test=True)
    assert len(halves.val) + len(halves.test) == len(plain.test)
    assert abs(len(halves.val) - len(halves.test)) <= 1
    known = {image.numpy().tobytes() for image in plain.test.images}
    val, test = ({image.numpy().tobytes() for image in s.images} for s in (halves.val, halves.test))
    assert val | test <= known
    assert len(val & test) <= len(plain.test) - len(known), "no image is in both"
    assert torch.equal(halves.train.images, plain.train.images)
    assert torch.equal(data.load("digits", choose_on_test=True).val.images, halves.val.images)


@pytest.mark.parametrize("labels", [[*range(9)] * 22 + [9], [*range(10)] * 6], ids=["a class of one", "few of each"])
def test_odd_classes_are_split_without_strata(monkeypatch, labels):
    """A class of a single image; fewer validation images than classes."""
    labels = torch.tensor(labels)
    images = torch.randint(0, 256, (len(labels), 1, 8, 8), dtype=torch.uint8)
    odd = Images(images, labels, images[:50], labels[:50], 10)
    monkeypatch.setitem(DATASETS._entries, "odd", lambda: odd)
    data._source_dataset.cache_clear()
    found = data.load("odd")
    assert len(found.train) + len(found.val) == len(labels)


def test_what_a_function_of_a_users_raises_is_one_line_that_names_it(monkeypatch):
    def mine():
        raise KeyError("train")

    monkeypatch.setitem(DATASETS._entries, "mine", mine)
    with pytest.raises(InputError, match=r"^dataset mine: raises KeyError: 'train'$"):
        data.load("mine")
