"""A figure of panels on seaborn's FacetGrid: what it says comes with its data, and its legend stands below."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

import matplotlib
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from analysis.annotation import in_order, method_of
from analysis.frame import Frame
from analysis.plot.marks import GREY, legend_line, letters
from analysis.plot.style import Style, look, pt, styles
from analysis.wording import line_name, sentences, wrapped

matplotlib.use("agg")  # files alone: no window, whatever the machine has

METADATA = {
    "pdf": {"CreationDate": None, "Creator": "klevel"},
    "png": {"Software": "klevel"},
    "svg": {"Date": None, "Creator": "klevel"},
}
ACROSS = 4  # panels beside each other, at most
MOST = 8  # lines that a panel can tell apart; of more the rest is grey
HEIGHT, HEIGHT_ALONE = 1.6, 2.1  # inches of a panel
OTHERS = "others"


def described(data: pd.DataFrame, frame: Frame, caption: Sequence[str], title: str = "", **more: Any) -> pd.DataFrame:
    """Return the data of a figure with what it says: title, caption, all methods (for their styles) and their labels.

    caption: sentences; those that the frame says of its trials are added. more: what else its `draw` needs to know.
    """
    options = frame.source.options
    data.attrs = {
        "title": title or frame.subject, "caption": sentences([*caption, *frame.remarks]),
        "methods": frame.source.methods, "labels": dict(options.labels), "titled": options.title,
        **cast(dict[Hashable, Any], more),
    }  # fmt: skip
    return data


class Panel(NamedTuple):
    """One axes of a figure, its rows of the data, and the values of its row and column."""

    axes: Axes
    rows: pd.DataFrame
    row: Any
    col: Any


class Line(NamedTuple):
    """A line of a panel: its name, its rows, how it looks, and whether the panel tells it apart or draws it grey."""

    name: str
    rows: pd.DataFrame
    style: Style
    variant: int
    told: bool


@dataclass
class Plot:
    """A figure in the making."""

    grid: sns.FacetGrid
    attrs: dict[str, Any]
    handles: dict[str, Artist] = field(default_factory=dict)

    @property
    def figure(self) -> Figure:
        """The figure."""
        return cast(Figure, self.grid.figure)

    @property
    def axes(self) -> list[Axes]:
        """All axes, line by line."""
        return list(self.grid.axes.flat)

    def panels(self) -> Iterator[Panel]:
        """Yield the panels that have data."""
        rows, cols = self.grid.row_names or [None], self.grid.col_names or [None]
        for (i, j, _), part in self.grid.facet_data():
            if len(part):
                yield Panel(self.grid.facet_axis(i, j, modify_state=False), part, rows[i], cols[j])

    def style(self, line: str) -> Style:
        """Return the colour and mark of a line."""
        return styles(self.attrs["methods"])[method_of(line)]

    def name(self, line: str) -> str:
        """Return a line for people."""
        return line_name(line, self.attrs["labels"])

    def lines(self, rows: pd.DataFrame, lead: Sequence[str] | None = None, joined: bool = True) -> Iterator[Line]:
        """Yield the lines of a panel in the order of the legend, and add those to it that have no handle by then.

        lead: those told apart, see `leading`. joined: whether their points are joined.
        """
        lead = leading(rows) if lead is None else lead
        for name in in_order(list(rows["line"])):
            mine = rows[rows["line"] == name]
            line = Line(name, mine, self.style(name), int(mine["variant"].iloc[0]), name in lead)
            yield line
            if line.told:
                self.handles.setdefault(self.name(name), legend_line(line.style, line.variant, joined))
        if len(lead) < rows["line"].nunique():
            look_ = {"linewidth": pt(0.7)} if joined else {"linestyle": "", "marker": "o", "markersize": pt(2.4)}
            self.handles.setdefault(OTHERS, Line2D([], [], color=GREY, **look_))

    @property
    def width(self) -> float:
        """How wide a panel is with its labels, in inches of paper for letters that are as large as there."""
        columns = self.axes[0].get_subplotspec().get_gridspec().ncols  # type: ignore[union-attr]
        return float(self.figure.get_figwidth()) / columns / look().pen

    def finish(self) -> Figure:
        """Put the title above and the legend below, and make room for both. Return the figure, closed for pyplot."""
        figure = self.figure
        figure.set_label(self.attrs["caption"])
        title = None
        if self.attrs["titled"]:
            text = wrapped(self.attrs["title"], letters(figure.get_figwidth() - 0.2 * look().scale))
            title = figure.suptitle(text, fontsize=pt(7.5), linespacing=1.2)
        legend = _legend(figure, self.handles) if self.handles else None
        extra = sum(_inches(figure, artist)[1] for artist in (title, legend) if artist is not None)
        figure.set_figheight(figure.get_figheight() + extra)
        plt.close(figure)
        return figure


def facets(
    data: pd.DataFrame,
    col: str = "panel",
    row: str | None = None,
    *,
    heights: float | Sequence[float] = 0,
    share_x: bool | str = True,
    share_y: bool | str = True,
    across: int = ACROSS,
    wide: bool = False,
) -> Plot:
    """Return a figure with a panel for each value of `col` (and `row`), one column wide for one panel, a page else.

    Both in the order in which they first come. heights: of the rows, in inches. wide: whether one panel takes the page.
    Titles of panels are the values of `col`, in lines that never break a word.
    """
    cols = list(data[col].unique())
    lines = list(data[row].unique()) if row else [None]
    wrap = across if row is None and len(cols) > across else None
    beside = min(len(cols), across) if wrap else len(cols)
    deep = -(-len(cols) // beside) if row is None else len(lines)
    given = [float(heights)] * deep if isinstance(heights, int | float) else [float(height) for height in heights]
    tall = [h or (HEIGHT_ALONE if len(cols) * deep == 1 else HEIGHT) for h in given]
    width = look().page if len(cols) > 1 or wide else look().column
    height = sum(tall) / deep * look().scale
    options: dict[str, Any] = {"height_ratios": tall} if wrap is None else {}
    grid = sns.FacetGrid(
        data, col=col, row=row, col_wrap=wrap, col_order=cols, row_order=lines if row else None, sharex=share_x,
        sharey=share_y, height=height, aspect=width / beside / height, despine=False, dropna=False, legend_out=False,
        gridspec_kws=options,
    )  # fmt: skip
    plot = Plot(grid, cast(dict[str, Any], data.attrs))
    grid.figure.set_layout_engine("constrained", h_pad=0.02, w_pad=0.02)
    for place in grid.axes.flat:
        place.set(title="", xlabel="", ylabel="")
    for i, name in enumerate(cols):
        top = grid.axes.flat[i]
        text = wrapped(str(name), letters(width / beside - 0.35 * look().scale))
        top.set_title(text, loc="left", fontsize=pt(6.5), pad=pt(3), linespacing=1.15)
    return plot


def leading(rows: pd.DataFrame) -> list[str]:
    """Return the lines that a panel tells apart: all, or of too many random and those with the highest mean y."""
    lines = in_order(list(rows["line"]))
    if len(lines) <= MOST:
        return lines
    means = rows.groupby("line")["y"].mean().sort_values(ascending=False, kind="stable")
    kept = [*dict.fromkeys([line for line in lines if line == "random"] + list(means.index))][:MOST]
    return [line for line in lines if line in kept]


def label(plot: Plot, x: str = "", y: str | Sequence[str] = "") -> None:
    """Label x below the lowest panels, and y left of the first of each row: one word for all rows, or one for each."""
    columns = plot.axes[0].get_subplotspec().get_gridspec().ncols  # type: ignore[union-attr]
    width = plot.figure.get_figwidth() / columns
    below = wrapped(x, letters(width - 0.35 * look().scale))
    for place in plot.axes:
        spec = place.get_subplotspec()
        if spec is None:
            continue
        if place.xaxis.get_tick_params()["labelbottom"]:
            place.set_xlabel(below)
        if spec.is_first_col():
            text = y if isinstance(y, str) else y[spec.rowspan.start]
            height = place.get_position().height * plot.figure.get_figheight()
            place.set_ylabel(wrapped(text, letters(max(height, 0.9 * look().scale))), linespacing=1.1)
    plot.figure.set_figheight(plot.figure.get_figheight() + below.count("\n") * pt(9) / 72)


def save(figure: Figure, stem: Path, formats: Sequence[str]) -> list[Path]:
    """Write a figure as STEM.png and so on, the same bytes each time, and its caption as STEM.txt; return the paths."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once, and alike in every format
    paths = [stem.with_name(f"{stem.name}.{suffix}") for suffix in formats]
    for suffix, path in zip(formats, paths, strict=True):
        figure.savefig(path, format=suffix, metadata=METADATA[suffix])
    text = stem.with_name(f"{stem.name}.txt")
    text.write_text(f"{figure.get_label()}\n", encoding="utf-8")
    return [*paths, text]


def _legend(figure: Figure, handles: Mapping[str, Artist]) -> Legend:
    """Return a legend below the axes, in as many columns as fit the width of the figure."""
    on_a_page = bool(figure.get_figwidth() > look().column)
    for columns, width in (*[(6, 50), (5, 50), (4, 50)] * on_a_page, (3, 50), (2, 50), (2, 22), (1, 50)):
        labels = [wrapped(name, int(width * look().room), "  ") for name in handles]
        legend = figure.legend(list(handles.values()), labels, loc="outside lower center", ncols=columns)
        if columns == 1 or _inches(figure, legend)[0] <= 0.97 * figure.get_figwidth():
            break
        legend.remove()
    return legend


def _inches(figure: Figure, artist: Artist) -> tuple[float, float]:
    box = artist.get_window_extent()
    return box.width / figure.dpi, box.height / figure.dpi
