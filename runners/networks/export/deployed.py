"""Load a network that `klevel export` wrote, without methods, training, or data.

    from runners.networks.export.deployed import load

    network = load("DIR")  # in evaluation mode, on the CPU
    scores = network(images)  # float32 (n, channels, size, size), normalised as in plan.json

The folder contains no code: `plan.json` is JSON, `network.pt` is read with `weights_only`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from results.errors import InputError
from runners.networks.architectures import ARCHITECTURES
from runners.networks.export.plan import apply_plan

PLAN, WEIGHTS, ONNX = "plan.json", "network.pt", "network.onnx"
FORMAT = 1


def load(folder: str | Path, dense: nn.Module | None = None) -> nn.Module:
    """Return the network of an export, on the CPU and in evaluation mode; see `read_plan` for its input.

    dense: a network of the same code as the one that was pruned, with any weights, for an export that names no
    architecture; it is copied. Raises InputError if the folder is not an export, or this version of klevel cannot build
    it.
    """
    plan = read_plan(folder)
    network = apply_plan(plan, _dense(folder, plan) if dense is None else copy.deepcopy(dense).cpu())
    path = Path(folder) / WEIGHTS
    try:
        # assigned, not copied, to keep the memory layout of the weights, which affects speed and rounding
        network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"), assign=True)
    except OSError:
        raise
    except Exception as error:  # torch may raise anything for a corrupt file
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not the weights of {PLAN} beside it ({reason})") from error
    return network.eval()


def _dense(folder: str | Path, plan: Mapping[str, Any]) -> nn.Module:
    """Return the dense network of a plan, untrained."""
    if "architecture" not in plan:
        raise InputError(f"{Path(folder) / PLAN}: names no architecture; give load the network that was pruned")
    build = plan["architecture"]
    return ARCHITECTURES[build["name"]](build["channels"], build["size"], build["classes"])


def read_plan(folder: str | Path) -> dict[str, Any]:
    """Return the plan of an export. Raises InputError if there is none of this format.

    format: version of the format. trial: columns of the trial's row. architecture: name and arguments of the dense
    network. input: shape of one image. normalisation: mean and std per channel, for pixels in [0, 255]; the network
    takes (pixels - mean) / std. modules, tensors: see `runners.networks.export.plan`; a sliced tensor has `of`,
    `dense_shape` and `kept`: the kept indices of each dim of the dense tensor, null for all.
    """
    path = Path(folder) / PLAN
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{folder}: no export of klevel: {PLAN} is not there") from None
    except ValueError:  # no JSON, or no UTF-8
        raise InputError(f"{path}: not JSON") from None
    if not isinstance(plan, dict) or plan.get("format") != FORMAT:
        raise InputError(f"{path}: not a plan of format {FORMAT}, which this version of klevel reads")
    return plan
