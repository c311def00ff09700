"""Sparse layers: a masked network made faster by what torch offers on the device, where anything is.

    network, realisation = deploy(masked, ["conv1", "fc"], example)

`deploy` replaces layers, `plan` and `rebuild` write down which and build them again, `densified` undoes it. What a
replaced layer reads is in `columns`, how its matrix is stored in `products`, which of them is taken in `choice`.
"""

from runners.sparse.autotuning import time_interleaved
from runners.sparse.deployment import deploy
from runners.sparse.description import build, densified, describe, plan, rebuild
from runners.sparse.layers import SparseConv2d, SparseLinear

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
