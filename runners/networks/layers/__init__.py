"""Layers of klevel's own, and what changes in a layer when its channels are removed.

The parameters of a layer are sliced by `runners.networks.compaction`, the same for all. What a kind of layer knows of
its widths beside them is said here, once, in one file per kind, as functions that dispatch on its class:

- `resize(layer, change)` sets attributes, or returns a layer that takes its place;
- `counts_channels(layer)`: whether that layer counts the channels that are gone in its means;
- `channel_sources(layer)`: where the channels come from that a layer passes on, if its operations cannot say it.
"""

import importlib
import pkgutil

from runners.networks.layers.kinds import Change, channel_sources, counts_channels, is_opaque, resize

for _module in sorted(pkgutil.iter_modules(__path__), key=lambda m: m.name):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["Change", "channel_sources", "counts_channels", "is_opaque", "resize"]
