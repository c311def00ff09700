"""What the commands of analysis do. Whoever imports this waits for pandas and matplotlib."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from analysis import report, unchanged
from analysis.compare import compare as compared
from analysis.compare import report as in_words
from analysis.frame import load, repeated
from analysis.importing import IMPORTERS
from analysis.importing import bring_in as imported
from analysis.literature import file_of
from analysis.options import Options
from analysis.output import FORMATS, Exhibit, Job, known, make, stale
from analysis.plot.style import LOOKS
from results.errors import InputError

MAIN_TABLE = "results"
NAMED = 5  # failures that are named, at most


def entries() -> dict[str, str]:
    """Return the names of all figures and tables, each with its line."""
    return {name: entry.description for name, entry in known().items()}


def tools() -> dict[str, str]:
    """Return the names of the tools whose logs can be imported, each with its line."""
    return {name: importer.description for name, importer in IMPORTERS.items()}


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

    only: the names of some figures and tables; empty for all and the report. Raises InputError.
    """
    _one_of("--format", formats, FORMATS)
    _one_of("--only", only, known())
    _one_of("--style", [style], LOOKS)
    frame = load(*folders, options=options, published=published)
    with _writing():
        _make(Job(frame, output or _default_output(frame.source.folders), list(only) or None, list(formats), style))


def compare(a: Path, b: Path, everything: bool) -> None:
    """Say what changed between two results folders; with everything, also what did not."""
    print(in_words(compared(load(a), load(b), everything=everything)))


def bring_in(tool: str, logs: Sequence[Path], output: Path | None) -> None:
    """Bring the logs of another tool into klevel's columns, and say what was written."""
    _one_of("import", [tool], IMPORTERS)
    with _writing():
        print(*imported(tool, list(logs), output or Path("results") / tool), sep="\n")


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write {error.filename}: {error.strerror}") from error


def _one_of(option: str, given: Iterable[str], names: Iterable[str]) -> None:
    for name in given:
        if name not in names:
            raise InputError(f"{option} {name!r} is unknown; there are {', '.join(names)}")


def _default_output(folders: Sequence[Path]) -> Path:
    """Return the folder itself; of several, one beside the first that is named after all of them."""
    if len(folders) == 1:
        return folders[0]
    return folders[0].parent / "+".join(folder.resolve().name for folder in folders)


def _make(job: Job) -> None:
    """Make and write what a job asks for, unless all of it is there, and say what was written and what was not."""
    source = job.frame.source
    for status in ("failed", "skipped"):
        _tell(source.everything, status)
    if not (source.everything["status"] == "done").any():
        raise InputError(f"{source.folders[0] / 'trials.csv'}: no trial is done, so there is nothing to draw")
    mark = unchanged.fingerprint(job, file_of(source))
    if files := unchanged.drawn(job, mark):
        print(f"nothing changed: {_shown(job.folder)} has its {len(files)} files")
        return
    exhibits = make(job)
    for exhibit in exhibits:
        if exhibit.name == MAIN_TABLE and exhibit.table:
            print(exhibit.table.markdown())
    written = [path for exhibit in exhibits for path in exhibit.files]
    if job.only is None:
        written.append(report.write(job.frame, exhibits, job.folder))
    if written:
        unchanged.keep(job, mark, written)
    notes = [*source.notes, *(line for setting in job.frame.settings() for line in repeated(setting))]
    notes += [_skipped(exhibit) for exhibit in exhibits if exhibit.skipped]
    notes += [f"older, not made this time: {_shown(path)}" for path in stale(job, exhibits)]
    print(*dict.fromkeys(notes), sep="\n", end="\n" if notes else "")
    print("written:" if written else "nothing written", *(f"  {_shown(path)}" for path in written), sep="\n")


def _skipped(exhibit: Exhibit) -> str:
    return f"{exhibit.kind}s/{exhibit.name} skipped: {exhibit.skipped}"


def _shown(path: Path) -> str:
    """Return a path as seen from here, or as it was given where it lies elsewhere."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _tell(trials: pd.DataFrame, status: str) -> None:
    """Say in one line how many trials failed or were skipped, and which."""
    rows = trials[trials["status"] == status]
    if len(rows):
        named = "; ".join(_name(row) for _, row in rows.head(NAMED).iterrows())
        more = f"; and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
        verb = "failed" if status == "failed" else "were skipped" if len(rows) > 1 else "was skipped"
        print(f"{len(rows)} of {len(trials)} trials {verb}: {named}{more}\n")


def _name(row: pd.Series) -> str:
    where = f"{row['method']} ({row['grouping']}, {row['architecture']}, {row['dataset']})"
    reason = " ".join(str(row.get("reason") or "no reason given").split())
    return f"{where} keep {row['keep']:g} seed {row['seed']:g}: {reason[:120]}"
