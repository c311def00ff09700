"""Import torchvision; other modules import it from here.

The CUDA wheel of torchvision cannot be imported with a CPU build of torch: it registers fake kernels for operators
(torchvision::nms, ...) whose library could not be loaded. klevel needs its dataset readers, models and transforms, but
no detectors, so on exactly that failure torchvision is imported again without those registrations.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any
from unittest import mock

import torch


def _skip_torchvision(register: Callable[..., Any]) -> Callable[..., Any]:
    def register_fake(op: Any, *args: Any, **kwargs: Any) -> Any:
        if str(op).startswith("torchvision::"):
            return lambda kernel: kernel
        return register(op, *args, **kwargs)

    return register_fake


try:
    import torchvision
except RuntimeError as error:
    if "torchvision::" not in str(error):
        raise
    for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    with mock.patch.object(torch.library, "register_fake", _skip_torchvision(torch.library.register_fake)):
        import torchvision

__all__ = ["torchvision"]
