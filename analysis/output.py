"""Every figure and table of results, made and written: entries and frames in, exhibits out."""

from __future__ import annotations

import io
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import joblib
from matplotlib.figure import Figure

from analysis import figures, tables
from analysis.frame import Frame
from analysis.plot.facets import METADATA, save
from analysis.plot.style import drawn
from analysis.registry import Entry, discover
from analysis.table import Table
from results.errors import Skip

KINDS: dict[str, ModuleType] = {"table": tables, "figure": figures}
FORMATS = ("png", "pdf", "svg")
WRITERS: dict[str, Callable[[Table, str], str]] = {
    "md": lambda table, _: table.markdown(),
    "tex": lambda table, stem: table.latex(stem),
    "csv": lambda table, _: table.csv(),
}
FEW = 4  # tasks that are not worth a second process


@dataclass(frozen=True)
class Exhibit:
    """A figure or a table that was made of one frame.

    kind: `figure` or `table`. name: that of its entry. description: one line. subject: the frame in words. files: the
    paths written. skipped: why there is none; then nothing below is set. caption: of a figure. svg: the figure, as
    text. table: of a table.
    """

    kind: str
    name: str
    description: str
    subject: str
    files: tuple[Path, ...] = ()
    skipped: str = ""
    caption: str = ""
    svg: str = ""
    table: Table | None = None


@dataclass(frozen=True)
class Job:
    """What is to be made of a frame: `only` these entries, or all; into which folder; in which formats and look."""

    frame: Frame
    folder: Path
    only: Sequence[str] | None
    formats: Sequence[str]
    style: str


@dataclass(frozen=True)
class _Task:
    kind: str
    entry: Any  # a FigureEntry or a TableEntry
    frame: Frame


_at_work: list[tuple[Job, list[_Task]]] = []  # a forked process finds its job here: nothing has to be sent


def known() -> dict[str, Entry]:
    """Return all figures and tables by name."""
    return {name: entry for package in KINDS.values() for name, entry in discover(package).items()}


def make(job: Job) -> list[Exhibit]:
    """Make and write the figures and tables, in several processes if they are many; return them in order.

    Raises InputError if a file that they need cannot be used, OSError if one cannot be written.
    """
    tasks = [
        _Task(kind, entry, subject)
        for kind, package in KINDS.items()
        for entry in discover(package).values()
        if job.only is None or entry.name in job.only
        for subject in entry.subjects(job.frame)
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
    about = (task.kind, task.entry.name, task.entry.description, task.frame.subject)
    with drawn(job.style):
        try:
            made = task.entry(task.frame)
        except Skip as reason:
            return Exhibit(*about, skipped=str(reason))
        folder = job.folder / f"{task.kind}s"
        folder.mkdir(parents=True, exist_ok=True)
        stem = folder / ".".join(part for part in (task.entry.name, task.frame.slug) if part)
        if isinstance(made, Figure):
            files = save(made, stem, job.formats)
            return Exhibit(*about, files=tuple(files), caption=str(made.get_label()), svg=_svg(made))
        return Exhibit(*about, files=tuple(_write(made, stem, suffix) for suffix in WRITERS), table=made)


def _write(table: Table, stem: Path, suffix: str) -> Path:
    path = stem.with_name(f"{stem.name}.{suffix}")
    path.write_text(WRITERS[suffix](table, stem.name), encoding="utf-8")
    return path


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata=METADATA["svg"])
    return text.getvalue()
