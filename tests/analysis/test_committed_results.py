"""The results that come with klevel: every figure of them can be read, and all that is made of them lies there."""

from functools import cache
from pathlib import Path

import pytest

from analysis import figures, tables
from analysis.entries import Entry, discover
from analysis.frame import load
from analysis.output import known
from analysis.plot.style import drawn
from analysis.table import Table
from results.errors import Skip

RESULTS = Path(__file__).parents[2] / "results" / "reference"
SUITES = sorted(path.parent.name for path in RESULTS.glob("*/trials.csv"))
SHOWN = ("quick", "fashion", "klevel", "cifar")  # all figures and tables of these come with klevel
FIGURES = discover(figures, Entry)
TABLES = discover(tables, Entry)


@cache
def frame_of(suite):
    """The frame of a suite, which nothing changes."""
    return load(RESULTS / suite)


def made(entry, frame):
    """Each subject of an entry with what was made of it; what is skipped is left out."""
    with drawn():
        for subject in entry.subjects(frame):
            try:
                yield ".".join(part for part in (entry.name, subject.slug) if part), entry(subject)
            except Skip:
                continue


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("figure", FIGURES.values(), ids=lambda e: e.name)
def test_every_figure_can_be_read_and_lies_beside_the_rows(suite, figure):
    for stem, drawing in made(figure, frame_of(suite)):
        drawing.draw_without_rendering()  # once, as for the file: a second time would heal the layout
        box = drawing.bbox
        assert "seed" in drawing.get_label()
        for axes in drawing.axes:
            for label in (one for one in (axes.xaxis.label, axes.yaxis.label) if one.get_text()):
                extent = label.get_window_extent()
                assert box.x0 - 1 <= extent.x0 <= extent.x1 <= box.x1 + 1, f"{stem}: {label.get_text()}"
                assert box.y0 - 1 <= extent.y0 <= extent.y1 <= box.y1 + 1, f"{stem}: {label.get_text()}"
        if suite in SHOWN:
            assert all((RESULTS / suite / "figures" / f"{stem}.{suffix}").is_file() for suffix in ("png", "pdf", "txt"))


@pytest.mark.parametrize("suite", SHOWN)
@pytest.mark.parametrize("table", TABLES.values(), ids=lambda e: e.name)
def test_every_table_beside_the_rows_is_what_the_rows_say(suite, table):
    for stem, found in made(table, frame_of(suite)):
        assert isinstance(found, Table)
        assert "seed" in found.caption
        for suffix, text in (("md", found.markdown()), ("tex", found.latex(stem)), ("csv", found.csv())):
            path = RESULTS / suite / "tables" / f"{stem}.{suffix}"
            assert path.read_text(encoding="utf-8") == text, f"{path.name} is not of these rows: draw again"


@pytest.mark.parametrize("name", sorted(set(known()) - {"critical_difference"}))  # it takes 5 networks, which none has
def test_every_figure_and_table_comes_out_of_the_suites_that_are_shown(name):
    assert [path for suite in SHOWN for path in (RESULTS / suite).glob(f"*/{name}.*")]


@pytest.mark.parametrize("suite", SUITES)
def test_no_trial_failed_but_those_that_a_strength_kills(suite):
    trials = frame_of(suite).source.everything
    failed = trials[trials["status"] != "done"]
    assert failed["reason"].str.startswith("collapsed: ").all()
    assert set(failed["method"]) <= {"wgsef"}, "at a fixed strength, chosen by no validation"
