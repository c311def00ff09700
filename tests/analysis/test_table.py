"""A table and its forms: plain numbers in CSV, Markdown, LaTeX and HTML for people."""

import math

import pandas as pd
import pytest

from analysis.table import MULTIPLE, NOTHING, TIMES, WHOLE, Format, P, Table, escape

NAN = math.nan


@pytest.fixture
def table():
    x = {"x (%)": [1.5, 1.0, 20.0], "x (%), standard deviation": [0.25, NAN, 0.5]}
    data = pd.DataFrame({"keep": ["0.5", "0.5", "0.1"], "method": ["l1_filter", "a,b|<c>", "l1_filter"], **x})
    data = data.assign(y=[2.0, NAN, 3.0], p=[NAN, 0.0001, 0.5], told=["3/3", "", "0/3"])
    return Table(
        "50 % of a_b < c.", data, {"y": MULTIPLE, "p": P}, lines=("method",), blocks=("keep",),
        bold=frozenset({(0, "x (%)")}), bounds=frozenset({(2, "y")}), name=lambda code: code.replace("l1_filter", "L1"),
    )  # fmt: skip


def test_csv_has_plain_numbers_code_names_and_a_column_for_how_far_they_spread(table):
    assert table.csv().splitlines() == [
        'keep,method,x (%),"x (%), standard deviation",y,p,told',
        "0.5,l1_filter,1.5,0.25,2,,3/3",
        '0.5,"a,b|<c>",1,,,0.0001,',
        "0.1,l1_filter,20,0.5,3,0.5,0/3",
    ]


def test_markdown_has_names_signs_and_bold_and_says_a_block_once(table):
    caption, empty, head, rule, *rows = table.markdown().splitlines()
    cells = [[cell.strip() for cell in row.replace("\\|", "/").strip("|").split("|")] for row in rows]
    assert (caption, empty) == (table.caption, "")
    assert [one.strip() for one in head.strip("|").split("|")] == table.headings
    assert [one.endswith(":") for one in rule.strip("|").split("|")] == [False, False, True, True, True, False]
    assert cells == [
        ["0.5", "L1", "**1.50 ± 0.25**", f"2.00{TIMES}", NOTHING, "3/3"],
        ["", "a,b/<c>", "1.00", NOTHING, "<0.001", NOTHING],
        ["0.1", "L1", "20.00 ± 0.50", f"≥ 3.00{TIMES}", "0.500", "0/3"],
    ]
    assert len({len(row.replace("\\|", "|")) for row in (head, rule, rows[0], rows[2])}) == 1, "aligned"


def test_latex_is_escaped_bold_and_ruled(table):
    text = table.latex("results.a_b")
    assert "\\caption{50 \\% of a\\_b $<$ c.}" in text
    assert "\\label{tab:results.a-b}" in text
    assert "\\begin{tabular}{llrrrl}" in text
    lines = text.splitlines()
    start = lines.index("\\midrule")
    assert lines[start - 2] == "\\toprule"
    assert lines[start + 1].startswith("0.5 & L1 & \\textbf{1.50 $\\pm$ 0.25} & 2.00$\\times$ & -- & 3/3")
    assert lines[start + 2].startswith(" & a,b$|$$<$c$>$ & 1.00 & -- & $<$0.001")
    assert lines[start + 3] == "\\midrule", "a rule between blocks"
    assert "$\\ge$ 3.00" in lines[start + 4]
    assert lines[start + 5] == "\\bottomrule"
    assert escape("a\\b_{c}~^") == "a\\textbackslash{}b\\_\\{c\\}\\textasciitilde{}\\textasciicircum{}"


def test_html_is_escaped_and_has_the_number_behind_a_cell(table):
    text = table.html()
    assert "a,b|&lt;c&gt;" in text
    assert "<c>" not in text
    assert text.count("<strong>") == 1
    assert '<data value="1.5"><strong>1.50 ± 0.25</strong></data>' in text
    assert text.count('class="start"') == 1
    assert "L1" in text


def test_a_table_without_rows_or_blocks(table):
    empty = Table("c", table.data.iloc[:0], blocks=("keep",))
    assert empty.starts == []
    assert len(empty.markdown().splitlines()) == 4
    assert Table("c", table.data).starts == []


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        (Format(), (0.5, NAN), "0.50"),
        (Format(), (0.5, 0.123), "0.50 ± 0.12"),
        (Format(), (NAN, 1.0), NOTHING),
        (Format(1, sign=True), (0.04, NAN), "0.0"),
        (Format(1, sign=True), (-0.04, NAN), "0.0"),
        (Format(1, sign=True), (1, NAN), "+1.0"),
        (Format(1, sign=True), (-1, NAN), "-1.0"),
        (MULTIPLE, (2, 0.1), f"2.00 ± 0.10{TIMES}"),
        (WHOLE, (3, NAN), "3"),
        (P, (0.0011, NAN), "0.001"),
        (P, (0.0009, NAN), "<0.001"),
    ],
)
def test_numbers_in_words(form, value, text):
    assert form(*value) == text
