"""Numbers from the literature: which file, what it may hold, how they look, and where they are drawn."""

import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from analysis.figures.accuracy_vs_compression import accuracy_vs_compression
from analysis.figures.accuracy_vs_mac_speedup import accuracy_vs_mac_speedup
from analysis.load import load
from analysis.published import (
    CAUTION,
    COMES_WITH_KLEVEL,
    comparable,
    published,
    published_looks,
    source_notes,
    sources,
)
from analysis.style import KNOWN, PAPER, drawn
from results.columns import Published, names
from results.errors import InputError

HEADER = ",".join(["method", "architecture", "dataset", "dense_top1", "top1", "mac_speedup", "compression"])
HEADER += ",group_sparsity,source,selection,note"
ROWS = [
    "l1_filter (pruned-A),lenet5_caffe,digits,0.93,0.95,2.0,1.5,,Li 2017",
    "l1_filter (pruned-B),lenet5_caffe,digits,0.93,0.94,4.0,,,Li 2017",
    "fpgm,lenet5_caffe,digits,,0.92,3.0,,0.4,He 2019,best epoch on test,one run",
    "fpgm,vgg16,digits,,0.1,3.0,,,He 2019",
    "hrank,lenet5_caffe,digits,,0.91,,2.5,,",
    "silent,lenet5_caffe,digits,0.9,,2.0,,,Anon 2020",
]


@pytest.fixture
def setting(folder, make, tmp_path):
    """Return a setting beside whose folder lies a published.csv with these lines."""

    def of(lines=tuple(ROWS), header=HEADER, rows=None):
        whole = [line + "," * (header.count(",") - line.count(",")) for line in lines]
        (tmp_path / "published.csv").write_text("\n".join([header, *whole]) + "\n")
        rows = rows or [make.trial(mac_speedup=2.5, dense_macs=250, macs=100)]
        (found,) = load(folder(rows)).settings()
        return found

    return of


def drawn_figure(figure, setting):
    with drawn():
        return figure(setting)


def hollow(axes):
    """Return the position and the colour of each published mark: the lines without a line."""
    return {
        (round(float(x), 3), round(float(y), 3)): (line.get_color(), line.get_marker())
        for line in axes.lines
        if line.get_markerfacecolor() == "none" and line.get_linestyle() == "None"
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    }


def test_the_rows_are_those_of_the_setting(setting):
    rows = published(setting())
    assert list(rows.columns) == names(Published)
    assert list(rows["method"]) == ["l1_filter (pruned-A)", "l1_filter (pruned-B)", "fpgm", "hrank", "silent"]
    assert list(comparable(setting(), "mac_speedup")["top1"]) == [0.95, 0.94, 0.92]
    assert list(comparable(setting(), "compression")["method"]) == ["l1_filter (pruned-A)", "hrank"]
    assert comparable(setting(), "speedup_b64").empty


def test_the_given_file_goes_before_the_one_beside(setting, tmp_path):
    found = setting()
    found.results.published = tmp_path / "mine.csv"
    found.results.published.write_text(f"{HEADER}\nmine,lenet5_caffe,digits,,0.5,,,,,,\n")
    assert list(published(found)["method"]) == ["mine"]
    found.results.published = tmp_path / "absent.csv"
    with pytest.raises(InputError, match=r"absent\.csv cannot be opened"):
        published(found)


def test_without_a_file_beside_the_one_of_klevel_counts(folder, make):
    (found,) = load(folder([make.trial(architecture="resnet56", dataset="cifar10")])).settings()
    assert len(published(found)) == 14
    (found,) = load(folder([make.trial()])).settings()
    assert published(found).empty
    assert list(published(found).columns) == names(Published)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,lenet5_caffe,digits,,93.4,,,,", r"published.csv, row 1, top1: '93.4', expected a fraction in \[0, 1\]"),
        ("a,lenet5_caffe,digits,,0.9,fast,,,", "row 1, mac_speedup: 'fast', expected a number of at least 0"),
        (",lenet5_caffe,digits,,0.9,,,,", "row 1, method: empty, every row needs it"),
    ],
)
def test_a_bad_cell_is_one_clear_line(setting, line, message):
    with pytest.raises(InputError, match=message) as error:
        published(setting([line]))
    assert "\n" not in str(error.value)


def test_a_missing_column_is_named(setting):
    with pytest.raises(InputError, match="lacks the column top1"):
        published(setting(["a,b,c"], header="method,architecture,dataset"))


def test_each_source_has_one_number_and_stands_once(setting):
    rows = comparable(setting(), "mac_speedup")
    assert sources(rows) == ["Li 2017", "He 2019"]
    assert source_notes(rows) == [
        "Published: [1] Li 2017; [2] He 2019.",
        "Selected: best epoch on test (fpgm).",
        "Notes: fpgm (92.00 %): one run.",
    ]
    assert source_notes(comparable(setting(), "compression").iloc[1:]) == []


def test_looks_are_of_the_house_or_grey_and_all_differ(setting):
    found = published(setting())
    looks = published_looks(found, {})
    assert looks["l1_filter (pruned-A) [1]"] == KNOWN["l1_filter"]
    assert looks["l1_filter (pruned-B) [1]"].colour == KNOWN["l1_filter"].colour
    assert len(set(looks.values())) == len(looks)
    assert len({looks[name].colour for name in ("fpgm [2]", "hrank")}) == 1


def test_marks_lie_where_their_numbers_say(setting):
    figure = drawn_figure(accuracy_vs_mac_speedup, setting())
    marks = hollow(figure.axes[0])
    assert set(marks) == {(2.0, 95.0), (4.0, 94.0), (3.0, 92.0)}
    assert to_rgba(marks[2.0, 95.0][0]) == to_rgba(KNOWN["l1_filter"].colour)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["wgsef", "l1_filter (pruned-A) [1]", "l1_filter (pruned-B) [1]", "fpgm [2]"]
    assert CAUTION in figure.get_suptitle().replace("\n", " ")
    assert [text.get_text() for text in figure.texts if text.get_text().startswith("Published")] == [
        "\n".join(source_notes(comparable(setting(), "mac_speedup")))
    ]


def test_the_small_print_covers_nothing(setting):
    figure = drawn_figure(accuracy_vs_compression, setting())
    (note,) = (text for text in figure.texts if text.get_text().startswith("Published"))
    below, legend = note.get_window_extent(), figure.legends[0].get_window_extent()
    panel = figure.axes[0].get_tightbbox()
    assert 0 <= below.y0 < below.y1 <= legend.y0 < legend.y1 <= panel.y0


def test_many_on_little_height_are_drawn_again_enlarged(setting, make):
    lines = [f"m{i},lenet5_caffe,digits,,{0.93 + i / 500},{1 + i},,,S" for i in range(5)]
    rows = [make.trial(test_top1=0.5, mac_speedup=2.0), make.trial("dense", test_top1=0.9)]
    figure = drawn_figure(accuracy_vs_mac_speedup, setting(lines, rows=rows))
    whole, part = figure.axes
    assert figure.get_figwidth() == PAPER.page
    assert set(hollow(whole)) == set(hollow(part)) == {(1.0 + i, 93 + i / 5) for i in range(5)}
    low, high = part.get_ylim()
    assert 92.8 < low < 93 < 93.8 < high < 94
    (box,) = (patch for patch in whole.patches if not patch.get_fill())
    assert box.get_y() == pytest.approx(low)
    assert box.get_y() + box.get_height() == pytest.approx(high)
    assert box.get_x() == pytest.approx(part.get_xlim()[0])
    few = drawn_figure(accuracy_vs_mac_speedup, setting(lines[:4], rows=rows))
    assert len(few.axes) == 1


def test_the_corrected_rows_come_with_klevel():
    rows = pd.read_csv(COMES_WITH_KLEVEL)
    of = rows[rows["architecture"] == "resnet56"].set_index("method")
    assert of.loc["hrank", ["top1", "mac_speedup", "compression"]].tolist() == [0.9317, 2.0, 1.74]
    assert of.loc[["fpgm (mix 40 %)", "fpgm (only 40 %)"], "top1"].tolist() == [0.9326, 0.9349]
    assert "fpgm" not in of.index
    torch_pruning = rows["source"].str.contains("Torch-Pruning|DepGraph, repository table")
    assert (rows.loc[torch_pruning, "selection"] == "best epoch on test").all()
    assert rows.loc[~torch_pruning, "selection"].isna().all()
    foreign = (rows["architecture"] == "vgg16_plain") | (rows["dataset"].isin(["imagenet", "mnist"]))
    assert rows.loc[foreign, "note"].notna().all()
    assert "93.89" in of.loc["depgraph", "note"].iloc[0]
