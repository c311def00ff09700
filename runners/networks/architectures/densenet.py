"""The densely connected networks for 32x32 images of Huang et al. 2017, without bottlenecks or compression."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from runners.networks.architectures import ARCHITECTURES
from runners.networks.architectures.initialisation import he_normal

STEM = 16
DENSE_BLOCKS = 3


class DenseLayer(nn.Module):
    """Batch norm, ReLU and a 3x3 convolution; its outputs are concatenated to the input channels."""

    def __init__(self, inputs: int, growth: int) -> None:
        """inputs: number of channels. growth: number of added channels."""
        super().__init__()
        self.bn = nn.BatchNorm2d(inputs)
        self.conv = nn.Conv2d(inputs, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, inputs + growth, height, width)."""
        return torch.cat([x, self.conv(F.relu(self.bn(x)))], 1)


class Transition(nn.Module):
    """Batch norm, ReLU, a 1x1 convolution and the mean over 2x2 pixels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """inputs, outputs: numbers of channels."""
        super().__init__()
        self.bn = nn.BatchNorm2d(inputs)
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, outputs, height / 2, width / 2), rounded down."""
        return F.avg_pool2d(self.conv(F.relu(self.bn(x))), 2)


class DenseNet(nn.Module):
    """A convolution, three dense blocks with transitions between them, batch norm, the mean, and a linear layer."""

    def __init__(self, depth: int, growth: int, channels: int, classes: int) -> None:
        """depth: number of layers, 3 n + 4. growth: channels added by a layer, k in the paper."""
        super().__init__()
        self.conv = nn.Conv2d(channels, STEM, 3, padding=1, bias=False)
        width = STEM
        layers: list[nn.Module] = []
        for block in range(DENSE_BLOCKS):
            layers += [Transition(width, width)] if block else []
            for _ in range((depth - DENSE_BLOCKS - 1) // DENSE_BLOCKS):
                layers.append(DenseLayer(width, growth))
                width += growth
        self.layers = nn.Sequential(*layers)
        self.bn = nn.BatchNorm2d(width)
        self.linear = nn.Linear(width, classes)
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return one output a class, (n, classes)."""
        x = F.relu(self.bn(self.layers(self.conv(x))))
        return self.linear(x.mean((2, 3)))  # type: ignore[no-any-return]


@ARCHITECTURES.register("densenet40")
def densenet40(channels: int, size: int, classes: int) -> nn.Module:
    """DenseNet-40 with k = 12 for CIFAR, 1,019,722 parameters on CIFAR-10 (Huang et al. 2017)."""
    return DenseNet(40, 12, channels, classes)
