"""The command line: python -m analysis RESULTS_DIR ..., compare A B, import TOOL LOG ..."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import pandas as pd

from analysis import report, unchanged
from analysis.comparison import compare
from analysis.comparison import report as in_words
from analysis.exhibit import Exhibit
from analysis.importing import IMPORTERS, Importer, bring_in
from analysis.load import Results, load
from analysis.output import FORMATS, Job, known, make, stale
from analysis.published import file_of
from analysis.registry import Entry
from analysis.series import repeated
from analysis.style import LOOKS
from analysis.table import markdown
from results.errors import InputError

MAIN_TABLE = "results"
NAMED = 5  # failures that are named, at most


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see {self.prog} --help")


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Return the exit code: 0, or 2 where the input is wrong or holds nothing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without ± gets a question mark
    given = sys.argv[1:] if arguments is None else arguments
    try:
        command = COMMANDS.get(given[0]) if given else None
        return command(given[1:]) if command else _draw(given)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        print(f"error: cannot write {error.filename}: {error.strerror}", file=sys.stderr)
    return 2


def _draw(arguments: Sequence[str]) -> int:
    """Draw the figures and write the tables and the report of one results folder, or of several together."""
    entries = known()
    parser = _Parser(
        prog="python -m analysis",
        description="Draw the figures and write the tables and report.html of RESULTS_DIR/trials.csv; of several "
        "folders together. Or: python -m analysis compare A B; python -m analysis import TOOL LOG ...",
        epilog=_listed("figures and tables", entries),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("results", metavar="RESULTS_DIR", type=Path, nargs="+", help="such as results/quick")
    parser.add_argument("--only", nargs="+", action="extend", metavar="NAME", help="these figures and tables alone")
    parser.add_argument("--style", default="paper", metavar="|".join(LOOKS), help="default: %(default)s")
    parser.add_argument("--format", default="png,pdf", help=f"of the figures: {', '.join(FORMATS)} (%(default)s)")
    parser.add_argument("--output", type=Path, help="where to (default: RESULTS_DIR; of several, A+B beside the first)")
    parser.add_argument("--published", type=Path, help="numbers from the literature (default: published.csv beside)")
    options = parser.parse_args(arguments)
    formats = list(dict.fromkeys(options.format.split(",")))
    _one_of("--format", formats, FORMATS)
    _one_of("--only", options.only or [], entries)
    _one_of("--style", [options.style], LOOKS)
    results = load(*options.results)
    results.published = options.published
    return _make(Job(results, options.output or _default_output(results), options.only, formats, options.style))


def _compare(arguments: Sequence[str]) -> int:
    """Say what changed between two results folders."""
    parser = _Parser(prog="python -m analysis compare", description="Say what changed from results folder A to B.")
    for name in ("A", "B"):
        parser.add_argument(name, type=Path, help="a results folder, such as results/quick")
    parser.add_argument("--all", action="store_true", help="also what did not change")
    options = parser.parse_args(arguments)
    print(in_words(compare(load(options.A), load(options.B), everything=options.all)))
    return 0


def _import(arguments: Sequence[str]) -> int:
    """Bring the logs of another tool into klevel's columns."""
    parser = _Parser(
        prog="python -m analysis import",
        description="Bring the logs of another tool into klevel's columns: a results folder like any other.",
        epilog=_listed("tools", IMPORTERS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tool", metavar="TOOL", help=", ".join(IMPORTERS))
    parser.add_argument("logs", metavar="LOG", type=Path, nargs="+", help="files or folders of that tool")
    parser.add_argument("--output", type=Path, help="the results folder to write (default: results/TOOL)")
    options = parser.parse_args(arguments)
    _one_of("import", [options.tool], IMPORTERS)
    print(*bring_in(options.tool, options.logs, options.output or Path("results") / options.tool), sep="\n")
    return 0


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {"compare": _compare, "import": _import}


def _listed(heading: str, entries: Mapping[str, Entry] | Mapping[str, Importer]) -> str:
    """Return names with their lines, for the end of a help text."""
    width = 2 + max(map(len, entries))
    return "\n".join([f"{heading}:", *(f"  {name:{width}}{one.description}" for name, one in entries.items())])


def _one_of(option: str, given: Iterable[str], names: Iterable[str]) -> None:
    for name in given:
        if name not in names:
            raise InputError(f"{option} {name!r} is unknown; there are {', '.join(names)}")


def _default_output(results: Results) -> Path:
    """Return the folder itself; of several, one beside the first that is named after all of them."""
    first = results.folders[0]
    if len(results.folders) == 1:
        return first
    return first.parent / "+".join(folder.resolve().name for folder in results.folders)


def _make(job: Job) -> int:
    results = job.results
    for status in ("failed", "skipped"):
        _tell(results, status)
    if results.with_status("done").empty:
        raise InputError(f"{job.results.folders[0] / 'trials.csv'}: no trial is done, so there is nothing to draw")
    mark = unchanged.fingerprint(job, file_of(results))
    if files := unchanged.drawn(job, mark):
        print(f"nothing changed: {_shown(job.folder)} has its {len(files)} files")
        return 0
    exhibits = make(job)
    for exhibit in exhibits:
        if exhibit.name == MAIN_TABLE and exhibit.table:
            print(markdown(exhibit.table))
    written = [path for exhibit in exhibits for path in exhibit.files]
    if job.only is None:
        written.append(report.write(results, exhibits, job.folder))
    if written:
        unchanged.keep(job, mark, written)
    notes = [*results.notes, *(line for setting in results.settings() for line in repeated(setting))]
    notes += [_skipped(exhibit) for exhibit in exhibits if exhibit.skipped]
    notes += [f"older, not made this time: {_shown(path)}" for path in stale(job, exhibits)]
    print(*dict.fromkeys(notes), sep="\n", end="\n" if notes else "")
    print("written:" if written else "nothing written", *(f"  {_shown(path)}" for path in written), sep="\n")
    return 0


def _skipped(exhibit: Exhibit) -> str:
    return f"{exhibit.kind}s/{exhibit.name} skipped: {exhibit.skipped}"


def _shown(path: Path) -> str:
    """Return a path as seen from here, or as it was given where it lies elsewhere."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _tell(results: Results, status: str) -> None:
    """Say in one line how many trials failed or were skipped, and which."""
    rows = results.with_status(status)
    if len(rows):
        named = "; ".join(_name(row) for _, row in rows.head(NAMED).iterrows())
        more = f"; and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
        verb = "failed" if status == "failed" else "were skipped" if len(rows) > 1 else "was skipped"
        print(f"{len(rows)} of {len(results.trials)} trials {verb}: {named}{more}\n")


def _name(row: pd.Series) -> str:
    where = f"{row['method']} ({row['grouping']}, {row['architecture']}, {row['dataset']})"
    reason = " ".join(str(row.get("reason") or "no reason given").split())
    return f"{where} keep {row['keep']:g} seed {row['seed']:g}: {reason[:120]}"


if __name__ == "__main__":
    sys.exit(main())
