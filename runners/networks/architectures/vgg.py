"""The VGG networks of Simonyan and Zisserman 2015 with batch norm, in their variants for CIFAR.

The last pooling is the mean over all pixels, so that images of any size from 16x16 on work. There is no dropout.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from results.errors import InputError
from runners.networks.architectures import ARCHITECTURES
from runners.networks.architectures.initialisation import he_normal

WIDTHS = (64, 128, 256, 512, 512)
LEAST = 2 ** (len(WIDTHS) - 1)  # least size in pixels: the pooling between the stages reduces it to one


class VGG(nn.Module):
    """Five stages of 3x3 convolutions with max pooling between them, the mean over all pixels, and linear layers."""

    def __init__(self, depths: Sequence[int], hidden: Sequence[int], channels: int, classes: int) -> None:
        """depths: convolutions of each stage. hidden: widths of the linear layers before the last."""
        super().__init__()
        stages: list[nn.Module] = []
        inputs = channels
        for depth, width in zip(depths, WIDTHS, strict=True):
            stages += [nn.MaxPool2d(2)] if stages else []
            for _ in range(depth):
                stages += [nn.Conv2d(inputs, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
                inputs = width
        self.features = nn.Sequential(*stages)
        head: list[nn.Module] = []
        for width in hidden:
            head += [nn.Linear(inputs, width), nn.ReLU()]
            inputs = width
        self.classifier = nn.Sequential(*head, nn.Linear(inputs, classes))
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return one output a class, (n, classes)."""
        return self.classifier(self.features(x).mean((2, 3)))  # type: ignore[no-any-return]


def _check(size: int) -> None:
    if size < LEAST:
        raise InputError(f"VGG takes images of {LEAST}x{LEAST} or more, not {size}x{size}")


@ARCHITECTURES.register("vgg16")
def vgg16(channels: int, size: int, classes: int) -> nn.Module:
    """VGG-16 with batch norm for CIFAR, two hidden linear layers of 512, 15,253,578 parameters on CIFAR-10."""
    _check(size)
    return VGG((2, 2, 3, 3, 3), (512, 512), channels, classes)


@ARCHITECTURES.register("vgg19")
def vgg19(channels: int, size: int, classes: int) -> nn.Module:
    """VGG-19 with batch norm for CIFAR, one linear layer, 20,040,522 parameters on CIFAR-10 (Liu et al. 2017)."""
    _check(size)
    return VGG((2, 2, 4, 4, 4), (), channels, classes)
