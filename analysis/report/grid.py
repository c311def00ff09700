"""A table as HTML: complete as it stands, and marked so that the script can sort, filter and page it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from analysis.report.markup import Html, join, tag, text
from analysis.report.words import number
from analysis.table import Cell

PAGE = 500  # rows that are laid out at a time; style.css says the same number


@dataclass(frozen=True)
class Column:
    """How a column is set: whether it stands to the right, sorts by numbers, and can be chosen from."""

    heading: str
    right: bool
    numeric: bool
    choose: bool


def grid(
    headings: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    label: str,
    described_by: str | None = None,
    text_columns: int | None = None,
    starts: Collection[int] = (),
    chosen: Collection[str] = (),
) -> Html:
    """Return a table in a container that scrolls by itself; `label` is the name of both for a screen reader.

    A column sorts by numbers where any cell has one behind it, and stands to the right then, or after `text_columns`.
    described_by: the id of the caption. starts: the rows with which a block begins. chosen: the headings whose values
    the reader can choose from.
    """
    rows = list(rows)
    columns = _columns(headings, rows, len(headings) if text_columns is None else text_columns, chosen)
    head = tag("thead", tag("tr", *(_heading(column) for column in columns)))
    body = tag("tbody", join((_row(row, columns, i in starts) for i, row in enumerate(rows)), "\n"))
    paged = len(rows) > PAGE
    table = tag("table", head, body, class_="paged" if paged else None, aria_label=label, aria_describedby=described_by)
    style = "scroll tall" if paged else "scroll"
    return tag("div", table, class_=style, role="region", tabindex=0, aria_label=f"{label}, scrolls")


def _columns(
    headings: Sequence[str], rows: Sequence[Sequence[Cell]], text_columns: int, chosen: Collection[str]
) -> list[Column]:
    numeric = [any(row[i].numbers for row in rows) for i in range(len(headings))]
    return [
        Column(heading, right=numeric[i] or i >= text_columns, numeric=numeric[i], choose=heading in chosen)
        for i, heading in enumerate(headings)
    ]


def _heading(column: Column) -> Html:
    marks: dict[str, object] = {"data_number": column.numeric, "data_choose": column.choose}
    return tag("th", text(column.heading), scope="col", class_="n" if column.right else None, **marks)


def _row(row: Sequence[Cell], columns: Sequence[Column], starts: bool) -> Html:
    cells = (_cell(cell, column.right, first=i == 0) for i, (cell, column) in enumerate(zip(row, columns, strict=True)))
    return tag("tr", *cells, class_="b" if starts else None)


def _cell(cell: Cell, right: bool, first: bool) -> Html:
    """Return a cell; the number behind it stands there only where the text is another, as rows may be many."""
    content = tag("strong", text(cell.text)) if cell.bold else text(cell.text)
    behind = number(cell.numbers[0]) if cell.numbers else ""
    hidden = behind if behind and behind != _read(cell.text) else None
    marks: dict[str, object] = {"class_": "n" if right else None, "data_v": hidden}
    return tag("th", content, scope="row", **marks) if first else tag("td", content, **marks)


def _read(written: str) -> str:
    """Return what is read as a number, as short as it is; nothing where it is none."""
    try:
        return number(float(written))
    except ValueError:
        return ""
