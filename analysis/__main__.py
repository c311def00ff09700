"""The command line: python -m analysis RESULTS_DIR."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import pandas as pd

from analysis import figures, tables
from analysis.load import Results, load
from analysis.plotting import save
from analysis.registry import Entry, Skip, discover
from analysis.schema import InputError
from analysis.series import repeated
from analysis.style import paper
from analysis.table import latex, markdown

FORMATS = ("png", "pdf")
MAIN_TABLE = "results"
NAMED = 5  # failures that are named, at most


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see python -m analysis --help")


def main(arguments: list[str] | None = None) -> int:
    """Draw what a results folder holds. Return the exit code: 0, or 2 where the input is wrong or holds nothing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without ± gets a question mark
    try:
        options = _options(arguments)
        return _analyse(options.results, options.only, options.format)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        print(f"error: cannot write {error.filename}: {error.strerror}", file=sys.stderr)
    return 2


def _options(arguments: list[str] | None) -> argparse.Namespace:
    known = discover(figures) | discover(tables)
    parser = _Parser(
        prog="python -m analysis",
        description="Draw the figures and write the tables of RESULTS_DIR/trials.csv.",
        epilog="\n".join(["figures and tables:", *(f"  {e.name:22}{e.description}" for e in known.values())]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("results", metavar="RESULTS_DIR", type=Path, help="such as results/quick")
    parser.add_argument("--only", nargs="+", action="extend", metavar="NAME", help="these figures and tables alone")
    parser.add_argument("--format", default=",".join(FORMATS), help="of the figures (default: %(default)s)")
    options = parser.parse_args(arguments)
    options.format = list(dict.fromkeys(options.format.split(",")))
    _one_of("--format", options.format, FORMATS)
    _one_of("--only", options.only or [], known)
    return options


def _one_of(option: str, given: Iterable[str], known: Iterable[str]) -> None:
    for name in given:
        if name not in known:
            raise InputError(f"{option} {name!r} is unknown; there are {', '.join(known)}")


def _analyse(folder: Path, only: list[str] | None, formats: list[str]) -> int:
    results = load(folder)
    for status in ("failed", "skipped"):
        _tell(results, status)
    if results.with_status("done").empty:
        raise InputError(f"{folder / 'trials.csv'}: no trial is done, so there is nothing to draw")
    written: list[Path] = []
    notes = [line for setting in results.settings() for line in repeated(setting)]
    with paper():
        for kind, package in (("tables", tables), ("figures", figures)):
            for entry in discover(package).values():
                if only is None or entry.name in only:
                    written += _write(results, entry, folder / kind, formats, notes)
    print(*dict.fromkeys(notes), sep="\n", end="\n" if notes else "")
    print("written:" if written else "nothing written", *(f"  {_shown(path)}" for path in written), sep="\n")
    return 0


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


def _write(results: Results, entry: Entry, folder: Path, formats: list[str], notes: list[str]) -> list[Path]:
    """Make one figure or table for every setting; add to `notes` where one is skipped."""
    written: list[Path] = []
    for setting in (part for whole in results.settings() for part in entry.parts(whole)):
        stem = f"{entry.name}.{setting.slug}"
        try:
            made = entry(setting)
        except Skip as reason:
            notes.append(f"{folder.name}/{entry.name} skipped: {reason}")
            continue
        folder.mkdir(parents=True, exist_ok=True)
        if folder.name == "figures":
            written += save(made, folder / stem, formats)
            continue
        for suffix, text in ((".md", markdown(made)), (".tex", latex(made, stem))):
            (folder / f"{stem}{suffix}").write_text(text, encoding="utf-8")
            written.append(folder / f"{stem}{suffix}")
        if entry.name == MAIN_TABLE:
            print(markdown(made))
    return written


if __name__ == "__main__":
    sys.exit(main())
