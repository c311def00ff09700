"""Merge the results folders of several machines: klevel collect A B --into DIR."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from results.columns import FILES, VARYING, Trial
from results.errors import InputError, helps
from results.reading import read_machines
from runners.store import rows_by_trial, write_csv, write_json

# columns that describe the run, and may differ between machines with equal results
OF_THE_MACHINE = (*VARYING, "device", "threads", "torch", "suite")


def collect(folders: Sequence[Path], into: Path) -> int:
    """Merge the CSVs, the machines and the suite file of results folders into one; return the number of trials.

    Existing results in `into` are merged too. For a trial in several folders, a done row is preferred, else the first
    is taken. Raises InputError, before writing anything, if a folder has no trials, or if two done rows of one trial
    differ in a column that does not describe the machine.
    """
    sources = list(dict.fromkeys([*[into] * (into / "trials.csv").is_file(), *folders]))
    taken: dict[str, tuple[Path, Trial]] = {}
    for folder in sources:
        for trial, (row, *_) in _trials(folder).items():
            there = taken.get(trial)
            if there is not None:
                _agree(there, (folder, row))
            if there is None or (there[1].status != "done" and row.status == "done"):
                taken[trial] = (folder, row)
    into.mkdir(parents=True, exist_ok=True)
    _merge_rows(sources, taken, into)
    _merge_machines(sources, into)
    named = next((folder / "suite.yaml" for folder in sources if (folder / "suite.yaml").is_file()), None)
    if named is not None and not (into / "suite.yaml").exists():
        shutil.copyfile(named, into / "suite.yaml")
    return len(taken)


def _trials(folder: Path) -> dict[str, list[Trial]]:
    found = _rows(folder, "trials")
    if not found:
        raise InputError(f"{folder} holds no trials.csv with trials; give the folders of one suite of each machine")
    return found


def _rows(folder: Path, name: str) -> dict[str, list[Any]]:
    try:
        return rows_by_trial(folder / f"{name}.csv", name, FILES[name])
    except InputError as error:
        raise InputError(f"{error}; {helps(folder)}") from None


def _agree(one: tuple[Path, Trial], other: tuple[Path, Trial]) -> None:
    """Raise InputError if two done rows of one trial differ in experiment or result."""
    (a, first), (b, second) = one, other
    if first.status != "done" or second.status != "done":
        return
    for name in Trial.model_fields:
        left, right = getattr(first, name), getattr(second, name)
        if name not in OF_THE_MACHINE and None not in (left, right) and left != right:
            raise InputError(
                f"trial {first.trial}, {name}: {left} in {a}, {right} in {b}; one of them is of other code"
            )


def _merge_rows(sources: Sequence[Path], taken: dict[str, tuple[Path, Trial]], into: Path) -> None:
    """Write the three CSVs; the epochs and latencies of a trial come from the folder of its row."""
    parts = {(name, folder): _rows(folder, name) for name in ("epochs", "latency") for folder in sources}
    trials = write_csv(into / "trials.csv", [row for _, row in taken.values()], Trial)["trial"]
    for name in ("epochs", "latency"):
        rows = [row for trial in trials for row in parts[name, taken[trial][0]].get(trial, [])]
        write_csv(into / f"{name}.csv", rows, FILES[name])


def _merge_machines(sources: Sequence[Path], into: Path) -> None:
    machines = []
    for folder in sources:
        machines += [one for one in read_machines(folder / "environment.json") if one not in machines]
    write_json(into / "environment.json", machines)
