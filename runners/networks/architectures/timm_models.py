"""The networks of timm: named `timm/NAME`, built as classifiers without their weights.

timm is imported only when such a name is requested; it is not among what klevel requires.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

from torch import nn

from results.errors import InputError
from runners.networks.architectures import ARCHITECTURES

PREFIX = "timm/"
NEEDED = "timm/NAME needs the package timm: pip install 'klevel[timm]'"


class TimmModel:
    """Builds a network of timm at the input size of its default configuration."""

    def __init__(self, name: str) -> None:
        """name: one of timm.list_models. Raises InputError if its images are not square."""
        self.name = name
        _, height, width = _timm().models.get_pretrained_cfg(name).input_size
        if height != width:
            raise InputError(f"{PREFIX}{name} takes images of {height}x{width}, and klevel has square ones alone")
        self.resolution: int = height
        self.__doc__ = f"{name} of timm, at {height}x{height}."

    def __call__(self, channels: int, size: int, classes: int) -> nn.Module:
        """Return the untrained network, for any number of channels.

        Raises InputError if images are not of its resolution, if timm cannot build it, or if it classifies nothing.
        """
        if size != self.resolution:
            own = f"{self.resolution}x{self.resolution}"
            raise InputError(f"{PREFIX}{self.name} takes images of {own}, not {size}x{size}")
        try:
            network: nn.Module = _timm().create_model(
                self.name, pretrained=False, in_chans=channels, num_classes=classes
            )
        except Exception as error:  # timm may raise anything for what a network does not support
            reason = " ".join(str(error).split())[:120]
            raise InputError(
                f"timm cannot build {PREFIX}{self.name} for {channels} channels and {classes} classes "
                f"({type(error).__name__}: {reason})"
            ) from error
        if getattr(network, "num_classes", classes) != classes:
            raise InputError(f"{PREFIX}{self.name} computes features, it has no output per class")
        return network


def _timm() -> Any:
    """Import timm, after torchvision, which timm imports without the care of `runners.vision`."""
    importlib.import_module("runners.vision")
    try:
        return importlib.import_module("timm")
    except ModuleNotFoundError as error:
        raise InputError(NEEDED) from error


def _names() -> Iterable[str]:
    names: list[str] = _timm().list_models()
    return names


ARCHITECTURES.provide(
    PREFIX,
    _names,
    TimmModel,
    "any network of timm (pip install 'klevel[timm]'), at its own resolution; timm.list_models() has their names",
    listed=False,
)
