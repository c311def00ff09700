"""Image files as batches: what is seen of an image, alike for any number of workers, and one line for a corrupt one."""

import dataclasses

import pytest
import torch
from PIL import Image

from runners.datasets.decoding import FileSplit, workers_for
from tests.runners.pictures import assert_one_line, numbers, paint

AUGMENTATIONS = pytest.mark.parametrize("augmentation", [(), ("crop", "flip"), ("crop", "flip", "cutout"), ("cutout",)])


@pytest.fixture
def split(tmp_path):
    """27 images of 40 x 48 pixels, seen at 35: what is resized has 40 pixels too, so no pixel changes its value."""
    files = [paint(tmp_path / f"{i}.JPEG", 3 * i, (40, 48)) for i in range(27)]
    return FileSplit(files, torch.arange(27) % 3, 35)


@pytest.fixture
def same(tmp_path):
    """32 times the same image, seen at 16."""
    return FileSplit([paint(tmp_path / "x.JPEG", 50)] * 32, torch.zeros(32, dtype=torch.int64), 16)


def test_batches_are_the_centres_of_the_images_in_their_order(split):
    batches = list(split.batches(10))
    assert [len(y) for _, y in batches] == [10, 10, 7]
    images = torch.cat([x for x, _ in batches])
    assert images.dtype == torch.uint8
    assert numbers(images) == [3 * i for i in range(27)]
    assert torch.equal(torch.cat([y for _, y in batches]), split.labels)
    assert torch.equal(split.head(4), images[:4])
    with Image.open(split.files[5]) as image:
        centre = torch.tensor(list(image.crop((2, 6, 37, 41)).tobytes())).view(35, 35, 3)
    assert torch.equal(images[5], centre.permute(2, 0, 1).byte())


def test_shuffled_covers_every_image_once_in_the_order_of_the_seed(split):
    images, labels, _ = epoch(split, 0, (), workers=0)
    assert sorted(numbers(images)) == [3 * i for i in range(27)]
    assert numbers(images) != [3 * i for i in range(27)]
    assert labels.tolist() == [n // 3 % 3 for n in numbers(images)], "labels go with their images"


def epoch(split, seed, augmentation, workers):
    generator = torch.Generator().manual_seed(seed)
    batches = list(dataclasses.replace(split, workers=workers).shuffled(5, generator, augmentation))
    return torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches]), generator.get_state()


@AUGMENTATIONS
def test_the_generator_alone_decides_whatever_the_number_of_workers(split, augmentation):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    alone = epoch(split, 7, augmentation, workers=0)
    assert torch.equal(torch.get_rng_state(), before), "the global generator is left alone"
    torch.manual_seed(2)
    for workers in (0, 1, 2):
        assert all(torch.equal(a, b) for a, b in zip(alone, epoch(split, 7, augmentation, workers), strict=True))
    assert not torch.equal(alone[0], epoch(split, 8, augmentation, workers=0)[0])


def test_each_image_is_cropped_by_itself_and_anew_each_epoch(same):
    generator = torch.Generator().manual_seed(0)
    found = [x for _ in range(2) for images, _ in same.shuffled(4, generator, ("crop",)) for x in images]
    assert len({x.numpy().tobytes() for x in found}) == 64
    plain = [x for images, _ in same.shuffled(4, generator, ()) for x in images]
    assert len({x.numpy().tobytes() for x in plain}) == 1


def test_flip_and_cutout_act_on_files_as_on_tensors(same):
    whole, generator = same.head(1)[0], torch.Generator().manual_seed(0)
    flipped = next(images for images, _ in same.shuffled(32, generator, ("flip",)))
    assert {torch.equal(x, whole) for x in flipped} == {True, False}
    assert all(torch.equal(x, whole) or torch.equal(x, whole.flip(2)) for x in flipped)
    holes = next(images for images, _ in same.shuffled(32, generator, ("cutout",)))
    assert all((x == whole)[x > 0].all() for x in holes)
    assert ((holes == 0).all(1).sum((1, 2)) >= 16).all()


DAMAGE = {"empty": lambda b: b"", "short": lambda b: b[: len(b) // 2], "text": lambda b: b"nonsense" * 9}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("damage", [*DAMAGE, "gone"])
def test_a_corrupt_image_gives_one_line_that_names_it(split, tmp_path, workers, damage):
    file = tmp_path / "13.JPEG"
    content = file.read_bytes()
    file.unlink()
    if damage in DAMAGE:
        file.write_bytes(DAMAGE[damage](content))
    split = dataclasses.replace(split, workers=workers)
    line = f"{file}: not a readable image, get it again from the dataset's archive"
    assert_one_line(lambda: list(split.batches(5)), line)
    assert_one_line(lambda: list(split.shuffled(5, torch.Generator(), ("crop",))), line)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_images_of_every_kind_are_read_in_colour(tmp_path, mode):
    file = str(tmp_path / "x.tiff")
    Image.new("RGB", (20, 20), (255, 255, 255)).convert(mode).save(file)
    image = FileSplit([file], torch.zeros(1, dtype=torch.int64), 16).head(1)
    assert torch.equal(image, torch.full((1, 3, 16, 16), 255, dtype=torch.uint8))


def test_how_many_workers_decode(monkeypatch):
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    monkeypatch.delenv("KLEVEL_WORKERS", raising=False)
    for cores, expected in ((1, 0), (4, 3), (64, 8)):
        monkeypatch.setattr("joblib.cpu_count", lambda cores=cores: cores)
        assert (workers_for(cpu), workers_for(cuda)) == (0, expected)
    monkeypatch.setenv("KLEVEL_WORKERS", "5")
    assert (workers_for(cpu), workers_for(cuda)) == (5, 5)
    monkeypatch.setenv("KLEVEL_WORKERS", "many")
    assert_one_line(lambda: workers_for(cpu), "KLEVEL_WORKERS = many: must be a number")


def test_a_process_that_may_have_no_children_decodes_by_itself(monkeypatch):
    monkeypatch.setenv("KLEVEL_WORKERS", "5")
    monkeypatch.setattr("multiprocessing.process._current_process._config", {"daemon": True})
    assert workers_for(torch.device("cuda")) == 0
