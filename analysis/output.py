"""Every figure and table of results, made and written unless all of it is there: frames in, exhibits out."""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import joblib

from analysis import figures, tables
from analysis.entries import Entry, discover
from analysis.frame import Frame
from analysis.plot.facets import METADATA, save
from analysis.plot.style import drawn
from analysis.published import file_of
from analysis.table import Table
from results.columns import EVIDENCE
from results.errors import Skip

FORMATS = ("png", "pdf", "svg")
FEW = 4  # tasks that are not worth a second process
RECORD = ".drawn.json"
HERE = Path(__file__).parent
CONTRACT = HERE.parent / "results"  # its folders hold results, and are no code
CODE = [path for path in sorted(HERE.rglob("*")) if path.suffix in (".py", ".html", ".css", ".js")]
CODE += sorted(CONTRACT.glob("*.py"))


@dataclass(frozen=True)
class Exhibit:
    """A figure or a table that was made of one frame.

    kind: `figure` or `table`. name, description: those of its entry. subject: the frame in words. files: the paths
    written. skipped: why there is none; then nothing below is set. caption, svg: of a figure. table: of a table.
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
    only: Sequence[str]
    formats: Sequence[str]
    style: str

    @property
    def entries(self) -> list[Entry]:
        """The figures and tables to be made."""
        return [entry for name, entry in known().items() if not self.only or name in self.only]

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all that decides the files: rows, look, formats, choice, and the code that draws."""
        source = self.frame.source
        digest = hashlib.sha256(repr((self.style, self.formats, self.only, source.options)).encode())
        evidence = [folder / name for folder in source.folders for name in EVIDENCE]
        for path in (*evidence, file_of(source), *CODE):
            if path is not None and path.is_file():
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()

    def unchanged(self) -> list[Path]:
        """Return the files of the last time, if nothing would change and all of them are there; else none."""
        try:
            record = json.loads((self.folder / RECORD).read_text(encoding="utf-8"))
            files = [self.folder / name for name in record["files"]]
            same = record["fingerprint"] == self.fingerprint
        except (OSError, ValueError, KeyError, TypeError):
            return []
        return files if same and all(path.is_file() for path in files) else []

    def remember(self, files: Sequence[Path]) -> None:
        """Write down what was made, for the next time."""
        record = {"fingerprint": self.fingerprint, "files": [str(path.relative_to(self.folder)) for path in files]}
        (self.folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


_at_work: list[tuple[Job, list[tuple[Entry, Frame]]]] = []  # a forked process finds its job here: nothing is sent


def known() -> dict[str, Entry]:
    """Return all tables and figures by name."""
    return discover(tables, Entry) | discover(figures, Entry)


def make(job: Job) -> list[Exhibit]:
    """Make and write the figures and tables, in several processes if they are many; return them in order.

    Raises InputError if a file that they need cannot be used, OSError if one cannot be written.
    """
    tasks = [(entry, subject) for entry in job.entries for subject in entry.subjects(job.frame)]
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
    names = {entry.name for entry in job.entries}
    there = (path for kind in ("tables", "figures") for path in sorted((job.folder / kind).glob("*.*")))
    return [path for path in there if path.name.split(".")[0] in names and path not in made]


def _exhibit(number: int) -> Exhibit:
    job, tasks = _at_work[-1]
    entry, frame = tasks[number]
    about = (entry.kind, entry.name, entry.description, frame.subject)
    with drawn(job.style):
        try:
            made = entry(frame)
        except Skip as reason:
            return Exhibit(*about, skipped=str(reason))
        folder = job.folder / f"{entry.kind}s"
        folder.mkdir(parents=True, exist_ok=True)
        stem = folder / ".".join(filter(None, (entry.name, frame.slug)))
        if isinstance(made, Table):
            return Exhibit(*about, files=_written(made, stem), table=made)
        files, svg = save(made, stem, job.formats), io.StringIO()
        made.savefig(svg, format="svg", metadata=METADATA["svg"])
        return Exhibit(*about, files=tuple(files), caption=str(made.get_label()), svg=svg.getvalue())


def _written(table: Table, stem: Path) -> tuple[Path, ...]:
    texts = {".md": table.markdown(), ".tex": table.latex(stem.name), ".csv": table.csv()}
    files = {stem.with_name(stem.name + suffix): text for suffix, text in texts.items()}
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    return tuple(files)
