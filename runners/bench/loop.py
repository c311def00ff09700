"""The training loop, against a bare one."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from results.performance import Row
from runners.bench.clock import ratio, rounds
from runners.bench.rows import Form, group, row
from runners.bench.settings import Setting, dataset_of
from runners.data import Data, Split, load
from runners.datasets.augmentation import AUGMENTATIONS
from runners.networks.clock import Function
from runners.spec import Recipe
from runners.training import Phase, train

# architecture: its augmentation, and the most that an epoch should take of that of a bare loop
LOOPS: dict[str, tuple[tuple[str, ...], float]] = {
    "lenet5_caffe": ((), 1.08),
    "resnet20": (("crop", "flip"), 1.03),
}
LR = 0.01
RECIPE = {"dense_epochs": 1, "sparsify_epochs": 1, "finetune_epochs": 0, "lr": LR, "schedule": "constant"}
FEW = 2  # images to validate on, where validation is not what is timed


@group("loop")
def loops(form: Form) -> Iterator[Row]:
    """An epoch of klevel's loop, against the same steps in a bare one."""
    for architecture, (augmentation, target) in LOOPS.items():
        data = load(dataset_of(architecture), form.images)
        quiet = replace(data, val=data.val.at(torch.arange(FEW)))
        recipe = Recipe.model_validate(RECIPE | {"batch_size": form.batch, "augmentation": augmentation})
        network = Setting.of(architecture, FEW).network
        functions: dict[str, Function] = {
            "bare": Bare(copy.deepcopy(network), data, form.batch, augmentation).epoch,
            "klevel": partial(train, copy.deepcopy(network), quiet, recipe, Phase("dense", 1, LR, 0)),
        }
        if form.full:
            functions["validated"] = partial(train, copy.deepcopy(network), data, recipe, Phase("dense", 1, LR, 0))
        times = rounds(functions, form.repeats)
        said = "epoch of klevel's loop / bare loop (forward, backward, step, same augmentation)"
        yield row("loop", architecture, said, ratio(times, "klevel", "bare"), target)
        if form.full:
            more = f"the same, with the validation of {len(data.val):,} images for {len(data.train):,} in training"
            yield row("loop", f"{architecture}, validated", more, ratio(times, "validated", "bare"))


@dataclass
class Bare:
    """The loop that one writes without klevel: shuffle, augment, normalise, forward, backward, step."""

    network: nn.Module
    data: Data
    batch: int
    augmentation: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Make the optimiser."""
        self.optimizer = torch.optim.SGD(self.network.parameters(), LR, momentum=0.9, weight_decay=5e-4)
        self.generator = torch.Generator().manual_seed(0)

    def epoch(self) -> None:
        """Take the steps of an epoch."""
        split = self.data.train
        assert isinstance(split, Split), "in memory"
        self.network.train()
        for indices in torch.randperm(len(split), generator=self.generator).split(self.batch):
            images = split.images[indices]
            for name in self.augmentation:
                images = AUGMENTATIONS[name](images, self.generator)
            images = (images.float() - self.data.mean) / self.data.std
            loss = F.cross_entropy(self.network(images), split.labels[indices])
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
