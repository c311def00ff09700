"""Train on a smaller network once the choice of a method is final.

From there on the survivors are trained as ever, and the groups that are zero stay so. They need not be computed: the
network goes on without them, with what the optimiser knows of the survivors, as PruneTrain does (Lym et al.,
"PruneTrain: Fast Neural Network Training by Dynamic Sparse Model Reconfiguration", SC 2019), but only where no number
changes beyond rounding. Before that a group may come back, and the norms of the others hold weights that read it, so
nothing is removed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from methods import Method
from runners.checkpoint import load_state, state_of
from runners.networks.compaction import Realised
from runners.networks.compaction.origins import Origin, origins, tensors_of
from runners.training import PASSES, NoHooks, Remake

# What it takes to make a network smaller, in multiply-adds of training for each layer with parameters. Counted and not
# timed, as rounding, and so a row, would depend on a clock. Measured on a CPU: 5 to 40 ms a layer, in which training
# does 0.1 to 0.7e9 multiply-adds.
COST = {"cpu": 1e9, "cuda": 3e10}


@dataclass(frozen=True)
class Smaller:
    """A network without groups that are zero, and the origin of its values."""

    network: nn.Module
    restore: Callable[[], None]
    origins: Mapping[str, Origin]

    @classmethod
    def of(cls, whole: nn.Module, realised: Realised) -> Smaller | None:
        """Return the smaller network for training; None if a parameter is no part of one of the whole network."""
        found = origins(whole, realised)
        return None if found is None else cls(realised.network.train(), realised.restore, found)

    @torch.no_grad()
    def write_back(self, whole: nn.Module) -> None:
        """Write all values to the whole network. What was removed stays as it is there."""
        theirs, mine = tensors_of(whole), tensors_of(self.network)
        for name, origin in self.origins.items():
            whole_values = theirs[origin.name]
            places, values = origin.positions.flatten(), mine[name].flatten()
            whole_values.copy_(whole_values.flatten().index_copy(0, places, values).view(whole_values.shape))

    def take_over(self, before: Optimizer, whole: nn.Module, optimizer: Optimizer) -> None:
        """Give an optimiser of this network what one of the whole network knows: momentum, squares, steps."""
        theirs, mine = dict(whole.named_parameters()), dict(self.network.named_parameters())
        for name, parameter in mine.items():
            origin = self.origins[name]
            state = before.state.get(theirs[origin.name], {})
            shape = theirs[origin.name].shape
            optimizer.state[parameter] = {k: _part(v, shape, origin.positions, parameter) for k, v in state.items()}

    def of_parameters(self, whole: nn.Module, chosen: Sequence[Tensor]) -> list[Tensor]:
        """Return the parameters here that are parts of chosen ones of the whole network."""
        wanted = {id(p) for p in chosen}
        names = {n for n, p in whole.named_parameters() if id(p) in wanted}
        return [p for n, p in self.network.named_parameters() if self.origins[n].name in names]


def _part(value: Any, shape: torch.Size, positions: Tensor, parameter: Tensor) -> Any:
    if not isinstance(value, Tensor):
        return value
    if value.shape != shape or not value.dim():
        return value.clone()
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value.take(positions))


class Sparsifying(NoHooks):
    """The hooks of a method in its sparsify phase, which go on without it once its choice is final."""

    def __init__(
        self,
        method: Method,
        network: nn.Module,
        realise: Callable[[list[Tensor]], Realised] | None,
        count_macs: Callable[[nn.Module], int | None],
        notes: dict[str, Any],
    ) -> None:
        """realise: makes a smaller network of masks; None to keep the network whole.

        count_macs: multiply-adds of an image. notes: of the checkpoint, which then has what is needed to go on.
        """
        self._method, self._whole, self._realise = method, network, realise
        self._count_macs, self._notes = count_macs, notes
        self._masks: list[Tensor] | None = None
        self._smaller: Smaller | None = None

    def begin(self) -> nn.Module:
        """Return the network to train: smaller where the notes say so, as this goes on after an interruption."""
        if "final" not in self._notes:
            return self._whole
        final = self._notes["final"]
        self._whole.load_state_dict(final["state"])
        self._masks = [m.to(f.device) for m, f in zip(final["masks"], self._method.groups, strict=True)]
        if final["smaller"]:
            self._smaller = self._made(self._masks)
        return self._smaller.network if self._smaller else self._whole

    def attach(self, optimizer: Optimizer) -> None:
        """Let the method know the optimiser of the whole network."""
        if self._smaller is None:
            self._method.attach(optimizer)

    def penalty(self) -> Tensor | None:
        """Return the term that the method adds to the loss, until its choice is final."""
        return self._method.penalty() if self._masks is None else None

    def after_step(self, lr: float, progress: float) -> None:
        """Take the step of the method, or hold at zero what it has chosen to remove."""
        if self._masks is None:
            self._method.after_step(lr, progress)
        elif self._smaller is None:
            self._method.groups.scale_(self._masks)
        else:
            self._smaller.restore()

    def successor(
        self, network: nn.Module, optimizer: Optimizer, progress: float, images_left: int, remake: Remake
    ) -> tuple[nn.Module, Optimizer] | None:
        """Return what to train from here on, in the step in which the choice gets final and a smaller network pays."""
        if self._masks is not None or not self._method.settled(progress):
            return None
        self._masks = [f.alive() for f in self._method.groups]
        if self._pays(network, images_left):
            self._smaller = self._made(self._masks)
        state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        masks = [m.cpu() for m in self._masks]
        self._notes["final"] = {"masks": masks, "state": state, "smaller": self._smaller is not None}
        if self._smaller is None:
            return None
        after = remake(self._smaller.network, self.undecayed())
        self._smaller.take_over(optimizer, network, after)
        return self._smaller.network, after

    def undecayed(self) -> list[Tensor]:
        """Return the parameters of the network in training that the optimiser does not decay."""
        chosen = self._method.groups.measured_parameters() if self._method.decays else []
        return self._smaller.of_parameters(self._whole, chosen) if self._smaller else chosen

    def write_back(self) -> None:
        """Write the values of a smaller network to the whole one."""
        if self._smaller is not None:
            self._smaller.write_back(self._whole)

    def nonzero(self) -> list[int]:
        """Return the number of non-zero groups of each family."""
        self.write_back()
        return self._method.groups.nonzero()

    def diagnostics(self) -> Mapping[str, float]:
        """Return what the method tells of the network as it is."""
        self.write_back()
        return self._method.diagnostics()

    def state_dict(self) -> dict[str, Any]:
        """Return what the method must keep."""
        return state_of(self._method)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Give the method what it kept."""
        load_state(self._method, state)

    def _made(self, masks: list[Tensor]) -> Smaller | None:
        assert self._realise is not None, "asked for"
        devices = {p.device for p in self._whole.parameters() if p.is_cuda}
        # a search for what can be removed may run layers that draw random numbers
        with torch.random.fork_rng(list(devices)):
            realised = self._realise(masks)
        return None if realised.realisation == "masked" else Smaller.of(self._whole, realised)

    def _pays(self, network: nn.Module, images_left: int) -> bool:
        """Return whether a network half as large would save more than it takes to make it."""
        macs = None if self._realise is None or not images_left else self._count_macs(network)
        network.train()  # counting is done in evaluation
        layers = sum(bool(m._parameters) for m in network.modules())
        device = next(network.parameters()).device.type
        return macs is not None and PASSES * images_left * macs / 2 > COST.get(device, COST["cuda"]) * layers
