"""What report.html says, as plain values for its template."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.annotation import DENSE, RECIPE, SETTING, TIMING
from analysis.frame import Frame, devices
from analysis.output import Exhibit
from analysis.report.result import result
from analysis.select import PHASES, given
from analysis.table import Format, Table
from analysis.wording import NOTHING, TIMES, listed, plain, setting_name

PIXELS = 4 / 3  # of a point
OF_PRUNED = ["grouping", "scope", "keep"]  # the dense network has them only because a row must say something
READ_OFF = [*SETTING, *OF_PRUNED, "seed", *PHASES, "train_images", "start", *RECIPE]
RAN_ON = [*TIMING, "torch", "commit"]
AGAIN = "again"  # a folder that is not there yet: what lies in results would not be run again
NUMBERS = {
    "test_top1": ("test top-1 (%)", 100), "group_sparsity": ("group sparsity (%)", 100),
    "compression": (f"compression ({TIMES})", 1), "mac_speedup": (f"MAC speedup ({TIMES})", 1),
    "speedup_b1": (f"speedup, batch 1 ({TIMES})", 1), "speedup_b64": (f"speedup, batch 64 ({TIMES})", 1),
}  # fmt: skip
COLUMNS = ["method", "suite", "hyperparameters", *SETTING, *OF_PRUNED, "seed", *NUMBERS, "status", "trial"]


@dataclass(frozen=True)
class Folder:
    """A results folder, the trials whose rows were taken from it, and the files that a run left beside its CSVs."""

    path: Path
    rows: pd.DataFrame

    @property
    def name(self) -> str:
        """Its path from the folder `results`, or the end of it: no page names the machine that it was made on."""
        parts = self.path.resolve().parts
        return "/".join(parts[max((i for i, part in enumerate(parts) if part == "results"), default=-2) :])

    @property
    def suites(self) -> list[str]:
        """The names of the suites that the rows are from; that of the folder if they do not say."""
        return distinct(self.rows, "suite") or [self.path.resolve().name]

    @property
    def imported(self) -> bool:
        """Whether all rows are another tool's: there are such of protocol 0 alone."""
        return len(self.rows) > 0 and bool((self.rows["protocol"] == 0).all())

    @property
    def commits(self) -> dict[str, int]:
        """The number of trials that each commit has run, the most frequent first."""
        return dict(self.rows["commit"].value_counts()) if "commit" in self.rows else {}

    @cached_property
    def suite(self) -> tuple[str, str]:
        """The text of suite.yaml, and why it cannot be read; both empty without it."""
        return self._read("suite.yaml", str.rstrip, "")

    @cached_property
    def machines(self) -> tuple[list[dict[str, Any]], str]:
        """The machines of environment.json, and why it cannot be read; both empty without it."""
        found, complaint = self._read("environment.json", json.loads, [])
        if isinstance(found, list) and all(isinstance(machine, dict) for machine in found):
            return found, complaint
        return [], f"{self.name}/environment.json holds no JSON list of objects, one for each machine."

    @property
    def recipe(self) -> dict[str, str]:
        """What can be read off the rows: the values of each column, and the configurations of each method."""
        pruned = self.rows[self.rows["method"] != DENSE]
        found = {c: distinct(pruned if c in OF_PRUNED and len(pruned) else self.rows, c) for c in READ_OFF}
        words = self.rows.reindex(columns=["hyperparameters"])["hyperparameters"].map(hyperparameters)
        methods = {f"method {name}": sorted({*part}) for name, part in words.groupby(self.rows["method"])}
        return {name: listed(values, 24) for name, values in (found | methods).items() if values}

    @property
    def commands(self) -> list[str]:
        """The lines that run its suites again, at their commit and back; none for what another tool ran.

        suite.yaml may not be there at that commit, so a copy is run. Nothing is checked out if there are several
        commits, or one with changes that git does not know, which its plus stands for.
        """
        commits, own, copy = list(self.commits), f"{self.name}/suite.yaml", f"{AGAIN}.yaml"
        clean = len(commits) == 1 and not commits[0].endswith("+")
        suites = [copy if clean else own] if self.suite[0] else self.suites
        lines = [["./run_all.sh", suite, "--results", AGAIN] for suite in suites]
        if clean:
            copied = [["cp", own, copy]] if self.suite[0] else []
            lines = [*copied, ["git", "checkout", commits[0]], *lines, ["git", "checkout", "-"]]
        return [] if self.imported else list(map(shlex.join, lines))

    def _read(self, file: str, parsed: Callable[[str], Any], empty: Any) -> tuple[Any, str]:
        path = self.path / file
        try:
            return parsed(path.read_text(encoding="utf-8-sig")) if path.exists() else empty, ""
        except (OSError, ValueError, RecursionError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            return empty, f"{self.name}/{file} cannot be read: {' '.join(str(why).split())}."


def context(frame: Frame, exhibits: Sequence[Exhibit]) -> dict[str, Any]:
    """Return all that the page says."""
    rows, taken = frame.source.everything, zip(frame.source.folders, frame.source.taken, strict=True)
    folders = [Folder(path, rows[rows["trial"].isin(trials)]) for path, trials in taken]
    said, leaders = result(frame)
    ran = rows.reindex(columns=RAN_ON).map(written).groupby(RAN_ON).size().reset_index(name="trials")
    with_status = {status: rows[rows["status"] == status] for status in ("done", "failed", "skipped")}
    return {
        "said": said,
        "leaders": leaders,
        "counts": {status: len(part) for status, part in with_status.items()},
        "settings": [setting_name(*names) for names in sorted({*zip(*(rows[c] for c in SETTING), strict=True)})],
        "methods": list(map(frame.name, frame.source.methods)),
        "seeds": distinct(rows, "seed"),
        "protocols": distinct(rows, "protocol"),
        "devices": devices(with_status["done"]),
        "notes": frame.source.notes,
        "folders": folders,
        "suites": list(dict.fromkeys(suite for one in folders if len(one.rows) for suite in one.suites)),
        "exhibits": list(map(_exhibit, exhibits)),
        "trials": _trials(rows),
        "undone": {status: _undone(with_status[status]) for status in ("failed", "skipped")},
        "environment": Table("", ran, {"trials": Format(0)}),
        "again": AGAIN,
    }


def written(value: Any) -> str:
    """Return the cell of a CSV as text: a number as short as it is, a dash if it is missing."""
    if value is None or value != value:
        return NOTHING
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def hyperparameters(cell: Any) -> str:
    """Return the JSON object of a row as `lam=auto, ramp=0.5`; a dash if there is nothing in it."""
    return ", ".join(f"{name}={plain(value)}" for name, value in sorted(given(cell).items())) or NOTHING


def distinct(rows: pd.DataFrame, column: str) -> list[str]:
    """Return the values of a column, each once and in order, as text; missing ones are left out."""
    return [written(one) for one in sorted(rows[column].dropna().unique())] if column in rows else []


def _exhibit(one: Exhibit) -> dict[str, Any]:
    """Return an exhibit with its files as seen from the page, and its picture as a data URI, its size in pixels."""
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', one.svg)
    data = base64.b64encode(one.svg.encode()).decode()
    stems = dict.fromkeys(path.stem for path in one.files)  # one: files that differ in their suffixes are named once
    return vars(one) | {
        "files": [f"{one.kind}s/{stem}{', '.join(path.suffix for path in one.files)}" for stem in stems],
        "size": [round(PIXELS * float(points)) for points in size.groups()] if size else None,
        "picture": f"data:image/svg+xml;base64,{data}",
    }


def _trials(rows: pd.DataFrame) -> Table:
    """Return the rows in the columns that are not empty, those of several suites with their suite."""
    columns = [c for c in COLUMNS if c in rows and rows[c].nunique() > (c == "suite")]
    data = {c: rows[c].map(hyperparameters if c == "hyperparameters" else written) for c in columns}
    data |= {c: NUMBERS[c][1] * rows[c].astype("float64") for c in columns if c in NUMBERS}
    shown = pd.DataFrame(data).rename(columns={column: heading for column, (heading, _) in NUMBERS.items()})
    return Table("", shown.reset_index(drop=True))


def _undone(rows: pd.DataFrame) -> list[tuple[str, Table]]:
    """Return each reason, the most frequent first, with its trials."""
    reasons = rows.reindex(columns=["reason"])["reason"].astype("object").fillna("no reason given")
    groups = sorted(rows.groupby(reasons), key=lambda group: (-len(group[1]), group[0]))
    return [(str(reason), _trials(part)) for reason, part in groups]
