"""The columns of trials.csv."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

from runners.spec import PRECISION, TrialSpec

# columns that are fields of the recipe as they stand there
OF_RECIPE = ["train_images", "optimizer", "lr", "finetune_lr", "momentum", "weight_decay", "batch_size", "schedule"]
OF_RECIPE += ["schedule_over", "warmup", "label_smoothing", "normalisation", "round_to"]


@dataclass
class Row:
    """One row of trials.csv, in the order of its columns; None is an empty cell. New columns go at the end.

    Accuracies are fractions in [0, 1]; groups* hold a JSON list with one number a family (groups_target: one for the
    network where the scope is that); latencies are ratios dense / compact; train_seconds covers every epoch the
    network went through, those of the shared dense network included.

    hyperparameters: the configuration of the method; what it sets of its own on training (finetune_epochs, finetune_lr,
        schedule_over) stands there too, while the columns from optimizer to equal are the recipe's and the trial's.
    k_reached: 1 where training alone left exactly the groups of the target, 0 where not, empty where nothing trains.
    groups_above: groups that training left above the target, in all families.
    trained_epochs: epochs that were trained, all phases. train_macs: multiply-adds of all their steps, three forward
        passes each, of the network as it was in each phase.
    """

    protocol: int
    suite: str
    trial: str
    status: str
    reason: str | None
    method: str
    hyperparameters: str
    architecture: str
    dataset: str
    grouping: str
    scope: str
    keep: float
    seed: int
    dense_epochs: int
    sparsify_epochs: int
    finetune_epochs: int
    dense_val_top1: float | None = None
    dense_test_top1: float | None = None
    val_top1: float | None = None
    test_top1: float | None = None
    test_top5: float | None = None
    projection_drop: float | None = None
    groups: str | None = None
    groups_target: str | None = None
    groups_at_convergence: str | None = None
    groups_kept: str | None = None
    group_sparsity: float | None = None
    dense_params: int | None = None
    params: int | None = None
    compression: float | None = None
    dense_macs: int | None = None
    macs: int | None = None
    mac_speedup: float | None = None
    compact_error: float | None = None
    speedup_b1: float | None = None
    speedup_b64: float | None = None
    dense_file_mb: float | None = None
    file_mb: float | None = None
    dense_peak_mb: float | None = None
    peak_mb: float | None = None
    train_seconds: float | None = None
    device: str | None = None
    threads: int | None = None
    torch: str | None = None
    commit: str | None = None
    start: str | None = None
    train_images: int | None = None
    realisation: str | None = None
    optimizer: str | None = None
    lr: float | None = None
    finetune_lr: float | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    batch_size: int | None = None
    schedule: str | None = None
    schedule_over: str | None = None
    warmup: float | None = None
    label_smoothing: float | None = None
    augmentation: str | None = None
    normalisation: str | None = None
    dense_weights: str | None = None
    round_to: int | None = None
    precision: str | None = None
    measure: str | None = None
    equal: str | None = None
    classes: int | None = None
    k_reached: int | None = None
    groups_above: int | None = None
    trained_epochs: int | None = None
    train_macs: int | None = None

    @classmethod
    def of(cls, spec: TrialSpec, suite: str, status: str = "done", reason: str | None = None) -> Row:
        """Return a row that says what the trial is, and nothing measured yet."""
        dense, sparsify, finetune = spec.epochs
        recipe = spec.recipe
        return cls(
            protocol=spec.protocol,
            suite=suite,
            trial=spec.id,
            status=status,
            reason=reason,
            method=spec.method,
            hyperparameters=json.dumps(spec.configuration, sort_keys=True),
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
            precision=PRECISION,
            measure=spec.measure,
            equal=spec.equal,
        )


COLUMNS = [f.name for f in fields(Row)]
# what may differ between two runs of one trial on one machine
VARYING = ("speedup_b1", "speedup_b64", "train_seconds", "commit")
