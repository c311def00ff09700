"""A table: plain numbers as CSV, and the same with signs and units as Markdown, LaTeX and HTML, by pandas."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import pandas as pd
from pandas.api.types import is_numeric_dtype

from analysis.statistics import estimate
from analysis.wording import NOTHING, TIMES

LATEX = {ord(c): f"\\{c}" for c in "{}$&#%_"} | {
    ord("\\"): r"\textbackslash{}", ord("~"): r"\textasciitilde{}", ord("^"): r"\textasciicircum{}",
    ord("<"): "$<$", ord(">"): "$>$", ord("|"): "$|$", ord("\n"): " ",
}  # fmt: skip
SYMBOLS = {ord("±"): r"$\pm$", ord(TIMES): r"$\times$", ord(NOTHING): "--", ord("≤"): r"$\le$", ord("≥"): r"$\ge$"}
DEVIATION, HALF = "standard deviation", "95 % half-width"  # how far a number spreads, in a column beside it


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


NUMBER, SIGNED, WHOLE, P, MULTIPLE = Format(), Format(sign=True), Format(0), Format(3, small=0.001), Format(unit=TIMES)


class Column(NamedTuple):
    """A column of a table.

    values: of each row a text, a number, or a series by seed, which stands as its mean and how far it spreads. scale:
    of a series. bold, bounds: the rows that are set apart, and those that are lower bounds, which have no spread.
    """

    heading: str
    values: Sequence[Any] | pd.Series
    form: Format = NUMBER
    scale: float = 1.0
    bold: Collection[int] = ()
    bounds: Collection[int] = ()

    def cells(self, spread: str) -> dict[str, list[Any]]:
        """Return the column by its heading, and the one of the spread if there is any."""
        if not any(isinstance(value, pd.Series) for value in self.values):
            return {self.heading: list(self.values)}
        means = [estimate(series) for series in self.values]
        ends = [one.deviation if spread == DEVIATION else one.half_width for one in means]
        far = [math.nan if i in self.bounds else self.scale * end for i, end in enumerate(ends)]
        found = {self.heading: [self.scale * one.mean for one in means]}
        return found if all(map(math.isnan, far)) else found | {f"{self.heading}, {spread}": far}


@dataclass(frozen=True)
class Table:
    """Rows of text and numbers under headings.

    data: a column per heading, text as str (empty: a dash), numbers as float; after a number that spreads the column
    `HEADING, standard deviation` or `HEADING, 95 % half-width`. formats: of the columns of numbers, two digits by
    default. lines: the columns that hold lines, which people read by name. blocks: the columns whose values stand once
    and, where they change, a rule. bold, bounds: cells (row, heading) that are set apart, as the caption says, and that
    are lower bounds.
    """

    caption: str
    data: pd.DataFrame
    formats: Mapping[str, Format] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    bold: frozenset[tuple[int, str]] = frozenset()
    bounds: frozenset[tuple[int, str]] = frozenset()
    name: Callable[[str], str] = str

    @classmethod
    def of(
        cls, caption: str, columns: Iterable[Column], lines: tuple[str, ...], blocks: Sequence[str],
        name: Callable[[str], str], spread: str = DEVIATION,
    ) -> Self:  # fmt: skip
        """Return the table of these columns; `blocks` may name columns that it does not have."""
        data: dict[str, list[Any]] = {}
        for one in columns:
            data |= one.cells(spread)
        formats = {one.heading: one.form for one in columns}
        bold = frozenset((i, one.heading) for one in columns for i in one.bold)
        bounds = frozenset((i, one.heading) for one in columns for i in one.bounds)
        found = tuple(heading for heading in blocks if heading in data)
        return cls(caption, pd.DataFrame(data), formats, lines, found, bold, bounds, name)

    @property
    def headings(self) -> list[str]:
        """The columns that people read."""
        return [str(h) for h in self.data if not str(h).endswith((f", {DEVIATION}", f", {HALF}"))]

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
        lead = list(self.data[self.blocks[0]]) if self.blocks else []
        return [i for i in range(1, len(lead)) if lead[i] != lead[i - 1]]

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
        cells = self._styled(self._once().map(escape), lambda text: f"\\textbf{{{text}}}")
        aligned = "".join("l" if heading in self.text_columns else "r" for heading in self.headings)
        text = cells.rename(columns=escape).to_latex(
            index=False, escape=False, caption=escape(self.caption), label=f"tab:{label.replace('_', '-')}",
            position="t", column_format=aligned,
        )  # fmt: skip
        begin, *lines = text.splitlines()
        lines = ["% needs \\usepackage{booktabs}", begin, "\\centering", "\\small", *lines]
        first = lines.index("\\midrule") + 1
        for start in reversed(self.starts):
            lines.insert(first + start, "\\midrule")
        return "\n".join([line.translate(SYMBOLS) for line in lines]) + "\n"

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
        nothing = pd.Series(math.nan, index=values.index)
        spread = self.data.get(f"{heading}, {DEVIATION}", self.data.get(f"{heading}, {HALF}", nothing))
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
