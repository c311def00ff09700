"""The identity of a trial as a row of trials.csv, filled from its spec alone, so that a failed row has it too."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from methods import METHODS
from methods.groups import NothingToDivide
from results.columns import Trial
from results.errors import Untraceable, line_of
from runners.environment import code_of
from runners.spec import TrialSpec

# columns that are copied from the recipe
OF_RECIPE = ["train_images", "optimizer", "lr", "finetune_lr", "momentum", "weight_decay", "batch_size", "schedule"]
OF_RECIPE += ["schedule_over", "warmup", "label_smoothing", "normalisation", "round_to", "precision"]


Status = Literal["done", "failed", "skipped"]


def row_of(
    spec: TrialSpec,
    suite: str,
    status: Status = "done",
    reason: str | None = None,
) -> Trial:
    """Return a row with the identity of the trial, without any measurement."""
    dense, sparsify, finetune = spec.epochs
    recipe = spec.recipe
    return Trial(
        protocol=spec.protocol,
        suite=suite,
        trial=spec.id,
        status=status,
        reason=reason,
        method=spec.method,
        hyperparameters=spec.configuration,
        architecture=spec.architecture,
        dataset=spec.dataset,
        grouping=spec.grouping,
        scope=spec.scope,
        keep=spec.keep,
        seed=spec.seed,
        dense_epochs=dense,
        sparsify_epochs=sparsify,
        finetune_epochs=finetune,
        start=spec.starts_from,
        **{key: getattr(recipe, key) for key in OF_RECIPE},
        augmentation="+".join(recipe.augmentation) or None,
        dense_weights=Path(recipe.dense_weights).name if recipe.dense_weights else None,
        shrink="on" if recipe.shrink else "off",
        measure=spec.measure,
        equal=spec.equal,
        **code_columns(spec),
        method_code=code_of(METHODS[spec.method]),
    )


def code_columns(spec: TrialSpec) -> dict[str, Any]:
    """Return hashes of the source of a user's own functions, by column; None for what is klevel's."""
    network = [spec.sources[name] for name in (spec.dataset, spec.architecture) if name in spec.sources]
    return {"own_code": "+".join(network) or None, "own_grouping_code": spec.sources.get(spec.grouping)}


def row_of_error(spec: TrialSpec, suite: str, error: Exception) -> Trial:
    """Return the row of a trial that raised."""
    return row_of(spec, suite, *status_of(error))


def status_of(error: Exception) -> tuple[Status, str]:
    """Return what an error makes of a trial, and why: skipped if its network has no such groups, else failed."""
    if isinstance(error, NothingToDivide | Untraceable):
        return "skipped", str(error)
    return "failed", line_of(error)
