"""Sparse layers: make a masked network faster with the sparse formats that torch supports on the device.

    network, realisation = deploy(masked, ["conv1", "fc"], example)

`deploy` replaces layers, `plan` and `rebuild` describe and rebuild them, `densified` restores dense layers. The inputs
of a replaced layer are in `columns`, its storage formats in `products`, the choice of a format in `autotuning`.
"""

from runners.networks.sparse.autotuning import time_interleaved
from runners.networks.sparse.deployment import deploy
from runners.networks.sparse.description import build, densified, describe, plan, rebuild
from runners.networks.sparse.layers import SparseConv2d, SparseLinear

__all__ = [
    "SparseConv2d",
    "SparseLinear",
    "build",
    "densified",
    "deploy",
    "describe",
    "plan",
    "rebuild",
    "time_interleaved",
]
