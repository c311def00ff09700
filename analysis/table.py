"""A table: plain numbers as CSV, and the same with signs and units as Markdown, LaTeX and HTML, by pandas."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
from pandas.api.types import is_numeric_dtype

from analysis.wording import NOTHING, TIMES

LATEX = {ord(c): f"\\{c}" for c in "{}$&#%_"} | {
    ord("\\"): r"\textbackslash{}", ord("~"): r"\textasciitilde{}", ord("^"): r"\textasciicircum{}",
    ord("<"): "$<$", ord(">"): "$>$", ord("|"): "$|$", ord("\n"): " ",
}  # fmt: skip
SYMBOLS = {ord("±"): r"$\pm$", ord(TIMES): r"$\times$", ord(NOTHING): "--", ord("≤"): r"$\le$", ord("≥"): r"$\ge$"}
SPREAD = "{}, {}"  # the column of how far a number spreads, beside it


@dataclass(frozen=True)
class Format:
    """How the numbers of a column are written: digits, a plus before what is above zero, a unit behind."""

    digits: int = 2
    sign: bool = False
    unit: str = ""
    small: float = 0.0  # numbers below it are written as below it, such as <0.001

    def __call__(self, value: float, spread: float = math.nan) -> str:
        """Return `value`, or `value ± spread`; a dash for NaN."""
        if math.isnan(value):
            return NOTHING
        if 0 <= value < self.small:
            return f"<{self.small:g}"
        rounded = round(value, self.digits) + 0.0  # no minus before a zero
        text = f"{rounded:+.{self.digits}f}" if self.sign and rounded else f"{rounded:.{self.digits}f}"
        return (text if math.isnan(spread) else f"{text} ± {spread:.{self.digits}f}") + self.unit


WHOLE, P = Format(0), Format(3, small=0.001)
MULTIPLE = Format(unit=TIMES)


@dataclass(frozen=True)
class Table:
    """Rows of text and numbers under headings.

    data: a column per heading, text as str (empty: a dash), numbers as float; after a number that spreads the column
    `HEADING, SPREAD`. formats: of the columns of numbers, two digits by default. lines: the columns that hold lines,
    which people read by name. blocks: the columns whose values stand once and, where they change, a rule. bold, bounds:
    cells (row, heading) that are set apart, as the caption says, and that are lower bounds.
    """

    caption: str
    data: pd.DataFrame
    formats: Mapping[str, Format] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    bold: frozenset[tuple[int, str]] = frozenset()
    bounds: frozenset[tuple[int, str]] = frozenset()
    spread: str = "standard deviation"
    name: Callable[[str], str] = str

    @property
    def headings(self) -> list[str]:
        """The columns that people read."""
        return [str(h) for h in self.data if not str(h).endswith(f", {self.spread}")]

    @property
    def text_columns(self) -> list[str]:
        """Those of them that hold words."""
        return [heading for heading in self.headings if not is_numeric_dtype(self.data[heading])]

    @property
    def shown(self) -> pd.DataFrame:
        """The cells as people read them."""
        return pd.DataFrame({heading: self._column(heading) for heading in self.headings}, dtype="object")

    @property
    def starts(self) -> list[int]:
        """The rows that start a block, but for the first."""
        if not self.blocks or self.data.empty:
            return []
        lead = self.data[self.blocks[0]]
        return [i for i in range(1, len(lead)) if lead.iloc[i] != lead.iloc[i - 1]]

    def csv(self) -> str:
        """Return CSV: numbers without signs and units, and a column of its own for how far they spread."""
        return self.data.to_csv(index=False, float_format="%.10g", lineterminator="\n")

    def markdown(self) -> str:
        """Return a Markdown table with its caption above."""
        cells = self._once().map(lambda text: text.replace("|", "\\|"))
        cells = self._styled(cells, lambda text: f"**{text}**")
        align = ["left" if heading in self.text_columns else "right" for heading in self.headings]
        headings = [heading.replace("|", "\\|") for heading in self.headings]
        body = cells.to_markdown(index=False, headers=headings, colalign=align, disable_numparse=True)
        return f"{self.caption}\n\n{body}\n"

    def latex(self, label: str) -> str:
        """Return a LaTeX table environment; its document loads the package booktabs."""
        style = self._once().map(escape).rename(columns=escape).style.hide(axis="index")
        for row, heading in self.bold:
            style = style.map(lambda _: "textbf:--rwrap", subset=(row, escape(heading)))
        aligned = "".join("l" if heading in self.text_columns else "r" for heading in self.headings)
        text = style.to_latex(
            hrules=True, caption=escape(self.caption), label=f"tab:{label.replace('_', '-')}", position="t",
            position_float="centering", column_format=aligned,
        )  # fmt: skip
        lines = text.replace("\\centering\n", "\\centering\n\\small\n").splitlines()
        first = lines.index("\\midrule") + 1
        for start in reversed(self.starts):
            lines.insert(first + start, "\\midrule")
        return "\n".join([line.translate(SYMBOLS) for line in ["% needs \\usepackage{booktabs}", *lines]]) + "\n"

    def html(self) -> str:
        """Return an HTML table without styles, everything in it escaped: <data> holds the number behind a cell.

        Every row is whole, as readers sort and filter them; the first cell of a block is marked by the class `start`.
        """
        cells = self._styled(self.shown.map(html.escape), lambda text: f"<strong>{text}</strong>")
        headings = {heading: html.escape(heading) for heading in self.headings}
        for heading in headings:
            if heading not in self.text_columns:
                headings[heading] = f'<span class="n">{headings[heading]}</span>'
                numbers = [f"{value:.12g}".replace("nan", "") for value in self.data[heading].astype("float64")]
                pairs = zip(numbers, cells[heading], strict=True)
                cells[heading] = [f'<data value="{number}">{text}</data>' for number, text in pairs]
        lead, starts = self.headings[0], self.starts
        first = [f'<span class="start">{t}</span>' if i in starts else t for i, t in enumerate(cells.pop(lead))]
        body = cells.rename(columns=headings).set_axis(first, axis=0).rename_axis(columns=headings[lead])
        with pd.option_context("styler.render.max_elements", body.size + 1):  # of more, pandas shows a part
            return str(body.style.to_html(exclude_styles=True))

    def _column(self, heading: str) -> list[str]:
        values = self.data[heading]
        if heading in self.text_columns:
            said = self.name if heading in self.lines else str
            return [said(value) if value else NOTHING for value in values]
        spread = self.data.get(SPREAD.format(heading, self.spread), pd.Series(math.nan, index=values.index))
        write = self.formats.get(heading, Format())
        texts = [write(float(value), float(far)) for value, far in zip(values, spread, strict=True)]
        return [f"≥ {text}" if (i, heading) in self.bounds else text for i, text in enumerate(texts)]

    def _once(self) -> pd.DataFrame:
        """Return the cells as shown, with a cell that repeats the one above in its block left empty."""
        cells = self.shown
        same = pd.Series(True, index=cells.index)
        for heading in self.blocks:
            same &= self.data[heading].eq(self.data[heading].shift())
            cells[heading] = cells[heading].mask(same, "")
        return cells

    def _styled(self, cells: pd.DataFrame, write: Callable[[str], str]) -> pd.DataFrame:
        for row, heading in self.bold:
            cells[heading] = cells[heading].where(cells.index != row, write(str(cells[heading][row])))
        return cells


def escape(text: str) -> str:
    """Return text as LaTeX prints it: an underscore becomes a backslash and an underscore."""
    return text.translate(LATEX)


def spread_columns(heading: str, values: Sequence[tuple[float, float]], spread: str) -> dict[str, list[float]]:
    """Return the two columns of a number and how far it spreads."""
    return {heading: [value for value, _ in values], SPREAD.format(heading, spread): [far for _, far in values]}
