"""Writing what was imported as a results folder that analysis reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.importing.base import Imported
from results.columns import Columns, Epoch, Trial, names
from results.errors import InputError
from results.reading import parse, read_csv

PHASES = ("sparsify", "finetune")
PLACE = ("architecture", "dataset", "method", "hyperparameters")


def refuse_others(path: Path, tool: str) -> None:
    """Raise InputError where a trials.csv is there that no import of this tool wrote."""
    if not path.exists():
        return
    suites = read_csv(path, Trial, ("suite",), only=("suite",))["suite"]
    others = sorted({str(suite) for suite in suites if suite != tool})
    if others:
        raise InputError(f"{path} holds suite {others[0]}, which was not imported from {tool}; give another folder")


def write(imported: Imported, output: Path, tool: str) -> list[str]:
    """Write trials.csv and epochs.csv, sorted, with all columns; return a line for each.

    Raises InputError where a cell is not what its column holds, or a file cannot be written.
    """
    trials = sorted(imported.trials, key=_place)
    epochs = sorted(imported.epochs, key=lambda row: (row["trial"], PHASES.index(row["phase"]), row["epoch"]))
    _check(trials, Trial, f"trials of {tool}")
    _check(epochs, Epoch, f"epochs of {tool}")
    failed = sum(row["status"] == "failed" for row in trials)
    return [
        _save(output / "epochs.csv", epochs, names(Epoch)) + f": {len(epochs)} epochs",
        _save(output / "trials.csv", trials, names(Trial)) + f": {len(trials)} trials, {failed} of them failed",
    ]


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    return (*(str(row[column]) for column in PLACE), -row["keep"], row["seed"], row["trial"])


def _check(rows: list[dict[str, Any]], model: type[Columns], where: str) -> None:
    """Hold every cell to its column, so that no importer writes a file that load() would refuse."""
    for column in names(model):
        parse(pd.Series([_text(row.get(column)) for row in rows], name=column, dtype="object"), model, where)


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell)


def _save(path: Path, rows: Iterable[dict[str, Any]], columns: list[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.getvalue().encode())
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
    return f"written: {path}"
