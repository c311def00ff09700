"""The tables, grouped by what they are about; and which figures and tables were left out, and why."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path

from analysis.exhibit import Exhibit
from analysis.report import words
from analysis.report.grid import grid
from analysis.report.markup import Html, join, listed, tag, text
from analysis.report.pictures import by_subject, heading, origin
from analysis.report.section import Section
from analysis.table import Table


def tables(exhibits: Iterable[Exhibit], folder: Path) -> Section:
    """Return the section of all tables that were made."""
    groups = by_subject(one for one in exhibits if one.table is not None)
    parts = tuple((f"tables-{i}", subject) for i, subject in enumerate(groups, start=1))
    body = [
        join([heading(*part), *(_table(one, f"{part[0]}-{i}", folder) for i, one in enumerate(group, start=1))])
        for part, group in zip(parts, groups.values(), strict=True)
    ]
    return Section("tables", "Tables", join(body) or tag("p", text("No table was made.")), parts)


def left_out(exhibits: Iterable[Exhibit]) -> Section:
    """Return the section of the figures and tables that there is a reason not to have."""
    skipped = [one for one in exhibits if one.skipped]
    if not skipped:
        return Section("left-out", "Figures and tables left out", tag("p", text("None was left out.")))
    items = listed(_reason(one) for one in skipped)
    body = tag("details", tag("summary", text(f"{len(skipped):,} left out, with the reasons")), items)
    return Section("left-out", "Figures and tables left out", body)


def _reason(one: Exhibit) -> Html:
    what = tag("strong", text(one.name))
    return join([what, text(f" ({one.kind}, {one.subject}): {words.line(one.skipped)}")])


def _table(one: Exhibit, name: str, folder: Path) -> Html:
    table = one.table or Table("", [], [])
    about = [tag("strong", text(one.name)), text(one.description), text(words.line(table.caption))]
    caption = tag("figcaption", join(filter(None, about), " "), origin(one.files, folder), id=f"{name}-caption")
    starts = set(accumulate(len(block) for block in table.blocks[:-1]))
    label = f"{one.name}, {one.subject}"
    made = grid(table.headings, table.rows, label, f"{name}-caption", table.text_columns, starts)
    return tag("figure", caption, made, class_="table", id=name)
