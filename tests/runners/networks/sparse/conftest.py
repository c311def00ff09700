"""Layers with zeros of every grouping, and what they read."""

import pytest
import torch
from torch import nn


def mask_of(weight, grouping, keep, block=4):
    """A random mask that broadcasts against a weight, and keeps something at least."""
    outputs, inputs, *kernel = weight.shape
    if grouping == "n_of_m":
        ranks = torch.rand(outputs, -(-inputs // 4), 4, *kernel).argsort(2)
        return (ranks < max(1, round(4 * keep))).flatten(1, 2)[:, :inputs]
    if grouping == "block":
        tiles = torch.rand(-(-outputs // block), -(-inputs // block), *kernel) < keep
        tiles[0, 0] = True
        return tiles.repeat_interleave(block, 0).repeat_interleave(block, 1)[:outputs, :inputs]
    shape = {"shape": (1, inputs, *kernel), "kernel": (outputs, inputs, *[1 for _ in kernel])}
    mask = torch.rand(shape.get(grouping, weight.shape)) < keep
    mask[0, 0] = True
    return mask


@pytest.fixture
def prune():
    """Return a layer in whose weight random groups are exactly zero."""

    @torch.no_grad()
    def of(layer, grouping, keep):
        layer.weight *= mask_of(layer.weight, grouping, keep)
        return layer

    return of


@pytest.fixture
def pruned_network(prune):
    """Return a small network with a strided, a 1 x 1 and two linear layers, zeros of a grouping in all but the last."""

    def of(grouping, keep=0.25):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(8, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(16, 8, 1),
            nn.Flatten(),
            nn.Linear(8 * 4 * 4, 32),
            nn.ReLU(),
            nn.Linear(32, 10),
        )
        for name in ("0", "3", "5", "7"):
            prune(network.get_submodule(name), grouping, keep)
        return network.to(memory_format=torch.channels_last).eval(), ["0", "3", "5", "7"], torch.randn(3, 8, 8, 8)

    return of
