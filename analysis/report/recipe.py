"""What was run: the suite as the runner resolved it, or what the rows let one read off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from analysis.identity import PHASES, RECIPE
from analysis.load import DENSE
from analysis.report import words
from analysis.report.folders import SUITE, Source, suite_text
from analysis.report.markup import NONE, Html, code, join, listed, pairs, tag, text
from analysis.report.section import Section
from analysis.table import NOTHING

GRID = ("dataset", "architecture")
OF_PRUNED = ("grouping", "scope", "keep")  # the dense network has them only because a row must say something
OTHER = ("train_images", "start", *RECIPE)
MANY = 24  # values that are listed; of more, the first and the last


def recipe(sources: Sequence[Source]) -> Section:
    """Return the section on what was run, folder by folder."""
    parts = tuple((f"recipe-{i}", one.name) for i, one in enumerate(sources, start=1)) if len(sources) > 1 else ()
    bodies = [_recipe(one) for one in sources]
    if parts:
        bodies = [
            join([tag("h3", code(title), id=name), body]) for (name, title), body in zip(parts, bodies, strict=True)
        ]
    return Section("recipe", "Recipe", join(bodies), parts)


def _recipe(source: Source) -> Html:
    written, complaint = suite_text(source)
    complained = tag("p", text(complaint), class_="complaint") if complaint else NONE
    if written.strip():
        told = tag("p", code(f"{source.name}/{SUITE}"), text(": the suite as it was run."), class_="note")
        return join([told, tag("pre", tag("code", text(written.rstrip())), tabindex=0)])
    if source.rows.empty:
        return join([complained, tag("p", text("Every trial of this folder counts from another one."))])
    told = tag("p", text(_told(source)), class_="note")
    return join([complained, told, pairs(_entries(source.rows))])


def _told(source: Source) -> str:
    if source.imported:
        return f"Imported from logs of {words.enumerated(source.suites)}; what the rows say of the recipe:"
    return (
        f"{source.name} holds no {SUITE}; this recipe was read off the rows of trials.csv, which do not say everything."
    )


def _entries(rows: pd.DataFrame) -> Iterator[tuple[str, Html]]:
    pruned = rows[rows["method"] != DENSE] if "method" in rows else rows
    for column in (*GRID, *OF_PRUNED, "seed"):
        yield from _entry(pruned if column in OF_PRUNED and len(pruned) else rows, column)
    if "method" in rows:
        methods = ((str(method), part) for method, part in rows.groupby("method", sort=True))
        yield "method", listed(_method(name, part) for name, part in methods)
    for column in (*PHASES, *OTHER):
        yield from _entry(rows, column)


def _entry(rows: pd.DataFrame, column: str) -> Iterator[tuple[str, Html]]:
    found = words.distinct(rows, column)
    if found:
        yield column, text(_values(found))


def _values(found: list[str]) -> str:
    if len(found) <= MANY:
        return ", ".join(found)
    return f"{len(found):,} values, {', '.join(found[:3])} to {found[-1]}"


def _method(name: str, rows: pd.DataFrame) -> Html:
    given = {words.hyperparameters(one) for one in rows["hyperparameters"]} if "hyperparameters" in rows else set()
    found = [code(name), *(text(one) for one in sorted(given - {NOTHING}))]
    return join([found[0], join(found[1:], "; ")], ": ") if found[1:] else found[0]
