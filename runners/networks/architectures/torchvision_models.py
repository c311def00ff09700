"""The classification networks of torchvision, for ImageNet: named `torchvision/NAME`, built without their weights.

torchvision, which takes half a second, is imported only when such a name is requested.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from results.errors import InputError
from runners.networks.architectures import ARCHITECTURES

PREFIX = "torchvision/"
CHANNELS = 3

# auxiliary outputs serve training alone, and would be a second output layer to prune
WITHOUT_AUXILIARY = {"aux_logits": False, "init_weights": True}
ARGUMENTS: dict[str, dict[str, Any]] = {"googlenet": WITHOUT_AUXILIARY, "inception_v3": WITHOUT_AUXILIARY}


class TorchvisionModel:
    """Builds a network of torchvision at the evaluation resolution of its published weights."""

    def __init__(self, name: str) -> None:
        """name: one of torchvision.models.list_models."""
        self.name = name
        self.resolution: int = _models().get_model_weights(name).DEFAULT.transforms().crop_size[0]
        self.__doc__ = f"{name} of torchvision, at {self.resolution}x{self.resolution}."

    def __call__(self, channels: int, size: int, classes: int) -> nn.Module:
        """Return the untrained network. Raises InputError if images are not 3 channels at its resolution."""
        own = (CHANNELS, self.resolution, self.resolution)
        if (channels, size, size) != own:
            raise InputError(f"{PREFIX}{self.name} takes images of {_text(own)}, not {_text((channels, size, size))}")
        arguments = {"num_classes": classes} | ARGUMENTS.get(self.name, {})
        if self.name.startswith("vit_"):  # its position embedding is made for one size
            arguments["image_size"] = size
        network: nn.Module = _models().get_model(self.name, weights=None, **arguments)
        return network


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _models() -> Any:
    from runners.vision import torchvision

    return torchvision.models


def _names() -> list[str]:
    return list(_models().list_models(module=_models()))


ARCHITECTURES.provide(
    PREFIX, _names, TorchvisionModel, "every classification network of torchvision, at its own resolution"
)
