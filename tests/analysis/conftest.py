"""What the tests of analysis share: small results folders, written row by row."""

import csv
import json
from pathlib import Path

import pytest

from analysis.frame import load
from results.columns import Trial, names

COLUMNS = names(Trial)
WHICH = ("method", "hyperparameters", "architecture", "dataset", "grouping", "scope", "keep", "seed")

PRUNED = ("random", "wgsef", "group_lasso", "l1_filter", "magnitude")


def trial(method="wgsef", keep=0.5, seed=0, **cells):
    """A row of trials.csv as the runner writes it, with these cells set otherwise."""
    dense = method == "dense"
    row = dict.fromkeys(COLUMNS, "") | {
        "protocol": 1,
        "suite": "test",
        "status": "done",
        "method": method,
        "hyperparameters": "{}",
        "architecture": "lenet5_caffe",
        "dataset": "digits",
        "grouping": "filter",
        "scope": "layer",
        "keep": 1.0 if dense else keep,
        "seed": seed,
        "dense_epochs": 8,
        "sparsify_epochs": 8,
        "finetune_epochs": 3,
        "test_top1": 0.98 if dense else round(0.95 - 0.1 * (1 - keep) + 0.01 * seed, 4),
        "groups": "[20, 50]",
        "groups_target": json.dumps([round(20 * keep), round(50 * keep)]),
        "groups_at_convergence": "[20, 50]",
        "group_sparsity": 0 if dense else 1 - keep,
        "compression": 1 if dense else 1 / keep,
        "speedup_b1": 1 if dense else 1.5,
        "speedup_b64": 1 if dense else 0.8 / keep + 0.1 * seed,
        "device": "cpu",
        "threads": 2,
        "start": "dense",
        "realisation": "compact",
    }
    row |= cells
    row["trial"] = cells.get("trial", "-".join(str(row[c]) for c in WHICH) + f"-{row['device']}-{row['start']}")
    return row


RECIPE = {
    "optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4, "batch_size": 64, "schedule": "cosine",
    "schedule_over": "phase", "warmup": 0, "label_smoothing": 0, "normalisation": "own", "round_to": 1,
    "precision": "float32", "measure": "raw", "equal": "epochs", "classes": 10,
}  # fmt: skip


def second(method="wgsef", keep=0.5, seed=0, split=(0, 8, 3), **cells):
    """A row under protocol 2: the recipe in columns, the epochs of the phases, and ten classes."""
    phases = dict(zip(("dense_epochs", "sparsify_epochs", "finetune_epochs"), split, strict=True))
    row = trial(method, keep, seed, **{"protocol": 2, "val_top1": 0.9} | RECIPE | phases | cells)
    return row | {"trial": cells.get("trial", f"{row['trial']}-{split}-{row['lr']}-{row['equal']}")}


def suite(seeds=3, keeps=(0.5, 0.25, 0.1), **cells):
    """The rows of a suite: dense and five methods, magnitude on single weights."""
    rows = [trial("dense", seed=seed, **cells) for seed in range(seeds)]
    for method in PRUNED:
        extra = {"grouping": "element", "realisation": "masked"} if method == "magnitude" else {}
        rows += [trial(method, keep, seed, **extra | cells) for keep in keeps for seed in range(seeds)]
    return rows


KEEPS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05)


def grid(seeds=1, **accuracies):
    """The rows of methods, each with its accuracies at the first of KEEPS."""
    return [
        trial(method, keep, seed, test_top1=value)
        for method, values in accuracies.items()
        for keep, value in zip(KEEPS, values, strict=False)
        for seed in range(seeds)
    ]


EPOCHS = ["trial", "phase", "epoch", "train_loss", "val_top1", "nonzero_groups", "lam", "lr", "seconds", "regulariser"]
EPOCHS += ["train_macs"]


def epochs(row, left, phase="sparsify"):
    """The rows of epochs.csv of one phase of a trial, with these numbers of groups left in its families."""
    return [
        {"trial": row["trial"], "phase": phase, "epoch": i, "nonzero_groups": json.dumps(counts), "lam": 0.1}
        for i, counts in enumerate(left, start=1)
    ]


def write(folder: Path, rows, columns=COLUMNS, name="trials.csv"):
    """Write rows as a CSV of a results folder and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture
def folder(tmp_path):
    """Return a function that writes rows into a results folder."""
    return lambda rows, **options: write(tmp_path / "results", rows, **options)


@pytest.fixture
def setting(folder):
    """Return a function that writes rows of one setting and returns its frame."""

    def only(rows, **options):
        (found,) = load(folder(rows, **options)).settings()
        return found

    return only


@pytest.fixture
def make():
    """Return the functions that make rows: make.trial(...) and make.suite(...)."""

    class Make:
        COLUMNS = COLUMNS
        PRUNED = PRUNED
        trial = staticmethod(trial)
        suite = staticmethod(suite)
        second = staticmethod(second)
        KEEPS = KEEPS
        grid = staticmethod(grid)
        EPOCHS = EPOCHS
        epochs = staticmethod(epochs)
        write = staticmethod(write)

    return Make
