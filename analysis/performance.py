"""Write what `klevel bench` measured into the documents: tables, sentences on growth, and a figure, from its CSVs.

A document has a line `<!-- bench: WHAT -->` and a line `<!-- end -->`; what stands between them is made here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.plot import axes as axis
from analysis.plot.facets import facets, save
from analysis.plot.marks import draw_line
from analysis.plot.style import drawn
from analysis.wording import line_name, sentences
from results.errors import InputError
from results.performance import BENCH, SCALING, read, short

DOCUMENTS = ("README.md", "docs/performance.md")
FIGURE = "docs/performance"
FORMATS = ("png", "svg")
BLOCK = re.compile(r"(<!-- bench: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
OF_TABLE = "table "  # of a group of rows, whose name follows
UNITS = (("s", 1.0), ("ms", 1e3), ("µs", 1e6))
LAST = 100  # slopes are those of the sizes down to this part of the largest

# the rows that README shows, by group and name, in words
MAIN = {
    ("prox", "wgsef_dc, resnet20"): "Proximal step of WGSEF-DC on the filters of ResNet-20 / training step",
    ("weights", "wgsef, 1,000,000 weights"): "Proximal step of WGSEF on 1,000,000 weights / one w.mul_(s)",
    ("loop", "resnet20"): "Epoch of ResNet-20 in klevel's loop / in a bare one",
    ("shrinking", "lenet5_caffe, filter, keep 0.1"): "Training LeNet-5 down to 10 % of its filters / training it dense",
    (
        "peers",
        "torch-pruning: prune and fine-tune",
    ): "Half of the filters of ResNet-56 removed, one epoch / by torch-pruning",
}
GROUPS = {"prox": "Single weights", "network": "Network, coupled groups", "suite": "Suite"}


def document(folder: Path, root: Path) -> list[Path]:
    """Bring the documents and the figure below `root` up to the CSVs of a folder, and return their paths.

    Raises InputError if a CSV or a document is not there, or a document asks for what nobody knows.
    """
    files = [root / name for name in DOCUMENTS]
    for file in files:
        if not file.is_file():
            raise InputError(f"{file}: no such document; --docs is called in a checkout of klevel")
    bench, costs = read(folder / BENCH), read(folder / SCALING)
    texts = {file: filled(file.read_text(encoding="utf-8"), bench, costs) for file in files}
    with drawn():
        written = save(figure(costs), root / FIGURE, FORMATS)
    for file, text in texts.items():
        file.write_text(text, encoding="utf-8")
    return [*files, *written]


def filled(text: str, bench: pd.DataFrame, costs: pd.DataFrame) -> str:
    """Return a document with the present numbers in it. Raises InputError for a block of unknown content."""
    return BLOCK.sub(lambda found: f"{found[1]}{_content(found[2], bench, costs)}\n{found[3]}", text)


def _content(what: str, bench: pd.DataFrame, costs: pd.DataFrame) -> str:
    known = {"main": main_lines, "machine": machine}
    if what in known:
        return known[what](bench)
    if what == "growth":
        return growth(costs)
    group = what.removeprefix(OF_TABLE)
    if what.startswith(OF_TABLE) and group in set(bench["group"]):
        return table(bench[bench["group"] == group])
    raise InputError(f"<!-- bench: {what} -->: nothing of that name is measured")


def main_lines(bench: pd.DataFrame) -> str:
    """Return the main rows as a table of Markdown. Raises InputError if one of them was not measured."""
    rows = {(row["group"], row["name"]): row for row in records(bench)}
    lines = []
    for key, words in MAIN.items():
        if key not in rows:
            raise InputError(f"{BENCH}: the row {', '.join(key)} is not there; klevel bench measures it")
        row = rows[key]
        lines.append([words, _value(row), _number(row["target"])])
    return markdown(("time", "measured", "target, at most"), lines)


def machine(bench: pd.DataFrame) -> str:
    """Return in words where the rows were measured."""
    columns = ["processor", "cores", "threads", "python", "torch", "commit"]
    told = bench[columns].drop_duplicates().sort_values(columns)
    return "\n".join(
        f"- {one['processor']}, {one['cores']} cores, {one['threads']} thread, Python {one['python']}, torch"
        f" {one['torch']}; klevel {one['commit'] or 'of no commit'}"
        for one in records(told)
    )


def table(rows: pd.DataFrame) -> str:
    """Return the rows of a group as a table of Markdown."""
    lines = []
    for row in records(rows):
        aim = _number(row["target"])
        missed = " (missed)" if row["met"] == "no" else ""
        quartiles = f"{_number(row['low'])} to {_number(row['high'])}" if pd.notna(row["low"]) else row["reason"]
        lines.append([row["name"], row["measures"], _value(row), quartiles, f"{aim}{missed}"])
    return markdown(("row", "what", "median", "quartiles", "at most"), lines)


def slopes(costs: pd.DataFrame) -> pd.DataFrame:
    """Return group, what, of, slope, low, high, seconds: how time grows with size at the upper end, and where that is.

    slope: of the least squares line through log(seconds) over log(size), for sizes from low to high: those of at least
    a hundredth of the largest. seconds: at the largest.
    """
    found = []
    for (group, what), rows in costs.groupby(["group", "what"], sort=False):
        rows = rows.sort_values("size")
        upper = rows[rows["size"] >= rows["size"].max() / LAST]
        slope = float(np.polyfit(np.log(upper["size"]), np.log(upper["seconds"]), 1)[0]) if len(upper) > 1 else np.nan
        low, high = upper["size"].iloc[0], upper["size"].iloc[-1]
        found.append((group, what, rows["of"].iloc[0], slope, low, high, rows["seconds"].iloc[-1]))
    return pd.DataFrame(found, columns=["group", "what", "of", "slope", "low", "high", "seconds"])


def growth(costs: pd.DataFrame) -> str:
    """Return in words how costs grow, as a list of Markdown."""
    lines = []
    for one in records(slopes(costs)):
        of, power = one["of"], f"{max(0.0, one['slope']):.2f}"
        lines.append(
            f"- {GROUPS.get(one['group'], one['group'])}, {line_name(one['what'])}: time goes as ({of})^{power} from"
            f" {one['low']:,.0f} to {one['high']:,.0f} {of}, where it is {_seconds(one['seconds'])}"
        )
    return "\n".join(lines)


def figure(costs: pd.DataFrame) -> Figure:
    """Return the figure: seconds over size, a panel for each group, both axes logarithmic."""
    data = costs.assign(
        panel=[GROUPS.get(group, group) for group in costs["group"]],
        line=costs["what"], x=costs["size"], y=costs["seconds"], y_low=costs["low"], y_high=costs["high"], variant=0,
    )  # fmt: skip
    caption = ["Seconds against size, medians with quartiles, on one thread", "Both axes are logarithmic"]
    data.attrs = {"title": "", "caption": sentences(caption), "labels": {}, "titled": False}
    data.attrs["methods"] = sorted(set(data["line"]))
    plot = facets(data, share_x=False, share_y=False)
    for panel in plot.panels():
        for line in plot.lines(panel.rows):
            draw_line(panel.axes, line.rows, line.style, line.variant)
        axis.set_scale([panel.axes], "x", panel.rows["x"], "log", most=5)
        axis.set_scale([panel.axes], "y", [*panel.rows["y_low"], *panel.rows["y_high"]], "log", most=5)
        panel.axes.set_xticks(panel.axes.get_xticks(), [_short(x) for x in panel.axes.get_xticks()])
        panel.axes.set_yticks(panel.axes.get_yticks(), [_seconds(y) for y in panel.axes.get_yticks()])
        panel.axes.set_xlabel(str(panel.rows["of"].iloc[0]).capitalize())
    plot.axes[0].set_ylabel("Time")
    return plot.finish()


def markdown(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as mappings."""
    return [dict(row) for _, row in rows.iterrows()]


def _number(value: float) -> str:
    return "" if pd.isna(value) else short(value)


def _value(row: Mapping[str, Any]) -> str:
    return _number(row["value"]) + (" s" if row["unit"] == "s" and pd.notna(row["value"]) else "")


def _seconds(value: float) -> str:
    unit, times = next(((unit, times) for unit, times in UNITS if value * times >= 1), UNITS[-1])
    return f"{value * times:.3g} {unit}"


def _short(size: float) -> str:
    """Return a size as 300, 300k or 3M."""
    letter, by = next(((letter, by) for letter, by in (("M", 1e6), ("k", 1e3)) if size >= by), ("", 1.0))
    return f"{size / by:.3g}{letter}"
