"""The results folders one by one: the rows that count from each, and the files that a run left beside its CSVs."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.load import Results
from analysis.report import words

SUITE = "suite.yaml"
ENVIRONMENT = "environment.json"


@dataclass(frozen=True)
class Source:
    """A results folder, and the trials whose rows were taken from it."""

    folder: Path
    rows: pd.DataFrame

    @property
    def name(self) -> str:
        """The folder as the page names it, such as results/quick."""
        return words.shown(self.folder)

    @property
    def suites(self) -> list[str]:
        """The names of the suites that the rows are from; that of the folder where they do not say."""
        return words.distinct(self.rows, "suite") or [self.folder.resolve().name]

    @property
    def imported(self) -> bool:
        """Whether all rows are another tool's: there are such of protocol 0 alone."""
        return "protocol" in self.rows and len(self.rows) > 0 and bool((self.rows["protocol"] == 0).all())

    @property
    def commits(self) -> dict[str, int]:
        """How many trials each commit has run, the most frequent first; without the trials that do not say."""
        counts = Counter(self.rows["commit"].dropna() if "commit" in self.rows else ())
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def sources(results: Results) -> list[Source]:
    """Return the folders of the results, each with its rows."""
    trials = results.trials
    pairs = zip(results.folders, results.taken, strict=True)
    return [Source(folder, trials[trials["trial"].isin(taken)]) for folder, taken in pairs]


def suite_text(source: Source) -> tuple[str, str]:
    """Return the text of suite.yaml and no complaint; no text and why, where it cannot be read; nothing without it."""
    path = source.folder / SUITE
    try:
        return (path.read_text(encoding="utf-8-sig"), "") if path.exists() else ("", "")
    except (OSError, UnicodeDecodeError) as error:
        return "", _complaint(source, SUITE, error)


def machines(source: Source) -> tuple[list[dict[str, Any]], str]:
    """Return the machines of environment.json and no complaint, or none and why; neither without that file."""
    path = source.folder / ENVIRONMENT
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig")) if path.exists() else []
    except (OSError, ValueError, RecursionError) as error:
        return [], _complaint(source, ENVIRONMENT, error)
    if isinstance(found, list) and all(isinstance(machine, dict) for machine in found):
        return found, ""
    return [], f"{source.name}/{ENVIRONMENT} holds no JSON list of objects, one for each machine."


def _complaint(source: Source, name: str, error: Exception) -> str:
    why = error.strerror if isinstance(error, OSError) else error
    return f"{source.name}/{name} cannot be read: {words.line(why)}."
