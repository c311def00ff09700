"""The residual networks for 32x32 images of He et al. 2016, section 4.2.

If a shortcut changes the shape, it pads with zeros (option A) or is a 1x1 convolution (option B, `_b`). The names in
the state dict are those of https://github.com/akamaster/pytorch_resnet_cifar10, so its weights fit.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from runners.networks.architectures import ARCHITECTURES
from runners.networks.architectures.initialisation import he_normal
from runners.networks.layers.zero_padding_shortcut import ZeroPaddingShortcut

WIDTHS = (16, 32, 64)

MakeShortcut = Callable[[int, int, int], nn.Module]  # of inputs, outputs, stride


def projection_shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    """Return the projection shortcut of option B: a 1x1 convolution with batch norm."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Two convolutions with batch norm, and a shortcut added to their output."""

    def __init__(self, inputs: int, outputs: int, stride: int, shortcut: MakeShortcut = ZeroPaddingShortcut) -> None:
        """inputs, outputs: channels. stride: of the first convolution. shortcut: makes one that changes the shape."""
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity() if inputs == outputs else shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, outputs, height / stride, width / stride), rounded up."""
        hidden = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(hidden)) + self.shortcut(x))


class CifarResNet(nn.Module):
    """A convolution, three stages of residual blocks, the mean over all pixels, and a linear layer."""

    def __init__(
        self, blocks_per_stage: int, channels: int, classes: int, shortcut: MakeShortcut = ZeroPaddingShortcut
    ) -> None:
        """blocks_per_stage: the network has 6 times as many + 2 layers. channels: of an image."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels, WIDTHS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.layer1 = _stage(WIDTHS[0], WIDTHS[0], blocks_per_stage, 1, shortcut)
        self.layer2 = _stage(WIDTHS[0], WIDTHS[1], blocks_per_stage, 2, shortcut)
        self.layer3 = _stage(WIDTHS[1], WIDTHS[2], blocks_per_stage, 2, shortcut)
        self.linear = nn.Linear(WIDTHS[2], classes)
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return one output a class, (n, classes)."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))  # type: ignore[no-any-return]


def _stage(inputs: int, outputs: int, blocks_per_stage: int, stride: int, shortcut: MakeShortcut) -> nn.Sequential:
    others = [BasicBlock(outputs, outputs, 1) for _ in range(blocks_per_stage - 1)]
    return nn.Sequential(BasicBlock(inputs, outputs, stride, shortcut), *others)


@ARCHITECTURES.register("resnet20")
def resnet20(channels: int, size: int, classes: int) -> nn.Module:
    """ResNet-20 for CIFAR, 269,722 parameters (He et al. 2016)."""
    return CifarResNet(3, channels, classes)


@ARCHITECTURES.register("resnet32")
def resnet32(channels: int, size: int, classes: int) -> nn.Module:
    """ResNet-32 for CIFAR, 464,154 parameters (He et al. 2016)."""
    return CifarResNet(5, channels, classes)


@ARCHITECTURES.register("resnet56")
def resnet56(channels: int, size: int, classes: int) -> nn.Module:
    """ResNet-56 for CIFAR, 853,018 parameters (He et al. 2016)."""
    return CifarResNet(9, channels, classes)


@ARCHITECTURES.register("resnet110")
def resnet110(channels: int, size: int, classes: int) -> nn.Module:
    """ResNet-110 for CIFAR, 1,727,962 parameters (He et al. 2016)."""
    return CifarResNet(18, channels, classes)


@ARCHITECTURES.register("resnet20_b")
def resnet20_b(channels: int, size: int, classes: int) -> nn.Module:
    """ResNet-20 for CIFAR with 1x1 convolutions as shortcuts, 272,474 parameters (He et al. 2016, option B)."""
    return CifarResNet(3, channels, classes, projection_shortcut)


@ARCHITECTURES.register("resnet32_b")
def resnet32_b(channels: int, size: int, classes: int) -> nn.Module:
    """ResNet-32 for CIFAR with 1x1 convolutions as shortcuts, 466,906 parameters (He et al. 2016, option B)."""
    return CifarResNet(5, channels, classes, projection_shortcut)


@ARCHITECTURES.register("resnet56_b")
def resnet56_b(channels: int, size: int, classes: int) -> nn.Module:
    """ResNet-56 for CIFAR with 1x1 convolutions as shortcuts, 855,770 parameters (He et al. 2016, option B)."""
    return CifarResNet(9, channels, classes, projection_shortcut)


@ARCHITECTURES.register("resnet110_b")
def resnet110_b(channels: int, size: int, classes: int) -> nn.Module:
    """ResNet-110 for CIFAR with 1x1 convolutions as shortcuts, 1,730,714 parameters (He et al. 2016, option B)."""
    return CifarResNet(18, channels, classes, projection_shortcut)
