"""How soon a command answers."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import yaml

from results.performance import Row
from runners.bench.clock import ratio, rounds, spread
from runners.bench.rows import Form, group, row

ROOT = Path(__file__).parents[2]
PYTHON = [sys.executable, "-c", "pass"]
KLEVEL = [sys.executable, "-m", "runners"]
COMMANDS = {"klevel --help": ["--help"], "klevel list suites": ["list", "suites"]}
TIMES_OF_PYTHON, SECOND_RUN = 12.0, 3.0
SUITE = {
    "suite": "bench",
    "recipe": {"dense_epochs": 1, "sparsify_epochs": 1, "finetune_epochs": 1, "batch_size": 20, "train_images": 40},
    "grid": {"dataset": ["digits"], "architecture": ["mlp"], "keep": [0.5], "seed": [0, 1, 2], "method": ["magnitude"]},
}


@group("start")
def starts(form: Form) -> Iterator[Row]:
    """How long a command takes that has nothing to do, against `python -c pass`; a second run of a finished suite."""
    functions = {name: partial(call, [*KLEVEL, *words]) for name, words in COMMANDS.items()}
    times = rounds(functions | {"python": partial(call, PYTHON)}, form.repeats)
    for name in COMMANDS:
        yield row("start", name, "the command / python -c pass", ratio(times, name, "python"), TIMES_OF_PYTHON)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bench.yaml"
        file.write_text(yaml.safe_dump(SUITE), encoding="utf-8")
        run = [*KLEVEL, "run", str(file), "--results", folder, "--jobs", "1"]
        call(run, codes=(0, 1))  # trained so little, its networks may have collapsed
        again = rounds({"again": partial(call, run, codes=(0, 1))}, form.repeats)
    said = "klevel run of a suite of which all trials are done"
    yield row("start", "second run of a finished suite", said, spread(again["again"]), SECOND_RUN, "s")


def call(command: list[str], codes: tuple[int, ...] = (0,)) -> None:
    """Run a command to its end, its output unread. Raises RuntimeError if its exit code is none of these."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode not in codes:
        raise RuntimeError(f"{' '.join(command[1:4])} ends with {done.returncode}: {done.stderr[-200:]}")
