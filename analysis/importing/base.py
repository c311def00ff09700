"""The contract of an importer: what it is called, and what it makes of another tool's files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Imported:
    """What was found in the files of another tool.

    trials: rows of trials.csv, by the names of `results.columns.Trial`; what is left out, or None, is an empty cell.
    epochs: rows of epochs.csv, by the names of `results.columns.Epoch`.
    notes: lines for the user: what was decided for them, and what the numbers do not say by themselves.
    """

    trials: list[dict[str, Any]]
    epochs: list[dict[str, Any]]
    notes: list[str]


@dataclass(frozen=True)
class Importer:
    """A tool whose files can be read. Found by discovery: an instance in a file of this package is enough.

    name: the tool, as the command line and the column suite have it.
    description: one line on what is to be given.
    read: takes the paths given and returns what they hold. A run that failed or was cut becomes a row with status
        failed; for what cannot be read at all it raises InputError, of one line.
    """

    name: str
    description: str
    read: Callable[[list[Path]], Imported]
