"""Augmentations: the contract over the registry, and what each does to images made by hand."""

import pytest
import torch

from runners.datasets.augmentation import AUGMENTATIONS

EVERY = pytest.mark.parametrize("name", AUGMENTATIONS)


def noise(n=16, channels=3, size=16):
    return torch.randint(1, 256, (n, channels, size, size), generator=torch.Generator().manual_seed(0)).byte()


def apply(name, images, seed=0):
    return AUGMENTATIONS[name](images, torch.Generator().manual_seed(seed))


@EVERY
@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32), (3, 8)])
def test_shape_dtype_and_input_stay(name, channels, size):
    images = noise(5, channels, size)
    before = images.clone()
    out = apply(name, images)
    assert (out.shape, out.dtype) == (images.shape, torch.uint8)
    assert torch.equal(images, before)


@EVERY
def test_the_generator_alone_decides(name):
    images = noise()
    torch.manual_seed(1)
    first = apply(name, images)
    torch.manual_seed(2)
    assert torch.equal(apply(name, images), first)
    assert not torch.equal(apply(name, images, seed=1), first)


@EVERY
def test_images_are_treated_one_by_one(name):
    out = apply(name, noise(1).expand(64, -1, -1, -1).contiguous())
    assert len({image.numpy().tobytes() for image in out}) > 1


def test_crop_shifts_by_up_to_an_eighth_and_fills_with_black():
    images = noise(200, 2)
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2))
    shifts = set()
    for i, out in enumerate(apply("crop", images)):
        fits = [(r, c) for r in range(5) for c in range(5) if torch.equal(out, padded[i, :, r : r + 16, c : c + 16])]
        assert len(fits) == 1
        shifts.update(fits)
    assert len(shifts) == 25, "every shift occurs"


def test_flip_mirrors_about_half_of_the_images():
    images = noise(200)
    mirrored = 0
    for image, out in zip(images, apply("flip", images), strict=True):
        same, other = torch.equal(out, image), torch.equal(out, image.flip(2))
        assert same != other
        mirrored += other
    assert 60 < mirrored < 140


def test_cutout_blackens_one_square_of_half_the_size():
    images = noise(200)
    whole = 0
    for image, out in zip(images, apply("cutout", images), strict=True):
        hole = (out == 0).all(0)
        rows, cols = (hole.any(d).nonzero().flatten() for d in (1, 0))
        square = hole[rows.min() : rows.max() + 1, cols.min() : cols.max() + 1]
        assert square.all(), "a full rectangle, the same in every channel"
        assert max(square.shape) <= 8
        assert min(square.shape) >= 4, "at most half of it is outside"
        assert torch.equal(out[:, ~hole], image[:, ~hole])
        whole += square.shape == (8, 8)
    assert whole > 20
