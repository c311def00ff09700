"""Networks and images that are measured: nothing is downloaded, and every machine has the same."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from runners.datasets import Images
from runners.networks.architectures import ARCHITECTURES
from runners.networks.layout import channels_last
from runners.networks.pruning import Budget, groups_of, project, realise

CLASSES = 10
GREY, COLOURED, MANY = (f"{__name__}:{name}" for name in ("grey", "coloured", "many"))
OF_28 = ("mlp", "lenet5_caffe")  # the others take 3 x 32 x 32


def grey() -> Images:
    """2,000 grey images of 28 x 28 pixels, and 200 to test on: noise over a pattern for each class."""
    return _images(1, 28, 2000, 200)


def coloured() -> Images:
    """2,000 coloured images of 32 x 32 pixels, and 200 to test on: noise over a pattern for each class."""
    return _images(3, 32, 2000, 200)


def many() -> Images:
    """10,000 coloured images of 32 x 32 pixels, and 2,000 to test on: the proportions of CIFAR-10."""
    return _images(3, 32, 10_000, 2000)


def _images(channels: int, size: int, train: int, test: int) -> Images:
    generator = torch.Generator().manual_seed(0)
    patterns = torch.randint(0, 128, (CLASSES, channels, size, size), generator=generator, dtype=torch.uint8)

    def part(n: int) -> tuple[Tensor, Tensor]:
        labels = torch.arange(n) % CLASSES
        noise = torch.randint(0, 128, (n, channels, size, size), generator=generator, dtype=torch.uint8)
        return patterns[labels] + noise, labels

    return Images(*part(train), *part(test), classes=CLASSES)


def dataset_of(architecture: str) -> str:
    """Return the name of the images that an architecture is trained on here."""
    return GREY if architecture in OF_28 else COLOURED


@dataclass(frozen=True)
class Setting:
    """A network with a batch to train it on."""

    network: nn.Module
    images: Tensor
    labels: Tensor

    @classmethod
    def of(cls, architecture: str, batch: int, seed: int = 0) -> Setting:
        """Return an untrained network, channels last as the runner has it, and random images."""
        torch.manual_seed(seed)
        channels, size = (1, 28) if architecture in OF_28 else (3, 32)
        images = torch.randn(batch, channels, size, size)
        network = channels_last(ARCHITECTURES[architecture](channels, size, CLASSES), images)
        return cls(network, images, torch.arange(batch) % CLASSES)

    def of_network(self, network: nn.Module) -> Setting:
        """Return another network on the same batch."""
        return Setting(network, self.images, self.labels)

    def optimizer(self, lr: float = 0.05) -> torch.optim.Optimizer:
        """Return SGD with momentum 0.9, as the recipes have it."""
        return torch.optim.SGD(self.network.parameters(), lr, momentum=0.9, weight_decay=5e-4)

    def training_step(self, optimizer: torch.optim.Optimizer | None = None) -> Callable[[], None]:
        """Return a function that does a training step: forward, backward, optimiser."""
        network, images, labels = self.network.train(), self.images, self.labels
        optimizer = optimizer or self.optimizer()

        def step() -> None:
            loss = F.cross_entropy(network(images), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

        return step

    def pruned(self, grouping: str, keep: float) -> nn.Module:
        """Return a smaller copy of the network, without all but the largest groups."""
        masked, example = copy.deepcopy(self.network), self.images[:2]
        groups = groups_of(masked, example, grouping)
        masks = project(groups, Budget.of(groups, keep))
        return realise(masked, groups, masks, grouping, example).network
