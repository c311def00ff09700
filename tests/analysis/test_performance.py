"""The numbers of the documents are those of the CSVs."""

from pathlib import Path

import pandas as pd
import pytest

from analysis.performance import BLOCK, DOCUMENTS, MAIN, document, figure, filled, growth, slopes, table
from analysis.plot.style import drawn
from results.errors import InputError
from results.performance import BENCH, SCALING, Cost, Row, read, write
from results.performance import table as as_table

ROOT = Path(__file__).parents[2]
EVIDENCE = ROOT / "results" / "reference"
MACHINE = {"threads": 1, "commit": "abc", "processor": "P", "cores": 2, "python": "3.11.1", "torch": "2.6"}
ROWS = [Row(group, name, "a / b", value=0.5, low=0.4, high=0.6, repeats=5, target=0.45) for group, name in MAIN]
ROWS += [Row("start", "second run", "seconds", "s", 2.5, 2.0, 3.0, 5), Row("peers", "other", "x", reason="needs y")]
COSTS = [Cost("suite", "plan", "trials", n, 1e-3 * n**1.5, 0.9e-3 * n**1.5, 1.1e-3 * n**1.5, 5) for n in (10, 100)]
COSTS += [Cost("prox", "wgsef", "groups", 10**i, 10.0 ** (i - 6), 10.0 ** (i - 6), 10.0 ** (i - 6), 5)
          for i in range(3, 8)]  # fmt: skip


@pytest.fixture
def checkout(tmp_path):
    """A folder with the CSVs, and the documents."""
    write(tmp_path / BENCH, as_table(ROWS, MACHINE))
    write(tmp_path / SCALING, as_table(COSTS, MACHINE))
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("# A\n\n<!-- bench: main -->\nold\n<!-- end -->\nafter\n")
    blocks = ("machine", "table start", "table peers", "growth")
    text = "".join(f"<!-- bench: {what} -->\n<!-- end -->\n" for what in blocks)
    (tmp_path / "docs" / "performance.md").write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_documents_say_what_was_measured(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert BLOCK.search(text)
    assert filled(text, read(EVIDENCE / BENCH), read(EVIDENCE / SCALING)) == text, "klevel bench --docs"


def test_every_group_of_rows_has_its_table_in_the_document():
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    groups = {what.removeprefix("table ") for _, what, _ in BLOCK.findall(text) if what.startswith("table ")}
    assert groups == set(read(EVIDENCE / BENCH)["group"])


def test_documents_are_brought_up_to_the_csvs(checkout):
    written = document(checkout, checkout)
    assert {path.name for path in written} == {
        *("README.md", "performance.md", "performance.png", "performance.svg", "performance.txt")
    }
    readme, docs = (path.read_text() for path in written[:2])
    assert readme.startswith("# A\n\n<!-- bench: main -->\n| time |")
    assert readme.endswith("<!-- end -->\nafter\n")
    assert readme.count("| 0.5 | 0.45 |") == len(MAIN)
    assert "- P, 2 cores, 1 thread, Python 3.11.1, torch 2.6; klevel abc" in docs
    assert "| second run | seconds | 2.5 s | 2 to 3 |  |" in docs
    assert "| other | x |  | needs y |  |" in docs
    before = [path.read_bytes() for path in written]
    assert [path.read_bytes() for path in document(checkout, checkout)] == before, "the same each time"


def test_a_missed_target_is_marked():
    rows = as_table([ROWS[0]], MACHINE)
    for column in ("value", "low", "high", "target"):
        rows[column] = rows[column].astype(float)
    assert table(rows).splitlines()[-1].endswith("| 0.5 | 0.4 to 0.6 | 0.45 (missed) |")


def test_slopes_are_those_of_the_upper_end(checkout):
    found = slopes(read(checkout / SCALING)).set_index("what")
    assert found.loc["plan", "slope"] == pytest.approx(1.5, abs=1e-3)
    assert found.loc["wgsef", "slope"] == pytest.approx(1.0, abs=1e-3)
    assert (found.loc["wgsef", "low"], found.loc["wgsef", "high"]) == (1e5, 1e7)
    assert "- Suite, plan: time goes as (trials)^1.50 from 10 to 100 trials, where it is 1 s" in growth(
        read(checkout / SCALING)
    )


def test_the_figure_has_a_panel_for_each_group_and_logarithmic_axes(checkout):
    with drawn():
        panels = figure(read(checkout / SCALING)).axes
    assert [axes.get_xlabel() for axes in panels] == ["Trials", "Groups"]
    assert {axes.get_xscale() for axes in panels} == {axes.get_yscale() for axes in panels} == {"log"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<!-- bench: table nothing -->\n<!-- end -->\n", "nothing of that name"),
        ("<!-- bench: chart -->\n<!-- end -->\n", "nothing of that name"),
    ],
)
def test_an_unknown_block_is_refused(text, said, checkout):
    (checkout / "README.md").write_text(text)
    with pytest.raises(InputError, match=said):
        document(checkout, checkout)


def test_a_main_row_that_is_not_there_is_named(checkout):
    write(checkout / BENCH, as_table(ROWS[1:], MACHINE))
    with pytest.raises(InputError, match=r"prox, wgsef_dc, resnet20 is not there"):
        document(checkout, checkout)


@pytest.mark.parametrize("cells", ["", "x,y\n1,2\n", "group,name\n"])
def test_a_csv_of_something_else_is_refused(cells, tmp_path):
    (tmp_path / BENCH).write_text(cells)
    with pytest.raises(InputError):
        read(tmp_path / BENCH)


def test_a_number_that_is_none_is_refused(checkout):
    rows = pd.read_csv(checkout / BENCH, dtype=str, keep_default_na=False)
    rows.loc[0, "value"] = "fast"
    write(checkout / BENCH, rows)
    with pytest.raises(InputError, match="numbers are needed"):
        read(checkout / BENCH)
