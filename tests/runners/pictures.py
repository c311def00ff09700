"""Image files for tests, and the look of an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from results.errors import InputError

NOISE = 20  # of the values that a picture's number is hidden in


def paint(file: Path, number: int, size: tuple[int, int] = (48, 40)) -> str:
    """Save a noisy picture, `number` reddish, of this width and height, and return its name.

    It is a PNG whatever its name, so that no pixel is lost.
    """
    generator = torch.Generator().manual_seed(number)
    noise = torch.randint(NOISE, (size[1], size[0], 3), generator=generator)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((noise + torch.tensor([number, 2 * number, 90])).byte().numpy()).save(file, "PNG")
    return str(file)


def numbers(images: Tensor) -> list[int]:
    """Return the numbers of pictures, uint8 (n, 3, height, width)."""
    return (images[:, 0].double().mean((1, 2)) - (NOISE - 1) / 2).round().long().tolist()


def assert_one_line(call: Callable[[], object], *fragments: str) -> None:
    """The call fails with one line that has these fragments."""
    with pytest.raises(InputError) as error:
        call()
    message = str(error.value)
    assert [f for f in fragments if f not in message] == [], message
    assert "\n" not in message
