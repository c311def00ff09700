"""MobileNets with the strides for 32x32 images, and ReLU, of https://github.com/kuangliu/pytorch-cifar."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from runners.networks.architectures import ARCHITECTURES
from runners.networks.architectures.initialisation import he_normal
from runners.networks.architectures.resnet import projection_shortcut

STEM = 32
V1 = (  # outputs and stride of each block
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)),
)
V2 = (  # expansion, outputs, number of blocks, and stride of the first block
    *((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2)),
    *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
)
V2_FEATURES = 1280


class Separable(nn.Module):
    """A depthwise 3x3 convolution and a pointwise 1x1 convolution, both with batch norm and ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        """inputs, outputs: numbers of channels. stride: of the 3x3 convolution."""
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 3, stride=stride, padding=1, groups=inputs, bias=False)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv2 = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, outputs, height / stride, width / stride), rounded up."""
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class InvertedResidual(nn.Module):
    """A 1x1 convolution that expands the channels, a depthwise 3x3 one, and a 1x1 one to few channels, without ReLU."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        """inputs, outputs: numbers of channels. expansion: hidden channels / inputs. stride: of the 3x3 convolution."""
        super().__init__()
        width = expansion * inputs
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, groups=width, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.adds = stride == 1
        self.shortcut = projection_shortcut(inputs, outputs, 1) if self.adds and inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, outputs, height / stride, width / stride), rounded up."""
        hidden = F.relu(self.bn1(self.conv1(x)))
        hidden = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(hidden)))))
        return hidden + self.shortcut(x) if self.adds else hidden  # type: ignore[no-any-return]


class MobileNetV1(nn.Module):
    """A convolution, separable convolutions, the mean over all pixels, and a linear layer."""

    def __init__(self, channels: int, classes: int) -> None:
        """channels: of an image."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels, STEM, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        widths = [STEM, *(outputs for outputs, _ in V1)]
        self.layers = nn.Sequential(*[Separable(i, o, s) for i, (o, s) in zip(widths, V1, strict=False)])
        self.linear = nn.Linear(widths[-1], classes)
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return one output a class, (n, classes)."""
        x = self.layers(F.relu(self.bn1(self.conv1(x))))
        return self.linear(x.mean((2, 3)))  # type: ignore[no-any-return]


class MobileNetV2(nn.Module):
    """A convolution, inverted residuals, a 1x1 convolution, the mean over all pixels, and a linear layer."""

    def __init__(self, channels: int, classes: int) -> None:
        """channels: of an image."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels, STEM, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        blocks: list[nn.Module] = []
        inputs = STEM
        for expansion, outputs, n, stride in V2:
            for i in range(n):
                blocks.append(InvertedResidual(inputs, outputs, expansion, stride if i == 0 else 1))
                inputs = outputs
        self.layers = nn.Sequential(*blocks)
        self.conv2 = nn.Conv2d(inputs, V2_FEATURES, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(V2_FEATURES)
        self.linear = nn.Linear(V2_FEATURES, classes)
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return one output a class, (n, classes)."""
        x = self.layers(F.relu(self.bn1(self.conv1(x))))
        x = F.relu(self.bn2(self.conv2(x)))
        return self.linear(x.mean((2, 3)))  # type: ignore[no-any-return]


@ARCHITECTURES.register("mobilenet_v1")
def mobilenet_v1(channels: int, size: int, classes: int) -> nn.Module:
    """MobileNet with the strides for small images, 3,217,226 parameters on CIFAR-10 (Howard et al. 2017)."""
    return MobileNetV1(channels, classes)


@ARCHITECTURES.register("mobilenet_v2")
def mobilenet_v2(channels: int, size: int, classes: int) -> nn.Module:
    """MobileNetV2 with the strides for small images, 2,296,922 parameters on CIFAR-10 (Sandler et al. 2018)."""
    return MobileNetV2(channels, classes)
