"""The files of a suite in results/SUITE. Every file is written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import torch
import yaml
from pydantic import ValidationError
from tqdm import tqdm

from results.columns import Columns, Epoch, Latency, Trial, names
from results.errors import InputError, MachineFault, Unreadable, helps
from results.reading import REQUIRED, read_machines, read_text
from runners.measurement import LatencyRecord
from runners.spec import DenseSpec, TrialSpec
from runners.training import EpochRecord

Row = TypeVar("Row", bound=Columns)
T = TypeVar("T")
BROKEN = ".broken"
ORDER = ["dataset", "architecture", "method", "grouping", "scope", "hyperparameters", "keep", "seed", "trial"]


def write(path: Path, save: Callable[[Path], Any]) -> None:
    """Write a file by `save` under a temporary name, then rename it, so that it is never partial.

    Raises MachineFault if it cannot be written; the file is as it was.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save(partial)
        partial.replace(path)
    except (OSError, RuntimeError) as error:  # torch makes RuntimeErrors of a full disk
        said = getattr(error, "strerror", None) or " ".join(str(error).split())
        why = said if isinstance(error, OSError) else f"is the disk full? ({said})"
        raise MachineFault(f"{path}: cannot be written: {why}; nothing is lost, call again once it can") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, whole or not at all."""
    write(path, lambda p: p.write_text(json.dumps(content, indent=1) + "\n"))


class Store:
    """The results folder of one suite."""

    def __init__(self, results: Path, suite: str) -> None:
        """results: the folder of all results; the first write creates the suite's folder in it."""
        self.suite = suite
        self.root = results / suite

    def trial(self, spec: TrialSpec) -> Path:
        """Return the folder of one trial."""
        return self.root / "trials" / spec.id

    def dense(self, spec: DenseSpec) -> Path:
        """Return the folder of a shared dense network."""
        return self.root / "dense" / spec.id

    def folder(self, task: TrialSpec | DenseSpec) -> Path:
        """Return the folder of a task."""
        return self.trial(task) if isinstance(task, TrialSpec) else self.dense(task)

    def row(self, spec: TrialSpec) -> Trial | None:
        """Return the row of a finished trial (done, failed or skipped); None for any other.

        Raises Unreadable if it is broken, and InputError if it was written by another version of klevel.
        """
        path = self.trial(spec) / "row.json"
        content = read_json(path)
        if content is None:
            return None
        try:
            row = Trial.model_validate(content)
        except ValidationError:  # no mapping, or not of these columns
            raise InputError(f"{path}: not a row of this version of klevel; {helps(self.root)}") from None
        if row.trial != spec.id:
            raise Unreadable(path, f"the row of {row.trial}, in the folder of another")
        return row

    def save_dense(self, spec: DenseSpec, network: torch.nn.Module, record: Mapping[str, Any]) -> None:
        """Save a dense network. The record is written last: with it, the network is complete."""
        folder = self.dense(spec)
        write(folder / "network.pt", lambda p: torch.save(network.state_dict(), p))
        write_json(folder / "record.json", {"spec": spec.model_dump(mode="json"), **record})
        self.progress(spec).unlink(missing_ok=True)

    def dense_record(self, spec: DenseSpec) -> dict[str, Any] | None:
        """Return the record of a dense network, or None if it is not complete. Raises Unreadable if it is broken."""
        path = self.dense(spec) / "record.json"
        content = read_json(path)
        if content is None or not (self.dense(spec) / "network.pt").is_file():
            return None
        try:
            top1 = {name: float(content[name]) for name in ("val_top1", "test_top1")}
            return {**content, **top1, "epochs": [EpochRecord(**e) for e in content["epochs"]]}
        except (TypeError, KeyError, ValueError):
            raise Unreadable(path, "not the record of a dense network") from None

    def dense_weights(self, spec: DenseSpec) -> dict[str, torch.Tensor]:
        """Return the state dict of a dense network, on the CPU. Raises Unreadable if it is broken."""
        path = self.dense(spec) / "network.pt"
        try:
            weights: dict[str, torch.Tensor] = torch.load(path, weights_only=True, map_location="cpu")
        except FileNotFoundError:
            raise
        except Exception:  # torch may raise anything for a corrupt file
            raise Unreadable(path, "not the weights of a network") from None
        return weights

    def progress(self, spec: TrialSpec | DenseSpec) -> Path:
        """Return the file in which a task that has not finished keeps how far it is."""
        return self.folder(spec) / "progress.pt"

    @property
    def leases(self) -> Path:
        """Return the folder of the leases of those who work here: see `runners.leases`."""
        return self.root / "leases"

    def reopen(self, spec: TrialSpec, row: Trial) -> None:
        """Take back that a trial has finished with this row, which stays in the CSV until there is another."""
        if self.row(spec) == row:  # else another run has run it again by now
            self.progress(spec).unlink(missing_ok=True)
            (self.trial(spec) / "row.json").unlink(missing_ok=True)

    def begin(self, spec: TrialSpec) -> Path:
        """Empty the folder of a trial that is to start, write its spec, and return the folder.

        A trial that was interrupted keeps what it has, and what was set aside stays.
        """
        folder = self.trial(spec)
        if not self.progress(spec).exists() and folder.is_dir():
            for path in (p for p in folder.iterdir() if BROKEN not in p.suffix):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        text = yaml.safe_dump(spec.model_dump(mode="json", exclude_none=True), sort_keys=False)
        write(folder / "trial.yaml", lambda p: p.write_text(text))
        return folder

    def finish(
        self, spec: TrialSpec, row: Trial, epochs: Sequence[EpochRecord] = (), latencies: Sequence[LatencyRecord] = ()
    ) -> None:
        """Write the results of a trial. The row is written last: with it, the trial has finished."""
        folder = self.trial(spec)
        write_json(folder / "epochs.json", [asdict(e) for e in epochs])
        write_json(folder / "latency.json", [asdict(r) for r in latencies])
        write_json(folder / "row.json", row.model_dump(mode="json"))
        self.progress(spec).unlink(missing_ok=True)

    def update(self, spec: TrialSpec, row: Trial, latencies: Sequence[LatencyRecord]) -> None:
        """Replace the measurements of a trial that is done."""
        write_json(self.trial(spec) / "latency.json", [asdict(r) for r in latencies])
        write_json(self.trial(spec) / "row.json", row.model_dump(mode="json"))

    def collect(self, trials: Sequence[TrialSpec], only_these: bool = False) -> pd.DataFrame:
        """Merge the results of these trials into the three CSVs, and return their rows as a table.

        Rows of other trials are kept, so that a part of a suite never replaces the whole; with `only_these` the CSVs
        hold these trials only.
        """
        chosen = {spec.id: row for spec in trials if (row := self.row(spec))}
        rows = chosen if only_these else {**self._others(set(chosen)), **chosen}
        table = write_csv(self.root / "trials.csv", list(rows.values()), Trial)
        for name, model in (("epochs", Epoch), ("latency", Latency)):
            found = {trial: self._found(trial, name, model) for trial in table["trial"]}
            there = {trial for trial, part in found.items() if part}
            if len(there) < len(found) and not only_these:
                found |= {t: part for t, part in self._in_csv(name, model, there).items() if t in found}
            write_csv(self.root / f"{name}.csv", [row for part in found.values() for row in part], model)
        return _sorted(chosen.values())

    def _others(self, chosen: set[str]) -> dict[str, Trial]:
        """Return the rows of the other trials of this folder, from their own folders, or else from trials.csv."""
        rows = {trial: parts[0] for trial, parts in self._in_csv("trials", Trial, chosen).items()}
        for path in sorted((self.root / "trials").glob("*/row.json")):
            if path.parent.name in chosen:
                continue
            with contextlib.suppress(InputError, ValidationError):  # of another version of klevel, or cut off
                row = Trial.model_validate(read_json(path))
                if row.trial == path.parent.name:
                    rows[row.trial] = row
        return rows

    def _in_csv(self, name: str, model: type[Row], but: set[str]) -> dict[str, list[Row]]:
        """Return the rows of a CSV of this folder by trial, but for some trials; none if it cannot be read.

        An unreadable file is renamed, so that rows which no other file has are not lost.
        """
        path = self.root / f"{name}.csv"
        try:
            return rows_by_trial(path, name, model, but)
        except InputError as error:
            kept = f"kept as {set_aside(path).name}, and written again from the folders of its trials"
            print(f"klevel: {error}; {kept}", file=sys.stderr)
            return {}

    def _found(self, trial: str, name: str, model: type[Row]) -> list[Row]:
        """Return the rows of a trial for epochs.csv or latency.csv, from its own folder. Raises Unreadable."""
        path = self.root / "trials" / trial / f"{name}.json"
        try:
            return [model.model_validate({**record, "trial": trial}) for record in read_json(path) or []]
        except (TypeError, ValidationError):
            raise Unreadable(path, f"not the {name} of a trial") from None

    def describe(self, suite: str, replace: bool = True) -> str | None:
        """Save the text of the suite file, so that the results can be reproduced.

        Without `replace`, as for a run with overrides, an existing file is kept. Another file that results here came
        from stays under a name with its hash; returns a line that says so.
        """
        path = self.root / "suite.yaml"
        before = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
        if before == suite or (before is not None and not replace):
            return None
        write(path, lambda p: p.write_text(suite, encoding="utf-8"))
        if before is None:
            return None
        kept = path.with_name(f"suite-{hashlib.sha256(before.encode()).hexdigest()[:8]}.yaml")
        write(kept, lambda p: p.write_text(before, encoding="utf-8"))
        return f"{self.root} has results of another suite file too, which is kept as {kept.name}"

    def measured_on(self, machine: Mapping[str, Any]) -> None:
        """Add a machine to environment.json, the machines that trials of this folder ran on, unless it is listed."""
        path = self.root / "environment.json"
        there = read_machines(path)
        if dict(machine) not in there:
            write_json(path, [*there, dict(machine)])


def set_aside(path: Path) -> Path:
    """Rename an unusable file to NAME.broken, NAME.broken2, ...; return the new path."""
    names = (path.with_name(f"{path.name}{BROKEN}{i if i > 1 else ''}") for i in itertools.count(1))
    new = next(name for name in names if not name.exists())
    return path.rename(new)


def mended(read: Callable[[], T]) -> T | None:
    """Return what a function reads; set a broken file aside, say so, and return None."""
    try:
        return read()
    except Unreadable as error:
        with contextlib.suppress(FileNotFoundError):  # another run has done so
            kept = set_aside(error.path)
            tqdm.write(f"klevel: {error.path}: {error.why}; kept as {kept.name}, and made again", file=sys.stderr)
        return None


def rows_by_trial(path: Path, name: str, model: type[Row], but: Container[str] = ()) -> dict[str, list[Row]]:
    """Return the rows of trials, epochs or latency (`name`) by trial, but for some; none if there is no such file.

    Raises InputError if the file cannot be read, or a cell is not valid.
    """
    found, fields = defaultdict[str, list[Row]](list), model.model_fields
    if path.is_file():
        table = read_text(path, REQUIRED[name])
        table.index += 1
        for number, cells in table[[trial not in but for trial in table["trial"]]].to_dict("index").items():
            known = {str(k): v for k, v in cells.items() if v != "" and k in fields}
            try:
                found[cells["trial"]].append(model.model_validate(known))
            except ValidationError as error:
                first = error.errors()[0]
                raise InputError(
                    f"{path}, row {number}, {first['loc'][0]}: {first['input']!r}: {first['msg']}"
                ) from None
    return dict(found)


def write_csv(path: Path, rows: Sequence[Columns], model: type[Columns]) -> pd.DataFrame:
    """Write rows as a CSV, whole or not at all, and return them as a table."""
    table = _sorted(rows) if model is Trial else _table(rows, model)
    write(path, lambda p: table.to_csv(p, index=False, lineterminator="\n"))
    return table


def _sorted(rows: Iterable[Columns]) -> pd.DataFrame:
    return _table(list(rows), Trial).sort_values(ORDER, kind="stable")


def _table(rows: Sequence[Columns], model: type[Columns]) -> pd.DataFrame:
    """Return a table of objects: with numeric columns one empty cell would turn 5 into 5.0."""
    columns = names(model)
    rows_of_cells = [[cells[name] for name in columns] for cells in (row.cells() for row in rows)]  # dicts take longer
    return pd.DataFrame(rows_of_cells, columns=columns, dtype=object)


def read_json(path: Path) -> Any:
    """Return the content of a JSON file, None if there is none. Raises Unreadable if it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):  # not JSON, or not UTF-8
        raise Unreadable(path, "not JSON") from None
