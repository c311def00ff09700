"""The commands that make the results, and this page, again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from analysis.report import words
from analysis.report.folders import SUITE, Source, suite_text
from analysis.report.markup import Html, join, tag, text
from analysis.report.section import Section

FRESH = "again"  # a folder that is not there yet: what lies in results would not be run again
COPY = f"{FRESH}.yaml"


def commands(sources: Sequence[Source]) -> Section:
    """Return the section with the commands, folder by folder, and at last the one that draws."""
    fresh = [
        tag("code", text(FRESH)),
        text(" is a folder that is not there yet, so that every trial is run once more."),
    ]
    note = tag("p", text("From the root of the repository. "), *fresh, class_="note")
    draw = shlex.join([".venv/bin/python", "-m", "analysis", *(source.name for source in sources)])
    blocks = [_folder(source) for source in sources if len(source.rows)]
    last = join([tag("p", text("Figures, tables and this page again, from the CSVs alone:")), block([draw])])
    return Section("commands", "Commands", join([note, *blocks, last]))


def block(lines: Iterable[str]) -> Html:
    """Return commands as a block, to which the script adds a button that copies them."""
    return tag("div", tag("pre", tag("code", text("\n".join(lines))), tabindex=0), class_="command")


def _folder(source: Source) -> Html:
    told = f"{source.name}: {_told(source)}"
    if source.imported:
        return tag("p", text(told))
    return join([tag("p", text(told)), block(_run(source))])


def _run(source: Source) -> list[str]:
    """Return the lines that run a folder's suites, at their commit and back; suite.yaml may not be there, so a copy."""
    checkout = [shlex.join(["git", "checkout", one]) for one in _clean(source)]
    back = ["git checkout -"] if checkout else []
    if suite_text(source)[0].strip():
        own = f"{source.name}/{SUITE}"
        copied = [shlex.join(["cp", own, COPY]), *checkout] if checkout else []
        return [*copied, _suite(COPY if checkout else own), *back]
    return [*checkout, *(_suite(name) for name in source.suites), *back]


def _suite(name: str) -> str:
    return shlex.join(["./run_all.sh", name, "--results", FRESH])


def _clean(source: Source) -> list[str]:
    """Return the one commit that ran every trial as it stands in git, or none."""
    commits = list(source.commits)
    return commits if len(commits) == 1 and not commits[0].endswith("+") else []


def _told(source: Source) -> str:
    count, commits = words.several(len(source.rows), "trial"), source.commits
    if source.imported:
        return f"{count}, imported from logs of {words.enumerated(source.suites)}; that tool has run them."
    if not commits:
        return f"{count}; the rows name no commit."
    if len(commits) > 1:
        each = words.enumerated([f"{commit} ({n:,})" for commit, n in commits.items()])
        return f"{count} of {len(commits)} commits, {each}, so none is checked out here{_changed(commits)}"
    return f"{count} of commit {next(iter(commits))}{_changed(commits)}"


def _changed(commits: Iterable[str]) -> str:
    """Return the end of the sentence on commits; one with a plus had changes that git does not know."""
    return "; + stands for changes that were not committed." if any(one.endswith("+") for one in commits) else "."
