"""Networks by name. An entry takes (channels, size, classes) of the data and returns an untrained network."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from runners.registry import Registry

Build = Callable[[int, int, int], nn.Module]

ARCHITECTURES: Registry[Build] = Registry("architecture")
ARCHITECTURES.discover(__name__, list(__path__))
