"""Networks by name. An entry takes (channels, size, classes) of the data and returns an untrained network.

An entry with an attribute `resolution` needs images of that size; `runners.data` resizes images to it. An entry raises
InputError for a shape that it does not support.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from runners.registry import Registry

Build = Callable[[int, int, int], nn.Module]

ARCHITECTURES: Registry[Build] = Registry("architecture", "(channels, size, classes) -> network")
ARCHITECTURES.discover(__name__, list(__path__))


def resolution(name: str) -> int | None:
    """Return the height and width in pixels that an architecture needs; None if it accepts the size of the data.

    Raises InputError if there is no such architecture.
    """
    size: int | None = getattr(ARCHITECTURES[name], "resolution", None)
    return size
