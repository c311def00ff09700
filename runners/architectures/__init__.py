"""Networks by name. An entry takes (channels, size, classes) of the data and returns an untrained network.

An entry that only works on images of a size of its own has that size as its attribute `resolution`; what prepares
the data resizes them to it. An entry that cannot work with a shape raises InputError.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from runners.registry import Registry

Build = Callable[[int, int, int], nn.Module]

ARCHITECTURES: Registry[Build] = Registry("architecture", "(channels, size, classes) -> network")
ARCHITECTURES.discover(__name__, list(__path__))


def resolution(name: str) -> int | None:
    """Return the height and width in pixels that an architecture's images must have; None where the data decides.

    Raises InputError where there is no such architecture.
    """
    size: int | None = getattr(ARCHITECTURES[name], "resolution", None)
    return size
