"""A table, and its forms: Markdown that reads well in a terminal, LaTeX with booktabs, and CSV with plain numbers."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from analysis.statistics import Estimate

NOTHING = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"
LATEX = {c: f"\\{c}" for c in "{}$&#%_"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$",
    "|": "$|$", "±": r"$\pm$", TIMES: r"$\times$", NOTHING: "--", "\n": " ", "≤": r"$\le$", "≥": r"$\ge$",
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One cell: what is read, and the numbers behind it.

    numbers: the value in the unit of the heading, and how far it spreads where the text says so; none for words.
    bold: whether it is set apart; what that means is said in the caption.
    """

    text: str
    numbers: tuple[float, ...] = ()
    bold: bool = False


@dataclass(frozen=True)
class Table:
    """Cells under headings; a cell that is no Cell holds words. Rows come in blocks, which LaTeX sets apart by a rule.

    text_columns: how many columns, from the left, hold words; the others hold numbers and stand to the right.
    spread: what the second number of a cell is, as CSV calls it.
    """

    caption: str
    headings: list[str]
    blocks: Sequence[Sequence[Sequence[Cell | str]]]
    text_columns: int = 1
    spread: str = "95 % half-width"

    @property
    def rows(self) -> list[list[Cell]]:
        """The rows of all blocks, every cell a Cell."""
        return [[_cell(cell) for cell in row] for row in chain.from_iterable(self.blocks)]


def plus_minus_deviation(value: Estimate, scale: float = 1, digits: int = 2) -> str:
    """Return `mean ± standard deviation`; the mean alone where one seed gives no deviation."""
    return _plus_minus(value.mean, value.deviation, scale, digits)


def interval_cell(value: Estimate, scale: float = 1, digits: int = 2) -> Cell:
    """Return `mean ± half-width of the interval` as a cell; the mean alone where one seed gives no interval."""
    return _spread_cell(value.mean, value.half_width, scale, digits)


def deviation_cell(value: Estimate, scale: float = 1, digits: int = 2, bold: bool = False) -> Cell:
    """Return `mean ± standard deviation` as a cell; the mean alone where one seed has no deviation."""
    return _spread_cell(value.mean, value.deviation, scale, digits, bold)


def number_cell(value: float, digits: int = 2, sign: bool = False) -> Cell:
    """Return a number as a cell, a dash where it is NaN; with `sign` a plus stands before what is above zero."""
    if math.isnan(value):
        return Cell(NOTHING)
    rounded = round(value, digits) + 0.0  # no minus before a zero
    return Cell(f"{rounded:+.{digits}f}" if sign and rounded else f"{rounded:.{digits}f}", (value,))


def times_cell(value: Estimate) -> Cell:
    """Return a mean ratio with a times sign, such as 1.84×."""
    return Cell(NOTHING) if math.isnan(value.mean) else Cell(f"{value.mean:.2f}{TIMES}", (value.mean,))


def markdown(table: Table) -> str:
    """Return a Markdown table with aligned columns and its caption above; what leads several rows stands once."""
    lines = [[_in_markdown(cell) for cell in row] for row in _once(table)]
    lines.insert(0, [heading.replace("|", "\\|") for heading in table.headings])
    widths = [max(3, *(len(row[i]) for row in lines)) for i in range(len(table.headings))]
    body = [_line(row, widths, table.text_columns) for row in lines]
    rule = ["-" * w if i < table.text_columns else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    return "\n".join([table.caption, "", body[0], f"| {' | '.join(rule)} |", *body[1:]]) + "\n"


def latex(table: Table, label: str) -> str:
    """Return a LaTeX table environment; its document loads the package booktabs."""
    align = "l" * table.text_columns + "r" * (len(table.headings) - table.text_columns)
    rows = iter(_once(table))
    blocks = ["\n".join(_latex_row([_in_latex(cell) for cell in next(rows)]) for _ in block) for block in table.blocks]
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}[t]",
        "\\centering",
        "\\small",
        f"\\caption{{{escape(table.caption)}}}",
        f"\\label{{tab:{label.replace('_', '-')}}}",
        f"\\begin{{tabular}}{{{align}}}",
        "\\toprule",
        _latex_row([escape(heading) for heading in table.headings]),
        "\\midrule",
        "\n\\midrule\n".join(blocks),
        "\\bottomrule",
        "\\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def comma_separated(table: Table) -> str:
    """Return a table as CSV: numbers without signs and units, and a column of its own for how far they spread."""
    rows = table.rows
    spreads = [any(len(row[i].numbers) > 1 for row in rows) for i in range(len(table.headings))]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(
        chain.from_iterable(
            (heading, f"{heading}, {table.spread}") if spread else (heading,)
            for heading, spread in zip(table.headings, spreads, strict=True)
        )
    )
    for row in rows:
        writer.writerow(chain.from_iterable(_plain(cell, s) for cell, s in zip(row, spreads, strict=True)))
    return file.getvalue()


def escape(text: str) -> str:
    """Return text as LaTeX prints it: an underscore becomes a backslash and an underscore."""
    return "".join(LATEX.get(character, character) for character in text)


def _cell(cell: Cell | str) -> Cell:
    return cell if isinstance(cell, Cell) else Cell(cell)


def _spread_cell(mean: float, spread: float, scale: float, digits: int, bold: bool = False) -> Cell:
    if math.isnan(mean):
        return Cell(NOTHING)
    numbers = (mean * scale,) if math.isnan(spread) else (mean * scale, spread * scale)
    return Cell(_plus_minus(mean, spread, scale, digits), numbers, bold)


def _plus_minus(mean: float, spread: float, scale: float, digits: int) -> str:
    if math.isnan(mean):
        return NOTHING
    text = f"{mean * scale:.{digits}f}"
    return text if math.isnan(spread) else f"{text} ± {spread * scale:.{digits}f}"


def _once(table: Table) -> list[list[Cell]]:
    """Return the rows, with a first cell that repeats the one above, in the same block, left empty."""
    lines = []
    for block in table.blocks:
        above = ""
        for row in ([_cell(cell) for cell in row] for row in block):
            lines.append([Cell(""), *row[1:]] if row[0].text == above and table.text_columns > 1 else row)
            above = row[0].text
    return lines


def _in_markdown(cell: Cell) -> str:
    text = cell.text.replace("|", "\\|")
    return f"**{text}**" if cell.bold else text


def _in_latex(cell: Cell) -> str:
    text = escape(cell.text)
    return rf"\textbf{{\boldmath {text}}}" if cell.bold else text  # boldmath: the ± is mathematics


def _plain(cell: Cell, spread: bool) -> list[str]:
    """Return a cell as one field of a CSV, or as two."""
    if not cell.numbers:
        fields = ["" if cell.text == NOTHING else cell.text]
    else:
        fields = [f"{number:.10g}" for number in cell.numbers]
    return fields + [""] * (1 + spread - len(fields))


def _line(row: Iterable[str], widths: list[int], text_columns: int) -> str:
    cells = [c.ljust(w) if i < text_columns else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
    return f"| {' | '.join(cells)} |"


def _latex_row(row: Iterable[str]) -> str:
    return " & ".join(row) + r" \\"
