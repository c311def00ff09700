"""The one training loop, and the one way to count correct answers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from results.errors import Diverged
from runners.data import AnySplit, Data
from runners.precision import Precision, arithmetic, forward_pass
from runners.spec import Recipe

# images of 32x32; larger batches do not fit in the cache: at 500 lenet5_caffe takes 1.4 times as long, at 1,000 a
# ResNet-20 1.6 times, and smaller ones gain nothing (tests/benchmarks/bench_loop.py --evaluation-batch)
EVALUATION_BATCH = 250
EVALUATION_PIXELS = EVALUATION_BATCH * 64 * 64  # limits batches of larger images: a VGG at 224 needs gigabytes
CALIBRATION = 2048  # training images for the recalibration of batch norms
PASSES = 3  # cost of a training step in forward passes: forward, gradients of inputs, gradients of weights


Remake = Callable[[nn.Module, Sequence[Tensor]], torch.optim.Optimizer]


class Hooks(Protocol):
    """Hooks into training: of a method in its sparsify phase, of the masks in fine-tuning."""

    def attach(self, optimizer: torch.optim.Optimizer) -> None:
        """Receive the optimiser before its first step."""

    def penalty(self) -> Tensor | None:
        """Return a term to add to the loss, or None."""

    def after_step(self, lr: float, progress: float) -> None:
        """Act after each step of the optimiser."""

    def successor(
        self, network: nn.Module, optimizer: torch.optim.Optimizer, progress: float, images_left: int, remake: Remake
    ) -> tuple[nn.Module, torch.optim.Optimizer] | None:
        """Return the network and the optimiser that training goes on with after a step, or None for the same.

        images_left: images of the steps that are left. remake: makes the optimiser of a network, given the parameters
        without weight decay.
        """

    def diagnostics(self) -> Mapping[str, float]:
        """Return values for epochs.csv."""


class NoHooks:
    """Hooks that do nothing."""

    def attach(self, optimizer: torch.optim.Optimizer) -> None:
        """Do nothing."""

    def penalty(self) -> Tensor | None:
        """Add nothing."""
        return None

    def after_step(self, lr: float, progress: float) -> None:
        """Do nothing."""

    def successor(
        self, network: nn.Module, optimizer: torch.optim.Optimizer, progress: float, images_left: int, remake: Remake
    ) -> tuple[nn.Module, torch.optim.Optimizer] | None:
        """Go on with the same."""
        return None

    def diagnostics(self) -> Mapping[str, float]:
        """Return nothing."""
        return {}


class Restore(NoHooks):
    """Hooks that set zeros again after each step."""

    def __init__(self, restore: Callable[[], None]) -> None:
        """restore: sets the zeros again."""
        self._restore = restore

    def after_step(self, lr: float, progress: float) -> None:
        """Set the zeros again."""
        self._restore()


class Keeper(Protocol):
    """Where a training keeps how far it is: see `runners.checkpoint`."""

    def restore(
        self, phase: str, network: nn.Module, optimizer: torch.optim.Optimizer, hooks: Hooks, order: torch.Generator
    ) -> list[EpochRecord]:
        """Bring a training back to where it was in a phase, and return the records of its epochs."""

    def save(
        self,
        phase: str,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        hooks: Hooks,
        order: torch.Generator,
        epochs: Sequence[EpochRecord],
        *,
        last: bool,
    ) -> None:
        """Keep where a training is after an epoch."""


@dataclass(frozen=True)
class Phase:
    """A phase of training: its name in epochs.csv, epochs, highest learning rate, and seed of the data order.

    cycle: the part of the learning-rate schedule that the phase covers.
    """

    name: str
    epochs: int
    lr: float
    seed: int
    cycle: tuple[float, float] = (0.0, 1.0)

    def rate(self, recipe: Recipe, progress: float) -> float:
        """Return the learning rate at this progress of the phase, in [0, 1)."""
        begin, end = self.cycle
        return learning_rate(recipe, self.lr, begin + (end - begin) * progress)


@dataclass(frozen=True)
class EpochRecord:
    """One row of epochs.csv without the trial. nonzero_groups: one number a family. lam: see `Method.diagnostics`.

    train_macs: multiply-adds of an image in the network that was trained, the mean over the steps; None if not known.
    """

    phase: str
    epoch: int
    train_loss: float
    val_top1: float
    nonzero_groups: list[int]
    lam: float | None
    lr: float
    seconds: float
    regulariser: float | None = None
    train_macs: int | None = None


@dataclass(frozen=True)
class Accuracy:
    """Accuracies in [0, 1]."""

    top1: float
    top5: float


def learning_rate(recipe: Recipe, highest: float, progress: float) -> float:
    """Return the learning rate at this progress in [0, 1): linear warm-up, then the schedule."""
    if progress < recipe.warmup:
        return highest * (progress + 1e-2) / (recipe.warmup + 1e-2)
    done = (progress - recipe.warmup) / (1 - recipe.warmup)
    if recipe.schedule == "cosine":
        return highest * 0.5 * (1 + math.cos(math.pi * done))
    if recipe.schedule == "step":
        return highest * 0.1 ** ((done >= 0.5) + (done >= 0.75))
    return highest


def make_optimizer(network: nn.Module, recipe: Recipe, undecayed: Iterable[Tensor]) -> torch.optim.Optimizer:
    """Return the recipe's optimiser; the parameters in `undecayed` get no weight decay."""
    free = {id(p) for p in undecayed}
    parameters = [p for p in network.parameters() if p.requires_grad]
    sets = [
        {"params": [p for p in parameters if id(p) not in free], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if id(p) in free], "weight_decay": 0.0},
    ]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(sets, lr=recipe.lr)
    return torch.optim.SGD(sets, lr=recipe.lr, momentum=recipe.momentum)


def train(
    network: nn.Module,
    data: Data,
    recipe: Recipe,
    phase: Phase,
    hooks: Hooks | None = None,
    *,
    undecayed: Iterable[Tensor] = (),
    count: Callable[[], list[int]] = list,
    count_macs: Callable[[nn.Module], int | None] = lambda network: None,
    report: Callable[[EpochRecord], None] = lambda epoch: None,
    keeper: Keeper | None = None,
) -> list[EpochRecord]:
    """Train a network in place and return a record of each epoch.

    count: returns the number of non-zero groups of each family. count_macs: returns the multiply-adds of an image.
    report: called with each record at the end of an epoch. keeper: where to go on from, and where to keep each epoch.
    Raises Diverged if the loss or a weight is not finite.
    """
    hooks = hooks or NoHooks()

    def remake(network: nn.Module, undecayed: Sequence[Tensor]) -> torch.optim.Optimizer:
        return make_optimizer(network, recipe, undecayed)

    optimizer = make_optimizer(network, recipe, undecayed)
    hooks.attach(optimizer)
    generator = torch.Generator().manual_seed(phase.seed)
    per_epoch = data.steps(recipe.batch_size)
    steps, macs = per_epoch * phase.epochs, count_macs(network) if phase.epochs else None
    history = [] if keeper is None else keeper.restore(phase.name, network, optimizer, hooks, generator)
    for number in range(len(history), phase.epochs):
        begin, lr = time.perf_counter(), phase.lr
        losses = torch.zeros((), dtype=torch.float64, device=data.device)
        spent: list[int | None] = []
        network.train()
        for i, batch in enumerate(data.shuffled(recipe.batch_size, generator, recipe.augmentation)):
            done = number * per_epoch + i
            lr = phase.rate(recipe, done / steps)
            loss = _step(network, optimizer, batch, lr, recipe, hooks)
            done += 1
            hooks.after_step(lr, done / steps)
            losses.add_(loss, alpha=len(batch[1]))  # in float64, without waiting for the device
            spent.append(macs)
            images_left = (steps - done) * recipe.batch_size
            if after := hooks.successor(network, optimizer, done / steps, images_left, remake):
                network, optimizer = after
                macs = count_macs(network)
                network.train()
        mean_loss = float(losses) / len(data.train)
        if not math.isfinite(mean_loss):
            raise Diverged(f"the loss is {mean_loss} in epoch {number + 1} of phase {phase.name}")
        if not all(bool(p.isfinite().all()) for p in network.parameters()):
            raise Diverged(f"a weight is not finite after epoch {number + 1} of phase {phase.name}")
        seconds = time.perf_counter() - begin
        top1 = evaluate(network, data, data.val, recipe.precision).top1
        told = hooks.diagnostics()
        lam, value = told.get("lam"), told.get("regulariser")
        history.append(
            EpochRecord(phase.name, number + 1, mean_loss, top1, count(), lam, lr, seconds, value, _mean(spent))
        )
        if keeper is not None:
            last = number + 1 == phase.epochs
            keeper.save(phase.name, network, optimizer, hooks, generator, history, last=last)
        report(history[-1])
    return history


def _mean(macs: Sequence[int | None]) -> int | None:
    """Return the mean, rounded; None if one is not known."""
    known = [m for m in macs if m is not None]
    return round(sum(known) / len(known)) if known and len(known) == len(macs) else None


def _step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: tuple[Tensor, Tensor],
    lr: float,
    recipe: Recipe,
    hooks: Hooks,
) -> Tensor:
    """Take one step of the optimiser and return the loss without the penalty."""
    images, labels = batch
    for group in optimizer.param_groups:
        group["lr"] = lr
    with arithmetic(recipe.precision):
        with forward_pass(recipe.precision, images.device):
            loss = F.cross_entropy(network(images), labels, label_smoothing=recipe.label_smoothing)
        penalty = hooks.penalty()
        optimizer.zero_grad(set_to_none=True)
        (loss if penalty is None else loss + penalty).backward()
    optimizer.step()
    return loss.detach()


def _evaluation_batch(data: Data) -> int:
    return max(1, min(EVALUATION_BATCH, EVALUATION_PIXELS // data.size**2))


@torch.no_grad()
def evaluate(network: nn.Module, data: Data, split: AnySplit, precision: Precision = "float32") -> Accuracy:
    """Return the accuracy over all images of a split, computed in this precision."""
    network.eval()
    correct = torch.zeros(2, dtype=torch.int64, device=data.device)  # not read before the end: that would wait for it
    for images, labels in data.batches(split, _evaluation_batch(data)):
        with arithmetic(precision), forward_pass(precision, images.device):
            logits = network(images)
        best = logits.topk(min(5, data.classes), dim=1).indices == labels[:, None]
        correct += torch.stack((best[:, 0].sum(), best.sum()))
    top1, top5 = correct.tolist()
    return Accuracy(top1 / len(split), top5 / len(split))


@torch.no_grad()
def recalibrate(network: nn.Module, data: Data, augmentation: Sequence[str] = ()) -> None:
    """Re-estimate the statistics of all batch norms, as the mean over CALIBRATION training images.

    The images are the same for every method, augmented as in training: a ResNet-20 trained with crops and flips reaches
    91.5 % with statistics of augmented images, and 88.5 % with those of plain ones. Weights do not change.
    """
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not norms:
        return
    network.eval()
    usual = [m.momentum for m in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    batch = max(2, _evaluation_batch(data))  # a single value has no variance
    wanted = min(CALIBRATION, len(data.train))
    for images, _ in data.shuffled(batch, torch.Generator().manual_seed(0), augmentation):
        network(images)
        wanted -= len(images)
        if wanted <= 0:
            break
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
    network.eval()
