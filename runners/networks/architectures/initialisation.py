"""The initial weights of convolutional networks."""

from __future__ import annotations

from torch import nn


def he_normal(network: nn.Module) -> None:
    """Initialise convolutions and linear layers as in He et al. 2015: normal weights of variance 2 / inputs."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
