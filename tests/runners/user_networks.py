"""Networks of a user's own, as a suite names them: `tests.runners.user_networks:residual`."""

import os
import random
import signal
import time
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

RESIDUAL = "tests.runners.user_networks:residual"


def network_for(grouping):
    """The name of a small network with groups of this kind."""
    return RESIDUAL if grouping == "depth" else "lenet5"


class Block(nn.Module):
    """A residual block whose shortcut is the input."""

    def __init__(self, width):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)) + x)


def residual(channels, size, classes):
    """Three residual blocks of 8 filters on every second pixel."""
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes)]
    return nn.Sequential(nn.Conv2d(channels, 8, 3, stride=2), *[Block(8) for _ in range(3)], *head)


class Layer(nn.Module):
    """A function as a layer."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def small(channels, size, classes, head=None):
    """Two convolutions of 6 filters on every fourth pixel, then the head: the mean of each map, and a linear layer."""
    convolutions = [nn.Conv2d(channels, 6, 3, stride=4), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*convolutions, *(head or [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, classes)]))


def view(channels, size, classes):
    """The maps as a view, which takes them to be contiguous."""
    flat = Layer(lambda x: x.view(x.size(0), -1))
    return small(channels, size, classes, [flat, nn.Linear(6 * ((size + 1) // 4) ** 2, classes)])


def lazy(channels, size, classes):
    """A linear layer that has no shape before the first image."""
    return small(channels, size, classes, [nn.Flatten(), nn.LazyLinear(classes)])


class Doubled(torch.autograd.Function):
    """x, whose gradient is a view of what comes back, which takes it to be contiguous."""

    @staticmethod
    def forward(context, x):
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        return gradient.view(-1).view(gradient.shape)


def view_of_gradient(channels, size, classes):
    """A layer that fails with channels last in the backward pass alone."""
    mean = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, classes)]
    return small(channels, size, classes, [Layer(Doubled.apply), nn.Conv2d(6, 6, 1), *mean])


def solid(channels, size, classes):
    """A convolution over images as volumes of one layer, then one over images."""
    volume = [Layer(lambda x: x[:, :, None]), nn.Conv3d(channels, 4, (1, 3, 3), (1, 4, 4)), Layer(lambda x: x[:, :, 0])]
    return nn.Sequential(*volume, nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))


def batch_norm(channels, size, classes):
    """A hidden layer with batch norm, which has no variance of one image."""
    hidden = [nn.Linear(channels * size * size, 16), nn.BatchNorm1d(16), nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(16, classes))


def linear(channels, size, classes):
    """One linear layer: nothing is hidden, so nothing can be divided."""
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * size * size, classes))


def loud(channels, size, classes):
    """Logits of a hundred thousand, which float32 rounds by more than 1e-4."""
    hidden = [nn.Linear(channels * size * size, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(256, classes), Layer(lambda x: 1e6 * x))


def drawn(channels, size, classes, draw):
    """Return weights of this function of a shape."""
    network = small(channels, size, classes)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.as_tensor(draw(parameter.shape)))
    return network


def numpy_init(channels, size, classes):
    """Weights drawn by numpy."""
    return drawn(channels, size, classes, lambda shape: 0.1 * np.random.randn(*shape))


def random_init(channels, size, classes):
    """Weights drawn by Python."""
    return drawn(channels, size, classes, lambda shape: random.uniform(-0.1, 0.1) * torch.ones(shape))


def entropy_init(channels, size, classes):
    """Weights that no seed determines."""
    return drawn(channels, size, classes, lambda shape: int.from_bytes(os.urandom(4)) / 2**34 * torch.ones(shape))


@cache
def cached(channels, size, classes):
    """The same object at every call."""
    return small(channels, size, classes)


class Rows(nn.Module):
    """An LSTM over the rows of an image."""

    def __init__(self, size, classes):
        super().__init__()
        self.rnn, self.hidden = nn.LSTM(size, 64, batch_first=True), nn.Linear(64, 32)
        self.out = nn.Linear(32, classes)

    def forward(self, x):
        return self.out(F.relu(self.hidden(self.rnn(x.mean(1))[0][:, -1])))


def lstm(channels, size, classes):
    """An LSTM over the rows of an image, and two linear layers."""
    return Rows(size, classes)


class Squared(nn.Module):
    """Products of all pairs of features, in an operator that torch does not count."""

    def __init__(self, features, outputs):
        super().__init__()
        self.pairs = nn.Bilinear(features, features, outputs)

    def forward(self, x):
        return self.pairs(x, x)


def bilinear(channels, size, classes):
    """Two convolutions, and a bilinear layer, whose multiply-adds torch does not know."""
    return small(channels, size, classes, [Layer(lambda x: x.mean((2, 3))), Squared(6, 8), nn.Linear(8, classes)])


class Ending(nn.Module):
    """A layer whose first training step ends the process, or never ends."""

    def __init__(self, end):
        super().__init__()
        self.end = end

    def forward(self, x):
        if self.training:
            self.end()
        return x


def _kill():
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_once():
    wanted = Path(os.environ["KLEVEL_TEST_KILL"])
    if wanted.exists():
        wanted.unlink()
        _kill()


def killed(channels, size, classes):
    """A network whose training is killed."""
    return small(channels, size, classes, [Ending(_kill), nn.Flatten(), nn.LazyLinear(classes)])


def killed_once(channels, size, classes):
    """A network whose training is killed while there is a file $KLEVEL_TEST_KILL, which it removes."""
    return small(channels, size, classes, [Ending(_kill_once), nn.Flatten(), nn.LazyLinear(classes)])


def exits(channels, size, classes):
    """A network whose training ends the process."""
    return small(channels, size, classes, [Ending(lambda: os._exit(3)), nn.Flatten(), nn.LazyLinear(classes)])


def sleeps(channels, size, classes):
    """A network whose training does not end."""
    return small(channels, size, classes, [Ending(lambda: time.sleep(1000)), nn.Flatten(), nn.LazyLinear(classes)])
