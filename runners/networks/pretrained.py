"""Load pretrained weights from a file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from results.errors import InputError

WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
PREFIXES = ("_orig_mod.", "module.", "_orig_mod.")  # of torch.compile around DataParallel, and inside it
COUNTER = "num_batches_tracked"  # of a batch norm: optional, since files before 2018 lack it and klevel ignores it


def locate_weights(name: str) -> Path:
    """Return the path of a file of weights: as given, or in $KLEVEL_WEIGHTS. Raises InputError if there is none."""
    folder = os.environ.get("KLEVEL_WEIGHTS")
    places = [Path(name), *([Path(folder) / name] if folder else [])]
    for place in places:
        if place.is_file():
            return place
    looked = ", ".join(str(p) for p in places)
    raise InputError(f"dense_weights = {name}: no such file (looked for {looked}); set KLEVEL_WEIGHTS=DIR, its folder")


def load_weights(network: nn.Module, name: str, architecture: str) -> None:
    """Load all weights of a network from a file.

    name: a file of torch.save: a state dict, or a mapping that holds one as `state_dict`, `model_state_dict`, `model`
    or `net`; its keys may begin with `module.` or `_orig_mod.`. architecture: name of the network, for messages.
    Raises InputError if the file does not exist, is not readable or does not fit.
    """
    path = locate_weights(name)
    state = _unwrapped(_read(path))
    if faults := _faults(state, network.state_dict()):
        raise InputError(f"{path}: does not fit {architecture}: {'; '.join(faults)}")
    network.load_state_dict(state, strict=False)  # the counters of the batch norms may be absent


def _read(path: Path) -> Any:
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # torch may raise anything for a corrupt file
        raise InputError(
            f"{path}: not readable as weights, torch.save of a state dict is needed "
            f"({' '.join(str(error).split())[:120] or type(error).__name__})"
        ) from error


def _unwrapped(content: Any) -> dict[str, Any]:
    """Return the state dict in the content of a file, without wrappers and prefixes; empty if there is none."""
    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping):
        return {}
    state = {str(key): value for key, value in content.items()}
    for prefix in PREFIXES:
        if all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _faults(state: Mapping[str, Any], needed: Mapping[str, Tensor]) -> list[str]:
    """Return the reasons why a state dict does not fit."""
    missing = [n for n in needed if n not in state and not n.endswith(COUNTER)]
    unknown = [n for n in state if n not in needed]
    shapes = {n: tuple(v.shape) if isinstance(v, Tensor) else type(v).__name__ for n, v in state.items()}
    wrong = [
        f"{n} {shapes[n]} instead of {tuple(needed[n].shape)}"
        for n in state
        if n in needed and shapes[n] != tuple(needed[n].shape)
    ]
    kinds = {"missing": missing, "unknown": unknown, "misshaped": wrong}
    return [f"{kind}: {_first(names)}" for kind, names in kinds.items() if names]


def _first(names: Sequence[str], n: int = 3) -> str:
    rest = f" and {len(names) - n} more" if len(names) > n else ""
    return ", ".join(names[:n]) + rest
