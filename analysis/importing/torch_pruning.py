"""Torch-Pruning: the logs of its benchmarks on CIFAR."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from analysis.importing.base import Imported, Importer
from analysis.importing.rows import (
    KEEP_NOTE,
    NAME,
    PROTOCOL,
    dataset_name,
    epoch_rows,
    kept,
    last_epoch_note,
    numbered,
    unknown_seeds_note,
)
from analysis.importing.text import distinct, number, whole
from analysis.importing.torch_pruning_log import LOG, MOST, Run, runs_of
from results.errors import InputError

TOOL = "torch-pruning"
# Where a run was kept, what it said and where it ran makes no other experiment of it.
APART = {"seed", "output_dir", "restore", "sl_restore", "logger", "verbose", "device"}
# What may tell two curves of a method apart. The speed-up asked for is no more one of these than keep is.
ALWAYS = ("lr", "max_sparsity", "soft_rank")
REGULARISER = ("reg", "delta_reg", "sl_lr", "sl_reg_warmup")
SCOPES = {"True": "network", "False": "layer"}
REGULARISED_NOTE = "Torch-Pruning prunes the regularised network of the epoch that was best on the test set"


def read(paths: list[Path]) -> Imported:
    """Return the runs of these logs. A run that was cut is a failed trial; see `Importer` and `runs_of` for errors."""
    notes = [KEEP_NOTE]
    runs = [run for path in distinct(paths) for run in _pruning(path, notes)]
    seeds = [run.setting("seed", _seed, "a whole number or None") if "seed" in run.settings else None for run in runs]
    ids = numbered(TOOL, [(_configuration(run), seed) for run, seed in zip(runs, seeds, strict=True)])
    trials, epochs = [], []
    for run, (seed, trial) in zip(runs, ids, strict=True):
        row = _row(run, seed, trial)
        trials.append(row)
        epochs += _epochs(run, trial)
        tuned = [epoch.accuracy for _, epoch in sorted(run.epochs["finetune"].items())]
        if row["reason"]:
            notes.append(f"{run.where}: failed: {row['reason']}")
        elif tuned:
            notes.append(last_epoch_note(run.where, tuned))
    notes[1:1] = unknown_seeds_note(seeds) + [REGULARISED_NOTE] * any(run.regularised for run in runs)
    return Imported(trials, epochs, notes)


def _pruning(path: Path, notes: list[str]) -> list[Run]:
    """Return the runs of a log that prune; say which do not. Raises InputError where none does."""
    runs = runs_of(path)
    others = [run for run in runs if run.mode != "prune"]
    lines = [f"{run.where}: mode {run.mode[:40]!r} holds no pruning" for run in others]
    if len(others) == len(runs):
        raise InputError(f"{lines[0]}; give {LOG}")
    notes += [f"{line}; left out" for line in lines]
    return [run for run in runs if run.mode == "prune"]


def _configuration(run: Run) -> dict[str, str]:
    return {name: text for name, (_, text) in run.settings.items() if name not in APART}


def _row(run: Run, seed: int, trial: str) -> dict[str, Any]:
    reason = _cut(run)
    return {
        "protocol": PROTOCOL,
        "suite": TOOL,
        "trial": trial,
        "status": "failed" if reason else "done",
        "reason": reason,
        "method": f"torch_pruning:{run.setting('method', _name, 'a name')}",
        "hyperparameters": json.dumps(_hyperparameters(run), sort_keys=True),
        "architecture": run.setting("model", _name, "a name").lower(),
        "dataset": dataset_name(run.setting("dataset", _name, "a name")),
        "grouping": "coupled",
        "scope": run.setting("global_pruning", _scope, "True or False"),
        "keep": kept(1 / _speed_up(run)),
        "seed": seed,
        "dense_epochs": 0,
        "sparsify_epochs": _sparsify_epochs(run),
        "finetune_epochs": _epochs_of(run, "total_epochs"),
        "dense_test_top1": run.accuracy[0] if run.accuracy else None,
        "test_top1": None if reason else _last(run),
        **_sizes(run),
        "device": run.setting("device", _name, "cuda or cpu") if "device" in run.settings else None,
        "start": "dense",
        "realisation": "compact",
    }


def _sizes(run: Run) -> dict[str, Any]:
    """Return the cells that say how large the network is, as far as the log got."""
    cells: dict[str, Any] = {}
    if run.params:
        cells["dense_params"], cells["params"] = run.params.counts
        cells["compression"] = run.params.ratio
    if run.macs:
        cells["dense_macs"], cells["macs"] = run.macs.counts
        cells["mac_speedup"] = run.macs.ratio
    return cells


def _cut(run: Run) -> str | None:
    """Return where the run was cut, None where it reached its end. Raises InputError where it lacks a line."""
    total, tuned = _epochs_of(run, "total_epochs"), len(run.epochs["finetune"])
    if run.params is None:
        learned, planned = len(run.epochs["sparsify"]), _sparsify_epochs(run)
        early = learned < planned
        return f"cut after {learned} of {planned} epochs of regularising" if early else "cut before it was pruned"
    absent = "FLOPs" if run.macs is None else "Acc" if run.accuracy is None else None
    if absent and tuned:
        raise InputError(f"{run.where}: the run has no line '{absent}: ... => ...'; give {LOG}")
    if absent:
        return "cut before the pruned network was evaluated"
    done = max(run.epochs["finetune"], default=-1) + 1 >= total
    return None if done else f"cut after {tuned} of {total} epochs of fine-tuning"


def _last(run: Run) -> float | None:
    """Return the accuracy at the end: of the last epoch, or right after pruning where there was no fine-tuning."""
    tuned = run.epochs["finetune"]
    if tuned:
        return tuned[max(tuned)].accuracy
    return run.accuracy[1] if run.accuracy else None


def _epochs(run: Run, trial: str) -> list[dict[str, Any]]:
    found = []
    for phase, epochs in run.epochs.items():
        losses = [run.losses.get((phase, epoch), []) for epoch in sorted(epochs)]
        means = [sum(batches) / len(batches) if batches else None for batches in losses]
        found += epoch_rows(trial, phase, [epoch.lr for _, epoch in sorted(epochs.items())], means)
    return found


def _hyperparameters(run: Run) -> dict[str, float | str]:
    names = ALWAYS + REGULARISER * run.regularised
    return {name: _value(run.settings[name][1]) for name in names if name in run.settings}


def _value(text: str) -> float | str:
    try:
        return number(text, -MOST, MOST)
    except ValueError:
        return text


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError(text)
    return text


def _scope(text: str) -> str:
    if text not in SCOPES:
        raise ValueError(text)
    return SCOPES[text]


def _seed(text: str) -> int | None:
    return None if text == "None" else whole(text, -(2**63), 2**64)


def _epochs_of(run: Run, name: str) -> int:
    return run.setting(name, lambda text: whole(text, 0, MOST), "a whole number")


def _sparsify_epochs(run: Run) -> int:
    """Return the epochs of regularised training; older versions have no number of their own for it."""
    name = "sl_total_epochs" if "sl_total_epochs" in run.settings else "total_epochs"
    return _epochs_of(run, name) if run.regularised else 0


def _speed_up(run: Run) -> float:
    """Return the speed-up asked for, which all seeds of a point share; what came of it is mac_speedup."""
    return run.setting("speed_up", lambda text: max(1.0, number(text, 0, MOST)), "a number, such as 2.11")


IMPORTER = Importer(TOOL, LOG, read)
