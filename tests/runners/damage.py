"""A small results folder, and ways to damage its files."""

import shutil
from collections.abc import Callable
from pathlib import Path

import yaml

from runners.__main__ import main

RECIPE = {"dense_epochs": 1, "sparsify_epochs": 1, "finetune_epochs": 1, "batch_size": 20, "train_images": 40}
GRID = {"dataset": ["digits"], "architecture": ["lenet5"], "keep": [0.5], "seed": [0]}
SUITE = {"suite": "t", "recipe": RECIPE, "grid": GRID | {"method": ["magnitude", {"name": "wgsef", "lam": 1.0}]}}
NOISE = bytes(range(256)) * 4
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "noise": lambda content: NOISE,
    "zeros": lambda content: bytes(len(content)),
}
JSON_DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "list": lambda content: b"[1]",
    "mapping": lambda content: b'{"a": 1}',
    "number": lambda content: b"3",
    "null": lambda content: b"null",
    "deep": lambda content: b"[" * 100_000,
    "long number": lambda content: b"9" * 10_000,
}
OF_SUITE = ("suite.yaml", "environment.json", "trials.csv", "epochs.csv", "latency.csv")
OF_DENSE = ("record.json", "network.pt")
OF_TRIAL = ("trial.yaml", "row.json", "epochs.json", "latency.json", "checkpoint.pt", "compact.pt")


def make(folder: Path) -> Path:
    """Run a suite `t` of two trials in FOLDER/results and return its file, FOLDER/s.yaml."""
    file = folder / "s.yaml"
    file.write_text(yaml.safe_dump(SUITE))
    assert main(["run", str(file), "--results", str(folder / "results"), "--jobs", "1"]) == 0
    return file


def copied(source: Path, folder: Path) -> Path:
    """Copy what `make` made, replace the folder, and return the results folder of the suite in it."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder, symlinks=True)
    return folder / "results" / "t"


def files(root: Path) -> list[Path]:
    """Return the files that one can damage: one of each kind, logs apart."""
    found = [root / name for name in OF_SUITE]
    for part, names in (("dense", OF_DENSE), ("trials", OF_TRIAL)):
        first = min((root / part).iterdir())
        found += [first / name for name in names]
    return found


def contents(root: Path) -> dict[Path, bytes]:
    """Return the bytes of every file of a folder."""
    return {path.relative_to(root): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
