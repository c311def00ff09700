"""What the commands of analysis do. Whoever imports this waits for pandas and matplotlib."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from analysis import report
from analysis.compare import compare as compared
from analysis.compare import report as in_words
from analysis.frame import load, repeated
from analysis.importing import IMPORTERS
from analysis.importing import bring_in as imported
from analysis.options import Options
from analysis.output import FORMATS, Job, known, make, stale
from analysis.plot.style import LOOKS
from analysis.wording import listed
from results.errors import InputError

MAIN_TABLE = "results"
NAMED = 5  # failures that are named, at most


def lists() -> dict[str, tuple[str, dict[str, str]]]:
    """Return what the help of a command ends with: a heading, and names, each with its line."""
    return {
        "draw": ("Figures and tables", {name: entry.description for name, entry in known().items()}),
        "import": ("Tools", {name: importer.description for name, importer in IMPORTERS.items()}),
    }


def draw(
    folders: Sequence[Path],
    only: Sequence[str],
    style: str,
    formats: Sequence[str],
    output: Path | None,
    published: Path | None,
    options: Options,
) -> None:
    """Draw figures and write tables and the report of one results folder, or of several together.

    Nothing is made if all of it is there. Says what was written and what was not, and why.
    only: the names of some figures and tables; empty for all and the report. Raises InputError.
    """
    _only_known("--format", formats, FORMATS)
    _only_known("--only", only, known())
    _only_known("--style", [style], LOOKS)
    frame = load(*folders, options=options, published=published)
    source = frame.source
    first, *others = source.folders
    beside = first.parent / "+".join(folder.resolve().name for folder in source.folders)
    job = Job(frame, output or (beside if others else first), only, formats, style)
    for line in _undone(source.everything):
        print(line)
    if not (source.everything["status"] == "done").any():
        raise InputError(f"{first / 'trials.csv'}: no trial is done, so there is nothing to draw")
    if files := job.unchanged():
        print(f"nothing changed: {_shown(job.folder)} has its {len(files)} files")
        return
    exhibits = make(job)
    for exhibit in exhibits:
        if exhibit.name == MAIN_TABLE and exhibit.table:
            print(exhibit.table.markdown())
    written = [path for exhibit in exhibits for path in exhibit.files]
    if not only:
        written.append(report.write(frame, exhibits, job.folder))
    if written:
        job.remember(written)
    notes = [*source.notes, *(line for setting in frame.settings() for line in repeated(setting))]
    notes += [f"{one.kind}s/{one.name} skipped: {one.skipped}" for one in exhibits if one.skipped]
    notes += [f"older, not made this time: {_shown(path)}" for path in stale(job, exhibits)]
    lines = ["written:" if written else "nothing written", *(f"  {_shown(path)}" for path in written)]
    print(*dict.fromkeys(notes), *lines, sep="\n")


def compare(a: Path, b: Path, everything: bool) -> None:
    """Say what changed between two results folders; with everything, also what did not."""
    print(in_words(compared(load(a), load(b), everything=everything)))


def bring_in(tool: str, logs: Sequence[Path], output: Path | None) -> None:
    """Bring the logs of another tool into klevel's columns, and say what was written."""
    _only_known("import", [tool], IMPORTERS)
    print(*imported(tool, list(logs), output or Path("results") / tool), sep="\n")


def _only_known(option: str, given: Iterable[str], names: Iterable[str]) -> None:
    for name in given:
        if name not in names:
            raise InputError(f"{option} {name!r} is unknown; there are {', '.join(names)}")


def _shown(path: Path) -> str:
    """Return a path as seen from here, or as it was given where it lies elsewhere."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _undone(trials: pd.DataFrame) -> Iterator[str]:
    """Yield a line on how many trials failed and one on how many were skipped, and which."""
    for status in ("failed", "skipped"):
        rows = trials[trials["status"] == status]
        named = [
            f"{row['method']} ({row['grouping']}, {row['architecture']}, {row['dataset']}) keep {row['keep']:g} "
            f"seed {row['seed']:g}: {' '.join(str(row.get('reason') or 'no reason given').split())[:120]}"
            for _, row in rows.iterrows()
        ]
        if named:
            yield f"{len(rows)} of {len(trials)} trials {status}: {listed(named, NAMED, '; ', '; and ')}\n"
