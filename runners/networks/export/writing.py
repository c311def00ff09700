"""Export a compact network: weights, a plan of kept indices, and ONNX.

`write` makes a folder that `runners.networks.export.deployed.load` reads, without methods, training, or data.
"""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from runners.networks.compaction import realise
from runners.networks.export import numbering
from runners.networks.export.deployed import PLAN, WEIGHTS
from runners.networks.export.plan import Plan, compare
from runners.networks.groupings import GROUPINGS


@dataclass(frozen=True)
class NetworkPair:
    """A masked network, and the compact network with its final weights."""

    masked: nn.Module
    compact: nn.Module


def plan_with_origins(
    pair: NetworkPair, masks: list[Tensor], grouping: str, example: Tensor, round_to: int = 1
) -> Plan:
    """Return the plan of a compact network, with the kept indices of every sliced tensor."""
    plan = compare(pair.masked, pair.compact)
    if any(plan["tensors"].values()):
        origins = _origins(pair, masks, grouping, example, round_to)
        for name, entry in plan["tensors"].items():
            if entry is not None:
                entry.update(numbering.as_json(origins, name))
    return plan


def _origins(
    pair: NetworkPair, masks: list[Tensor], grouping: str, example: Tensor, round_to: int
) -> dict[str, numbering.Origin]:
    """Find kept indices by compacting a copy of the network with numbered values; the masks alone decide the result."""
    numbered, example = copy.deepcopy(pair.masked).double(), example[:2].double()
    groups, numbers = GROUPINGS[grouping](numbered, example), numbering.number(numbered)
    return numbering.read(realise(numbered, groups, masks, grouping, example, round_to).network, numbers)


def write(pair: NetworkPair, plan: dict[str, Any], folder: Path) -> None:
    """Write weights and plan into a folder."""
    torch.save(pair.compact.state_dict(), folder / WEIGHTS)
    (folder / PLAN).write_text(_readable(plan), encoding="utf-8")


def _readable(content: dict[str, Any]) -> str:
    """Return JSON with each list of numbers on one line."""
    text = json.dumps(content, indent=1)
    return re.sub(r"\[\n\s+[^\[\]{}]*?\n\s+\]", lambda m: "[" + " ".join(m[0][1:-1].split()) + "]", text) + "\n"
