"""The residual networks for ImageNet of He et al. 2016, section 4.1, with a stem for small images.

The stem is a 3x3 convolution without stride or pooling, as in https://github.com/kuangliu/pytorch-cifar.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from runners.networks.architectures import ARCHITECTURES
from runners.networks.architectures.initialisation import he_normal
from runners.networks.architectures.resnet import BasicBlock, projection_shortcut

STEM = 64
WIDTHS, STRIDES = (64, 128, 256, 512), (1, 2, 2, 2)
EXPANSION = 4

MakeBlock = Callable[[int, int, int], nn.Module]  # of inputs, outputs, stride


class Bottleneck(nn.Module):
    """Three convolutions with batch norm, 1x1, 3x3 and 1x1, and a shortcut added to their output."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        """inputs, outputs: numbers of channels; hidden: outputs / 4. stride: of the 3x3 convolution."""
        super().__init__()
        width = outputs // EXPANSION
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity() if inputs == outputs else projection_shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, outputs, height / stride, width / stride), rounded up."""
        hidden = F.relu(self.bn1(self.conv1(x)))
        hidden = F.relu(self.bn2(self.conv2(hidden)))
        return F.relu(self.bn3(self.conv3(hidden)) + self.shortcut(x))


class ImageNetResNet(nn.Module):
    """A convolution, four stages of blocks, the mean over all pixels, and a linear layer."""

    def __init__(
        self, block: MakeBlock, blocks_per_stage: tuple[int, int, int, int], expansion: int, channels: int, classes: int
    ) -> None:
        """block: makes one block. expansion: outputs of a block / width of its stage."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels, STEM, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        stages: list[nn.Module] = []
        inputs = STEM
        for width, stride, n in zip(WIDTHS, STRIDES, blocks_per_stage, strict=True):
            outputs = width * expansion
            others = [block(outputs, outputs, 1) for _ in range(n - 1)]
            stages.append(nn.Sequential(block(inputs, outputs, stride), *others))
            inputs = outputs
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.linear = nn.Linear(inputs, classes)
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return one output a class, (n, classes)."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.linear(x.mean((2, 3)))  # type: ignore[no-any-return]


def _basic(inputs: int, outputs: int, stride: int) -> nn.Module:
    return BasicBlock(inputs, outputs, stride, projection_shortcut)


@ARCHITECTURES.register("resnet18")
def resnet18(channels: int, size: int, classes: int) -> nn.Module:
    """ResNet-18 with a 3x3 stem for small images, 11,173,962 parameters on CIFAR-10 (He et al. 2016)."""
    return ImageNetResNet(_basic, (2, 2, 2, 2), 1, channels, classes)


@ARCHITECTURES.register("resnet50")
def resnet50(channels: int, size: int, classes: int) -> nn.Module:
    """ResNet-50 with a 3x3 stem for small images, 23,520,842 parameters on CIFAR-10 (He et al. 2016)."""
    return ImageNetResNet(Bottleneck, (3, 4, 6, 3), EXPANSION, channels, classes)
