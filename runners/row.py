"""The columns of trials.csv."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields

from runners.spec import TrialSpec


@dataclass
class Row:
    """One row of trials.csv, in the order of its columns; None is an empty cell. New columns go at the end.

    Accuracies are fractions in [0, 1]; groups* hold a JSON list with one number a family (groups_target: one for the
    network where the scope is that); latencies are ratios dense / compact; train_seconds covers every epoch the
    network went through, those of the shared dense network included.
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

    @classmethod
    def of(cls, spec: TrialSpec, suite: str, status: str = "done", reason: str | None = None) -> Row:
        """Return a row that says what the trial is, and nothing measured yet."""
        dense, sparsify, finetune = spec.epochs
        return cls(
            protocol=spec.protocol,
            suite=suite,
            trial=spec.id,
            status=status,
            reason=reason,
            method=spec.method,
            hyperparameters=json.dumps(spec.all_hyperparameters, sort_keys=True),
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
            train_images=spec.recipe.train_images,
        )


COLUMNS = [f.name for f in fields(Row)]
# what may differ between two runs of one trial on one machine
VARYING = ("speedup_b1", "speedup_b64", "train_seconds", "commit")
