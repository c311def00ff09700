"""report.html: all that a results folder holds on one page that needs nothing else, neither network nor files."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

from analysis.exhibit import Exhibit
from analysis.load import Results
from analysis.report.commands import commands
from analysis.report.failures import failures
from analysis.report.folders import sources
from analysis.report.markup import join, text
from analysis.report.pictures import figures
from analysis.report.recipe import recipe
from analysis.report.section import Section, contents
from analysis.report.summary import summary, title
from analysis.report.surroundings import surroundings
from analysis.report.tabular import left_out, tables
from analysis.report.trials import trials

NAME = "report.html"
__all__ = ["NAME", "page", "write"]


def page(results: Results, exhibits: Sequence[Exhibit], folder: Path) -> str:
    """Return the page as HTML, the same for the same input: it holds no time and no path of this machine.

    exhibits: figures and tables, those that were skipped as well. folder: where the page will lie, and as seen from
    which it names the files of the exhibits.
    """
    sections, style, script = _sections(results, exhibits, folder), _part("style.css"), _part("script.js")
    return Template(_part("page.html")).substitute(
        title=text(title(sources(results))),
        policy=text(_policy(style, script)),
        contents=contents(sections),
        sections=join((section.html for section in sections), "\n"),
        style=style,
        script=script,
    )


def write(results: Results, exhibits: Sequence[Exhibit], folder: Path) -> Path:
    """Write the page into the folder, in UTF-8, and return its path."""
    path = folder / NAME
    path.write_text(page(results, exhibits, folder), encoding="utf-8", newline="\n")
    return path


def _sections(results: Results, exhibits: Sequence[Exhibit], folder: Path) -> list[Section]:
    rows, parts = results.trials, sources(results)
    return [
        summary(rows, parts, results.notes),
        figures(exhibits, folder),
        tables(exhibits, folder),
        trials(rows),
        failures(rows),
        left_out(exhibits),
        recipe(parts),
        surroundings(rows, parts),
        commands(parts),
    ]


def _part(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Return a Content-Security-Policy under which nothing is loaded, and no script runs but the page's own."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
