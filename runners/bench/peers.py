"""The same job with other tools, side by side: half of the filters of a ResNet-56 by L1, and what masks cost."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from methods import METHODS
from results.performance import Row
from runners import trial
from runners.bench.clock import once, ratio, rounds, spread
from runners.bench.loop import FEW, Bare
from runners.bench.rows import Form, group, row
from runners.bench.settings import MANY, Setting, dataset_of
from runners.bench.trials import Trials, apart, spec_of
from runners.data import Data, load
from runners.networks.clock import Function
from runners.networks.layout import channels_last
from runners.networks.pruning import Budget, groups_of, project, realise
from runners.spec import Recipe
from runners.training import Phase, train

GROUP = "peers"
# with projection shortcuts: behind one that pads with zeros torch-pruning keeps three of four channels
ARCHITECTURE, KEEP, METHOD = "resnet56_b", 0.5, "l1_filter"
IMAGES = 45_000  # of an epoch of CIFAR-10
OURS, THEIRS = "klevel", "torch-pruning"


@group(GROUP)
def peers(form: Form) -> Iterator[Row]:
    """Half of the filters of a ResNet-56 by L1 and an epoch of fine-tuning, against torch-pruning; what masks cost."""
    setting = Setting.of(ARCHITECTURE, max(2, form.batch // 4))
    yield from masks(setting, form)
    yield from side_by_side(setting, form)
    if form.full:
        yield from whole(form)


def masks(setting: Setting, form: Form) -> Iterator[Row]:
    """Yield the time of a training step of networks that are masked, or smaller, against the dense one."""
    contest = {
        "klevel, the network without them": by_klevel(setting),
        "torch.nn.utils.prune, masks": by_torch(setting),
        "ShrinkBench's way, masks": by_shrinkbench(setting),
    }
    functions: dict[str, Function] = {name: setting.of_network(n).training_step() for name, n in contest.items()}
    times = rounds(functions | {"dense": setting.training_step()}, form.repeats)
    for name in contest:
        said = f"training step with half of the filters gone / dense, batch {len(setting.images)}"
        yield row(GROUP, name, said, ratio(times, name, "dense"))


def side_by_side(setting: Setting, form: Form) -> Iterator[Row]:
    """Yield klevel's pruning, and its epoch of fine-tuning, against torch-pruning's and a bare loop; then both."""
    prunes = rounds({OURS: partial(by_klevel, setting), THEIRS: partial(by_torch_pruning, setting)}, form.repeats)
    data = load(dataset_of(ARCHITECTURE), form.images)
    quiet = replace(data, val=data.val.at(torch.arange(FEW)))
    phase = Phase("finetune", 1, 0.01, 0)
    loops: dict[str, Function] = {
        OURS: partial(train, by_klevel(setting), quiet, recipe_of(form), phase),
        THEIRS: Bare(by_torch_pruning(setting), data, form.batch).epoch,
    }
    epochs = rounds(loops, form.repeats)
    said = "divide, choose by L1, remove, prove / torch-pruning's MagnitudePruner"
    yield row(GROUP, "torch-pruning: pruning", said, ratio(prunes, OURS, THEIRS))
    said = f"an epoch of {form.images} images: klevel's loop / a bare one on torch-pruning's network"
    yield row(GROUP, "torch-pruning: fine-tuning", said, ratio(epochs, OURS, THEIRS))
    whole = {
        tool: [
            pruning + IMAGES / form.images * epoch for pruning, epoch in zip(prunes[tool], epochs[tool], strict=False)
        ]
        for tool in (OURS, THEIRS)
    }
    said = f"both, by parts: pruning, and an epoch of {IMAGES:,} images"
    yield row(GROUP, "torch-pruning: prune and fine-tune", said, ratio(whole, OURS, THEIRS), 1)


def whole(form: Form) -> Iterator[Row]:
    """Yield a whole trial of klevel, evaluation and all, against torch-pruning and a bare loop of one epoch."""
    data = load(MANY, form.of_trial)
    setting = Setting.of(ARCHITECTURE, form.batch)
    recipe = recipe_of(form).model_dump(exclude_defaults=True) | {"train_images": form.of_trial}
    spec = spec_of(METHOD, ARCHITECTURE, MANY, recipe, grouping="coupled", keep=KEEP)
    ours: dict[str, list[float]] = {"all": [], "latencies": [], "judged": []}
    theirs: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        trials = Trials(Path(folder))
        trials.keep_dense(spec, setting.network)
        for _ in range(form.repeats):
            with apart(trial, "measure") as latencies, apart(trial, "evaluate") as evaluated:
                with apart(trial, "recalibrate") as recalibrated:
                    ours["all"].append(once(partial(trials.run, spec)))
                ours["latencies"].append(sum(latencies))
                ours["judged"].append(sum(evaluated) + sum(recalibrated))
            theirs.append(once(partial(pruned_and_tuned, setting, data, form)))
    said = f"a trial but for its latencies / prune, and one epoch of {len(data.train):,} images in a bare loop"
    named = {
        "torch-pruning: whole trial": ("latencies", said, 1.0),
        "torch-pruning: trial, without evaluation": ("judged", "the same, and but for evaluation and batch norms", 1.0),
    }
    left = list(ours["all"])
    for name, (part, said, target) in named.items():
        left = [rest - seconds for rest, seconds in zip(left, ours[part], strict=True)]
        found = spread([a / b for a, b in zip(left, theirs, strict=True)])
        yield row(GROUP, name, said, found, target)
    found = spread([a / b for a, b in zip(ours["latencies"], theirs, strict=True)])
    yield row(GROUP, "torch-pruning: latencies", "the latencies of a trial / the same job of torch-pruning", found)


def recipe_of(form: Form) -> Recipe:
    """Return the recipe of an epoch of fine-tuning."""
    epochs = {"dense_epochs": 1, "sparsify_epochs": 1, "finetune_epochs": 1}
    return Recipe.model_validate(epochs | {"batch_size": form.batch, "lr": 0.01})


def pruned_and_tuned(setting: Setting, data: Data, form: Form) -> None:
    """Prune by torch-pruning, and fine-tune for an epoch."""
    Bare(by_torch_pruning(setting), data, form.batch).epoch()


def by_klevel(setting: Setting) -> nn.Module:
    """Return a copy of a network without half of the filters of each layer, those of the least L1 norm."""
    return _chosen(setting)[1]


def _chosen(setting: Setting) -> tuple[nn.Module, nn.Module]:
    """Return a masked and a compact copy of a network."""
    masked, example = copy.deepcopy(setting.network), setting.images[:2]
    groups = groups_of(masked, example, "coupled")
    budget = Budget.of(groups, KEEP)
    left = project(groups, budget, METHODS[METHOD](groups, budget).scores())
    return masked, realise(masked, groups, left, "coupled", example).network


def by_torch_pruning(setting: Setting) -> nn.Module:
    """Return a copy of a network, pruned as torch-pruning's documentation does, by L1 norms and all but its last layer.

    Channels last, as klevel's. Raises ModuleNotFoundError where torch-pruning is not installed.
    """
    import torch_pruning

    network, example = copy.deepcopy(setting.network), setting.images[:1]
    last = [m for m in network.modules() if isinstance(m, nn.Linear)][-1:]
    importance = torch_pruning.importance.MagnitudeImportance(p=1)
    options: dict[str, Any] = {"pruning_ratio": 1 - KEEP, "ignored_layers": last}
    torch_pruning.pruner.MagnitudePruner(network, example, importance, **options).step()
    return channels_last(network, setting.images)


def by_torch(setting: Setting) -> nn.Module:
    """Return a copy of a network with masks of torch.nn.utils.prune, which multiply before each forward pass."""
    masked = _chosen(setting)[0]
    for module in _convolutions(masked):
        prune.custom_from_mask(module, "weight", (module.weight != 0).to(module.weight.dtype))
    return masked


def by_shrinkbench(setting: Setting) -> nn.Module:
    """Return a copy of a network with masks as ShrinkBench has them: every forward pass multiplies weight and mask.

    Source: pruning/modules.py of https://github.com/JJGO/shrinkbench.
    """
    masked = _chosen(setting)[0]
    for name, module in list(masked.named_modules()):
        if isinstance(module, nn.Conv2d):
            parent, _, last = name.rpartition(".")
            setattr(masked.get_submodule(parent), last, MaskedConv2d(module))
    return masked


class MaskedConv2d(nn.Module):
    """A convolution that multiplies its weight with a mask in each forward pass."""

    mask: Tensor

    def __init__(self, layer: nn.Conv2d) -> None:
        """layer: whose zeros are masked."""
        super().__init__()
        self.layer = layer
        self.register_buffer("mask", (layer.weight.detach() != 0).to(layer.weight.dtype))

    def forward(self, images: Tensor) -> Tensor:
        """Return the convolution with the masked weight."""
        weight = self.layer.weight * self.mask
        result: Tensor = self.layer._conv_forward(images, weight, self.layer.bias)
        return result


def _convolutions(network: nn.Module) -> list[nn.Conv2d]:
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]
