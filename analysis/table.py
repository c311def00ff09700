"""A table, and its two forms: Markdown that reads well in a terminal, and LaTeX with booktabs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from analysis.statistics import Estimate

NOTHING = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"
LATEX = {c: f"\\{c}" for c in "{}$&#%_"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$",
    "|": "$|$", "±": r"$\pm$", TIMES: r"$\times$", NOTHING: "--", "\n": " ",
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """Text cells under headings. Rows come in blocks, which LaTeX sets apart by a rule.

    text_columns: how many columns, from the left, hold words; the others hold numbers and stand to the right.
    """

    caption: str
    headings: list[str]
    blocks: list[list[list[str]]]
    text_columns: int = 1

    @property
    def rows(self) -> list[list[str]]:
        """The rows of all blocks."""
        return list(chain.from_iterable(self.blocks))


def plus_minus(value: Estimate, scale: float = 1, digits: int = 2) -> str:
    """Return `mean ± half-width`; the mean alone where one seed gives no interval."""
    if math.isnan(value.mean):
        return NOTHING
    mean = f"{value.mean * scale:.{digits}f}"
    return mean if math.isnan(value.half_width) else f"{mean} ± {value.half_width * scale:.{digits}f}"


def times(value: Estimate) -> str:
    """Return a mean ratio with a times sign, such as 1.84×."""
    return NOTHING if math.isnan(value.mean) else f"{value.mean:.2f}{TIMES}"


def markdown(table: Table) -> str:
    """Return a Markdown table with aligned columns and its caption above."""
    lines = [[cell.replace("|", "\\|") for cell in row] for row in [table.headings, *table.rows]]
    widths = [max(3, *(len(row[i]) for row in lines)) for i in range(len(table.headings))]
    body = [_line(row, widths, table.text_columns) for row in lines]
    rule = ["-" * w if i < table.text_columns else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    return "\n".join([table.caption, "", body[0], f"| {' | '.join(rule)} |", *body[1:]]) + "\n"


def latex(table: Table, label: str) -> str:
    """Return a LaTeX table environment; its document loads the package booktabs."""
    align = "l" * table.text_columns + "r" * (len(table.headings) - table.text_columns)
    blocks = ["\n".join(_latex_row(row) for row in block) for block in table.blocks]
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}[t]",
        "\\centering",
        "\\small",
        f"\\caption{{{escape(table.caption)}}}",
        f"\\label{{tab:{label.replace('_', '-')}}}",
        f"\\begin{{tabular}}{{{align}}}",
        "\\toprule",
        _latex_row(table.headings),
        "\\midrule",
        "\n\\midrule\n".join(blocks),
        "\\bottomrule",
        "\\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Return text as LaTeX prints it: an underscore becomes a backslash and an underscore."""
    return "".join(LATEX.get(character, character) for character in text)


def _line(row: Iterable[str], widths: list[int], text_columns: int) -> str:
    cells = [c.ljust(w) if i < text_columns else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
    return f"| {' | '.join(cells)} |"


def _latex_row(row: Iterable[str]) -> str:
    return " & ".join(escape(cell) for cell in row) + r" \\"
