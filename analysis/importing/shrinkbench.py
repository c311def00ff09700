"""ShrinkBench: folders of pruning experiments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from analysis.importing.base import Imported, Importer
from analysis.importing.rows import (
    KEEP_NOTE,
    PROTOCOL,
    epoch_rows,
    kept,
    last_epoch_note,
    numbered,
    unknown_seeds_note,
)
from analysis.importing.shrinkbench_files import FOLDER, Experiment, Unusable
from analysis.importing.shrinkbench_params import experiment_of, folders_in
from analysis.importing.text import distinct
from results.errors import InputError

TOOL = "shrinkbench"
NOTES = [
    KEEP_NOTE,
    "ShrinkBench divides what is correct by batches x batch size: an accuracy is too low where the last batch is not "
    "full, by 1.1 % of its value for 10,000 images in batches of 128",
    "ShrinkBench masks weights, so nothing got faster: macs and mac_speedup leave out what is zero",
    "train_loss is as logged: ShrinkBench has that of one batch (old version), or divides it by the batch size (new)",
]
Row = dict[str, Any]


def read(paths: list[Path]) -> Imported:
    """Return the experiments below these folders. One that failed or was cut is a failed trial.

    An experiment of compression 1 is the dense network of its data set, model and seed; see `Importer` for errors.
    """
    notes = list(NOTES)
    experiments = _pruning(paths, notes)
    seeds = [experiment.seed for experiment in experiments]
    notes += unknown_seeds_note(seeds)
    ids = numbered(TOOL, [(e.configuration, seed) for e, seed in zip(experiments, seeds, strict=True)])
    rows = [(e, _row(e, seed, trial)) for e, (seed, trial) in zip(experiments, ids, strict=True)]
    dense = _dense(rows)
    candidates = sum(e.dense for e in experiments)
    if candidates > len(dense):
        left_out = f"{candidates - len(dense)} of {candidates} experiments of compression 1 left out"
        notes.append(f"{left_out}: there is one dense network a seed")
    rows = [(e, row) for e, row in rows if not e.dense or row is dense[_network(row)]]
    epochs: list[Row] = []
    for experiment, row in rows:
        row["dense_test_top1"] = dense.get(_network(row), {}).get("test_top1")
        notes += _said(experiment, row)
        epochs += _epochs(experiment, row["trial"])
    return Imported([row for _, row in rows], epochs, notes)


def _pruning(paths: list[Path], notes: list[str]) -> list[Experiment]:
    """Return the experiments that prune; say which do not. Raises InputError where none does."""
    folders = distinct(folder for path in paths for folder in folders_in(path))
    read = [(folder, experiment_of(folder)) for folder in folders]
    others = [f"{folder}: the experiment holds no pruning" for folder, experiment in read if experiment is None]
    if len(others) == len(folders):
        raise InputError(f"{others[0]}; give {FOLDER}")
    notes += [f"{line}; left out" for line in others]
    return [experiment for _, experiment in read if experiment]


def _row(experiment: Experiment, seed: int, trial: str) -> Row:
    row = {
        "protocol": PROTOCOL,
        "suite": TOOL,
        "trial": trial,
        "status": "done",
        "reason": None,
        "architecture": experiment.model.lower(),
        "dataset": experiment.dataset,
        "keep": kept(1 / experiment.compression),
        "seed": seed,
        "dense_epochs": 0,
        "sparsify_epochs": 0,
        "finetune_epochs": experiment.epochs,
        "start": "dense" if experiment.dense or experiment.trained else "scratch",
        "realisation": "masked",
        **_method(experiment),
    }
    try:
        row |= experiment.sizes()
        row |= experiment.accuracies()
    except Unusable as reason:
        row |= {"status": "failed", "reason": str(reason)}
    return row


def _method(experiment: Experiment) -> Row:
    strategy = experiment.strategy or ""
    if experiment.dense:
        return {"method": "dense", "hyperparameters": "{}", "grouping": "element", "scope": "network"}
    return {
        "method": f"shrinkbench:{strategy}",
        "hyperparameters": json.dumps(experiment.hyperparameters, sort_keys=True),
        "grouping": "channel" if "Channel" in strategy else "element",
        "scope": "layer" if strategy.startswith("Layer") else "network",
    }


def _dense(rows: list[tuple[Experiment, Row]]) -> dict[tuple[str, ...], Row]:
    """Return the row that is the dense network of each data set, model and seed: the first that is done, if any."""
    found: dict[tuple[str, ...], Row] = {}
    for experiment, row in rows:
        if experiment.dense:
            known = found.setdefault(_network(row), row)
            if known["status"] == "failed" and row["status"] == "done":
                found[_network(row)] = row
    return found


def _network(row: Row) -> tuple[str, ...]:
    return row["dataset"], row["architecture"], str(row["seed"])


def _said(experiment: Experiment, row: Row) -> list[str]:
    if row["reason"]:
        return [f"{experiment.folder}: failed: {row['reason']}"]
    tuned = [epoch.accuracy for epoch in experiment.tuned()]
    return [last_epoch_note(str(experiment.folder), tuned)] if tuned else []


def _epochs(experiment: Experiment, trial: str) -> list[Row]:
    try:
        tuned = experiment.tuned()
    except Unusable:  # the row says why
        return []
    return epoch_rows(trial, "finetune", [experiment.lr] * len(tuned), [epoch.loss for epoch in tuned])


IMPORTER = Importer(TOOL, FOLDER, read)
