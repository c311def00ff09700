"""Importing: the logs of other pruning tools in, klevel's trials.csv and epochs.csv out.

A tool is a file in this package with an `Importer` in it, found by itself. Imported trials have protocol 0, the name
of their tool as suite, and a method such as `torch_pruning:group_sl`, so that they never pass for klevel's own.
"""

import hashlib
import json
import sys
from itertools import count
from pathlib import Path

import pandas as pd

from analysis.entries import discover
from analysis.importing.base import Importer, Run
from results.columns import Columns, Epoch, Trial, names
from results.errors import InputError
from results.reading import parse, read_csv

__all__ = ["IMPORTERS", "Importer", "bring_in"]
IMPORTERS: dict[str, Importer] = discover(sys.modules[__name__], Importer)
NETWORK = ["dataset", "architecture", "seed"]
ORDER = ["architecture", "dataset", "method", "hyperparameters", "keep", "seed", "trial"]
KEEP_NOTE = "keep of imported trials is 1 / the speed-up or compression asked for, which the seeds of a point share"
SEED_NOTE = "say no seed: numbered 0, 1, 2, ... in the order given, for each configuration"


def bring_in(tool: str, paths: list[Path], output: Path) -> list[str]:
    """Write what a tool's files hold as output/trials.csv and output/epochs.csv; return lines to print.

    The same files give the same bytes. Raises InputError, of one line, if a file cannot be used (nothing is written
    then), or if output/trials.csv is there and was not imported from the same tool; OSError if it cannot be written.
    """
    importer, place = IMPORTERS[tool], output / "trials.csv"
    suites = set(read_csv(place, Trial, ("suite",), only=("suite",))["suite"]) if place.exists() else set()
    for other in sorted(str(suite) for suite in suites - {tool}):
        raise InputError(f"{place} holds suite {other}, which was not imported from {tool}; give another folder")
    found = [one for path in {path.resolve(): path for path in paths}.values() for one in importer.read(path)]
    runs = list({Path(run.where).resolve(): run for run in found if isinstance(run, Run)}.values())
    others = [one for one in found if isinstance(one, str)]
    if not runs:
        raise InputError(f"{others[0]}; give {importer.description}")
    unknown = sum(run.seed is None for run in runs)
    notes = [KEEP_NOTE, *[f"{unknown} of {len(runs)} runs {SEED_NOTE}"] * (unknown > 0), *importer.notes]
    notes += [f"{other}; left out" for other in others]
    trials, epochs = _trials(tool, runs, notes), []
    for run, trial in zip([runs[index] for index in trials.index], trials["trial"], strict=True):
        for phase, logged in run.epochs.items():
            epochs += [{"trial": trial, "phase": phase, "epoch": n} | one for n, one in enumerate(logged, start=1)]
        tuned = [epoch["test_top1"] for epoch in run.epochs["finetune"]]
        if run.reason:
            notes.append(f"{run.where}: failed: {run.reason}")
        elif tuned:
            last = f"{run.where}: last epoch, {tuned[-1]:.4f}"
            notes.append(f"{last}; the best of all epochs on the test set: {max(tuned):.4f}")
    texts = {output / "epochs.csv": _text(pd.DataFrame(epochs, dtype=object), Epoch, f"epochs of {tool}")}
    texts[place] = _text(trials, Trial, f"trials of {tool}")
    output.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        text.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")
    held = f"{len(epochs)} epochs", f"{len(trials)} trials, {sum(trials['status'] == 'failed')} of them failed"
    return [*dict.fromkeys(notes), *(f"written: {path}: {what}" for path, what in zip(texts, held, strict=True))]


def numbered(tool: str, runs: list[tuple[dict[str, str], int | None]]) -> list[tuple[int, str]]:
    """Return the seed and the trial id of each run, given its configuration and its seed (None: not known).

    Unknown seeds of a configuration become 0, 1, 2 ..., but none that is known. Repetitions have ids of their own.
    """
    keyed = [(json.dumps(configuration, sort_keys=True), seed) for configuration, seed in runs]
    named: list[tuple[str, int]] = []
    for key, seed in keyed:
        taken = {number for other, number in (*keyed, *named) if other == key}
        named.append((key, next(n for n in count() if n not in taken) if seed is None else seed))
    identities = [json.dumps([tool, *name, named[:index].count(name)]) for index, name in enumerate(named)]
    ids = [hashlib.sha256(identity.encode()).hexdigest()[:12] for identity in identities]
    return [(seed, trial) for (_, seed), trial in zip(named, ids, strict=True)]


def _trials(tool: str, runs: list[Run], notes: list[str]) -> pd.DataFrame:
    """Return a row of each run; of the dense networks of a seed the first that is done, or else the first."""
    common, rows = {"suite": tool, "protocol": 0, "dense_epochs": 0, "dense_test_top1": None}, []
    for run, (seed, trial) in zip(runs, numbered(tool, [(run.configuration, run.seed) for run in runs]), strict=True):
        keep = round(1 / run.asked, 4) or float(f"{1 / run.asked:.0e}")
        row = common | run.model_dump(include=set(names(Trial))) | run.cells
        row["hyperparameters"] = json.dumps(run.hyperparameters, sort_keys=True)
        row |= {"trial": trial, "seed": seed, "keep": keep, "status": "failed" if run.reason else "done"}
        last = {} if run.reason else (run.epochs["finetune"] or [run.cells])[-1]
        rows.append(row | {name: last.get(name) for name in ("test_top1", "test_top5")})
    trials = pd.DataFrame(rows, dtype=object)
    dense = trials[trials["method"] == "dense"].sort_values("status", kind="stable")  # done comes before failed
    extra = dense.index[dense.duplicated(NETWORK)]
    if len(extra):
        left_out = f"{len(extra)} of {len(dense)} experiments of compression 1 left out"
        notes.append(f"{left_out}: there is one dense network a seed")
    top1 = trials[NETWORK].merge(dense.drop(extra)[[*NETWORK, "test_top1"]], how="left")["test_top1"]
    trials["dense_test_top1"] = trials["dense_test_top1"].combine_first(top1)
    trials = trials.where(trials.notna(), None).drop(extra)
    return trials.sort_values(ORDER, ascending=[name != "keep" for name in ORDER])


def _text(frame: pd.DataFrame, model: type[Columns], where: str) -> pd.DataFrame:
    """Return cells as text, each held to its column, so that no importer writes a file that load() refuses."""
    text = frame.map(lambda cell: "" if cell is None else str(cell)).reindex(columns=names(model), fill_value="")
    for name in text:
        parse(text[name], model, where)
    return text
