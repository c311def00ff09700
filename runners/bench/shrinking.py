"""Training that gets cheaper as it gets sparser, against the same epochs dense."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from methods.continuation import ANNEALED
from results.columns import Trial
from results.performance import Row
from runners.bench.clock import Spread, ratio, rounds, spread
from runners.bench.rows import Form, group, row
from runners.bench.settings import Setting, dataset_of
from runners.bench.trials import Trials, few_latencies, spec_of

METHOD = "wgsef_dc"
GROUP = "shrinking"
STEP_BATCH = 16  # images, of the steps of networks that are too large for more


class Shrunk(NamedTuple):
    """What is trained: architecture, grouping, keep, the most of the dense time that it should take, and its images."""

    architecture: str
    grouping: str
    keep: float
    target: float
    images: int

    @property
    def said(self) -> str:
        """Its name."""
        return f"{self.architecture}, {self.grouping}, keep {self.keep:g}"


SMALL = Shrunk("lenet5_caffe", "filter", 0.1, 0.7, 1536)
LARGE = (Shrunk("vgg16", "filter", 0.1, 0.5, 128), Shrunk("resnet20", "coupled", 0.25, 0.6, 640))
FINETUNED = Shrunk("vgg16", "filter", 0.25, 0.15, 0)


@group(GROUP)
def shrinking(form: Form) -> Iterator[Row]:
    """Sparsify and fine-tune under wgsef_dc, against the same epochs of the dense network."""
    yield from trained(SMALL, form)
    for one in LARGE:
        if form.full:
            yield from trained(one, form)
        yield by_steps(one, form)
    times = _steps(FINETUNED, form)
    said = "training step of the compact network / of the dense one: what fine-tuning takes"
    yield row(GROUP, f"{FINETUNED.said}, fine-tuning", said, ratio(times, "compact", "dense"), FINETUNED.target)


def trained(one: Shrunk, form: Form) -> Iterator[Row]:
    """Run trials of the method and of the dense control in turns, whole; yield time and multiply-adds of training."""
    sparsify, finetune = form.epochs
    recipe: dict[str, Any] = {
        "dense_epochs": 1, "sparsify_epochs": sparsify, "finetune_epochs": finetune, "batch_size": min(64, form.batch),
        "train_images": min(one.images, 3 * form.images), "lr": 0.01,
    }  # fmt: skip
    given: dict[str, Any] = {"grouping": one.grouping, "keep": one.keep}
    where = one.architecture, dataset_of(one.architecture)
    dense = spec_of("dense", *where, recipe)
    specs = {"pruned": spec_of(METHOD, *where, recipe, **given)}
    if form.full:
        specs["whole"] = spec_of(METHOD, *where, recipe | {"shrink": False}, **given)
    found: dict[str, list[Trial]] = {name: [] for name in (*specs, "dense")}
    with tempfile.TemporaryDirectory() as folder, few_latencies():
        trials = Trials(Path(folder))
        trials.dense(dense)
        for _ in range(form.repeats):
            for name, spec in (specs | {"dense": dense}).items():
                found[name].append(trials.run(spec))
    epochs = f"{sparsify} + {finetune} epochs of {recipe['train_images']:,} images"
    said = f"sparsify + fine-tune of {METHOD} / the same epochs dense, {epochs}"
    yield row(GROUP, one.said, said, _against_dense(found, "pruned", "train_seconds"), one.target)
    macs = _against_dense(found, "pruned", "train_macs")
    yield row(GROUP, f"{one.said}, multiply-adds", "multiply-adds of the same", macs)
    if "whole" in found:
        whole = _against_dense(found, "whole", "train_seconds")
        yield row(GROUP, f"{one.said}, shrink: false", "the same, where the network stays whole until it is fine-tuned",
                  whole)  # fmt: skip


def by_steps(one: Shrunk, form: Form) -> Row:
    """Return what sparsify and fine-tune would take by the time of a step alone, of the two networks there are.

    The network is whole until the choice of the method is final, and has its last size from there on.
    """
    sparsify, finetune = form.epochs
    times = _steps(one, form)
    whole = ANNEALED * sparsify / (sparsify + finetune)
    step = ratio(times, "compact", "dense")
    value, low, high = (whole + (1 - whole) * part for part in step[:3])
    told = Spread(value, low, high, step.repeats)
    said = f"by steps alone: dense for {100 * whole:.0f} % of {sparsify} + {finetune} epochs, then compact / dense"
    return row(GROUP, f"{one.said}, by steps", said, told, one.target)


def _steps(one: Shrunk, form: Form) -> dict[str, list[float]]:
    """Return the times of a training step of the dense network, and of the compact one."""
    setting = Setting.of(one.architecture, min(form.batch, STEP_BATCH if one.architecture == "vgg16" else form.batch))
    compact = setting.of_network(setting.pruned(one.grouping, one.keep))
    return rounds({"dense": setting.training_step(), "compact": compact.training_step()}, form.repeats)


def _against_dense(found: dict[str, list[Trial]], name: str, column: str) -> Spread:
    """Return a column of the trials of a method / that of the dense control, round by round."""
    pairs = zip(found[name], found["dense"], strict=True)
    return spread([_per_epoch(a, column) / _per_epoch(b, column) for a, b in pairs])


def _per_epoch(trial: Trial, column: str) -> float:
    return float(getattr(trial, column)) / float(trial.trained_epochs or 1)
