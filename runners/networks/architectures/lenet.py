"""The two LeNet-5 of the literature, with ReLU and max pooling."""

from __future__ import annotations

from torch import nn

from runners.networks.architectures import ARCHITECTURES


def _stage(inputs: int, filters: int, padding: int = 0) -> list[nn.Module]:
    return [nn.Conv2d(inputs, filters, 5, padding=padding), nn.ReLU(), nn.MaxPool2d(2)]


def _head(inputs: int, widths: tuple[int, ...], classes: int) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Flatten()]
    for width in widths:
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    return [*layers, nn.Linear(inputs, classes)]


@ARCHITECTURES.register("lenet5")
def lenet5(channels: int, size: int, classes: int) -> nn.Module:
    """LeNet-5 as in the PyTorch tutorials: 6-16 filters, 120-84 neurons; 28x28 images are padded to 32x32."""
    padding = 2 if size == 28 else 0
    side = ((size + 2 * padding - 4) // 2 - 4) // 2
    body = [*_stage(channels, 6, padding), *_stage(6, 16)]
    return nn.Sequential(*body, *_head(16 * side * side, (120, 84), classes))


@ARCHITECTURES.register("lenet5_caffe")
def lenet5_caffe(channels: int, size: int, classes: int) -> nn.Module:
    """LeNet-5 as in Caffe, the one of most pruning papers: 20-50 filters, 500 neurons, 431,080 parameters on MNIST."""
    side = ((size - 4) // 2 - 4) // 2
    body = [*_stage(channels, 20), *_stage(20, 50)]
    return nn.Sequential(*body, *_head(50 * side * side, (500,), classes))
