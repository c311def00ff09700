"""Fully connected networks."""

from __future__ import annotations

from torch import nn

from runners.networks.architectures import ARCHITECTURES


@ARCHITECTURES.register("mlp")
def mlp(channels: int, size: int, classes: int) -> nn.Module:
    """LeNet-300-100: two hidden layers of 300 and 100 neurons (LeCun et al. 1998)."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(channels * size * size, 300),
        nn.ReLU(),
        nn.Linear(300, 100),
        nn.ReLU(),
        nn.Linear(100, classes),
    )
