"""Every figure and table of results, made and written: entries in, exhibits out."""

from __future__ import annotations

import io
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import joblib
from matplotlib.figure import Figure

from analysis import figures, tables
from analysis.exhibit import Exhibit
from analysis.load import Results, Setting
from analysis.plotting import METADATA, save
from analysis.registry import Entry, discover
from analysis.style import drawn
from analysis.table import Table, comma_separated, latex, markdown
from results.errors import Skip

KINDS: dict[str, ModuleType] = {"table": tables, "figure": figures}
FORMATS = ("png", "pdf", "svg")
WRITERS: dict[str, Callable[[Table, str], str]] = {
    "md": lambda table, _: markdown(table),
    "tex": latex,
    "csv": lambda table, _: comma_separated(table),
}
FEW = 4  # tasks that are not worth a second process


@dataclass(frozen=True)
class Job:
    """What is to be made of results: `only` these entries, or all; where to; in which formats and look."""

    results: Results
    folder: Path
    only: Sequence[str] | None
    formats: Sequence[str]
    style: str


@dataclass(frozen=True)
class _Task:
    kind: str
    entry: Entry
    subject: Setting | Results


_at_work: list[tuple[Job, list[_Task]]] = []  # a forked process finds its job here: nothing has to be sent


def known() -> dict[str, Entry]:
    """Return all figures and tables by name."""
    return {name: entry for package in KINDS.values() for name, entry in discover(package).items()}


def make(job: Job) -> list[Exhibit]:
    """Make and write the figures and tables, in several processes where there are many; return them in order.

    Raises InputError where a file that they need cannot be used, OSError where one cannot be written.
    """
    tasks = [
        _Task(kind, entry, subject)
        for kind, package in KINDS.items()
        for entry in discover(package).values()
        if job.only is None or entry.name in job.only
        for subject in entry.subjects(job.results)
    ]
    _at_work.append((job, tasks))
    try:
        processes = min(joblib.cpu_count(), len(tasks) // FEW)
        if processes < 2 or "fork" not in multiprocessing.get_all_start_methods():
            return [_exhibit(i) for i in range(len(tasks))]
        with ProcessPoolExecutor(processes, multiprocessing.get_context("fork")) as pool:
            return list(pool.map(_exhibit, range(len(tasks))))
    finally:
        _at_work.pop()


def stale(job: Job, exhibits: Sequence[Exhibit]) -> list[Path]:
    """Return the files of entries that lie in the folder from before, and were not made this time."""
    made = {path for exhibit in exhibits for path in exhibit.files}
    names = {entry.name for entry in known().values() if job.only is None or entry.name in job.only}
    there = (path for kind in KINDS for path in sorted((job.folder / f"{kind}s").glob("*.*")))
    return [path for path in there if path.name.split(".")[0] in names and path not in made]


def _exhibit(number: int) -> Exhibit:
    job, tasks = _at_work[-1]
    task = tasks[number]
    about = (task.kind, task.entry.name, task.entry.description, _words(task.subject))
    with drawn(job.style):
        try:
            made = task.entry(task.subject)
        except Skip as reason:
            return Exhibit(*about, skipped=str(reason))
        folder = job.folder / f"{task.kind}s"
        folder.mkdir(parents=True, exist_ok=True)
        stem = folder / ".".join(part for part in (task.entry.name, task.subject.slug) if part)
        if isinstance(made, Figure):
            made.draw_without_rendering()
            made.set_layout_engine("none")  # laid out once, and alike in every format
            files = save(made, stem, job.formats)
            heading = str(made.get_label()) or made.get_suptitle()
            return Exhibit(*about, files=tuple(files), heading=heading, svg=_svg(made))
        return Exhibit(*about, files=tuple(_write(made, stem, suffix) for suffix in WRITERS), table=made)


def _words(subject: Setting | Results) -> str:
    part = getattr(subject, "part", "")
    return f"{subject.title}, {part} groups" if part else subject.title


def _write(table: Table, stem: Path, suffix: str) -> Path:
    path = stem.with_name(f"{stem.name}.{suffix}")
    path.write_text(WRITERS[suffix](table, stem.name), encoding="utf-8")
    return path


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata=METADATA["svg"])
    return text.getvalue()
