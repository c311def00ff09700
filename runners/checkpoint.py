"""Keep how far a training has come, so that one that is killed goes on after its last whole epoch.

A checkpoint holds all that the next epoch depends on: network, optimiser, method, the order of the data and every
random generator. So a training that goes on ends in the same numbers, bit for bit, as one that was never disturbed.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from methods.groups import Budget, Groups
from runners.environment import commit
from runners.store import write
from runners.training import EpochRecord

SECONDS = 1.0  # a checkpoint at most so often: an epoch of milliseconds is soon done again
_OURS = (Groups, Budget, Optimizer, nn.Module)  # which whoever makes the hooks has given to them


@runtime_checkable
class Stateful(Protocol):
    """Hooks that say themselves what they must keep."""

    def state_dict(self) -> dict[str, Any]:
        """Return tensors and plain values."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take what `state_dict` returned."""


class Checkpoint:
    """The file in which a task keeps how far it is.

    phase: the phase of training that it was in, None at the beginning. notes: what the task itself wants to know of the
    phases before.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        """Read the file where there is one of the same identity, of the same version of the code; else begin anew."""
        self._path, self._identity = path, {**identity, "commit": commit(), "torch": str(torch.__version__)}
        self._content = self._read()
        self._saved = -float("inf")
        self.notes: dict[str, Any] = self._content.get("notes", {})

    def _read(self) -> dict[str, Any]:
        try:
            content = torch.load(self._path, weights_only=True, map_location="cpu")
        except Exception:  # none, or cut off, or garbage: the training begins anew
            return {}
        same = isinstance(content, dict) and content.get("identity") == self._identity
        return content if same else {}

    @property
    def phase(self) -> str | None:
        """The phase of training that it was in; None at the beginning."""
        return self._content.get("phase")

    def forget(self) -> None:
        """Begin anew."""
        self._content, self.notes = {}, {}

    def restore(
        self, phase: str, network: nn.Module, optimizer: Optimizer, hooks: object, order: torch.Generator
    ) -> list[EpochRecord]:
        """Bring a training back to where it was in this phase, and return the records of its epochs.

        Does nothing where it was in another phase.
        """
        if self.phase != phase:
            return []
        content = self._content
        network.load_state_dict(content["network"])
        optimizer.load_state_dict(content["optimizer"])
        load_state(hooks, content["hooks"])
        order.set_state(content["order"])
        _set_random_states(content["random"])
        return [EpochRecord(**record) for record in content["epochs"]]

    def save(
        self,
        phase: str,
        network: nn.Module,
        optimizer: Optimizer,
        hooks: object,
        order: torch.Generator,
        epochs: Sequence[EpochRecord],
        *,
        last: bool = False,
    ) -> None:
        """Keep where a training is after an epoch; not if that was a moment ago, but for the last of a phase."""
        if time.monotonic() - self._saved < SECONDS and not last:
            return
        self._content = {
            "identity": self._identity,
            "notes": self.notes,
            "phase": phase,
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "hooks": state_of(hooks),
            "order": order.get_state(),
            "random": _random_states(),
            "epochs": [asdict(epoch) for epoch in epochs],
        }
        write(self._path, lambda path: torch.save(self._content, path))
        self._saved = time.monotonic()


def state_of(hooks: object) -> dict[str, Any]:
    """Return what hooks must keep: as they say it, or else their tensors and plain values, and those of their parts."""
    return hooks.state_dict() if isinstance(hooks, Stateful) else _attributes(hooks)


def load_state(hooks: object, state: dict[str, Any]) -> None:
    """Give hooks what `state_of` returned of others of the same kind."""
    if isinstance(hooks, Stateful):
        hooks.load_state_dict(state)
        return
    for name, value in state.items():
        if isinstance(value, dict) and value.keys() == {"attributes"}:
            load_state(getattr(hooks, name), value["attributes"])
        elif isinstance(there := getattr(hooks, name, None), nn.Parameter):  # one of the network's
            there.data.copy_(value)
        else:
            setattr(hooks, name, value)


def _attributes(part: object) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in vars(part).items():
        if _is_plain(value):
            kept[name] = value
        elif hasattr(value, "__dict__") and not callable(value) and not isinstance(value, _OURS):
            kept[name] = {"attributes": _attributes(value)}
    return kept


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(v) for v in [*value, *value.values()])
    if isinstance(value, list | tuple):
        return all(_is_plain(v) for v in value)
    return value is None or isinstance(value, Tensor | bool | int | float | str)


def _random_states() -> dict[str, Any]:
    """Return the states of every global random generator that code may draw from."""
    kind, keys, *rest = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": [kind, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _set_random_states(states: dict[str, Any]) -> None:
    random.setstate(states["python"])
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
