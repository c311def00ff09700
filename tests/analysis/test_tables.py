import pytest

from analysis.klevel import k_level
from analysis.load import load
from analysis.statistics import Estimate
from analysis.table import (
    NOTHING,
    TIMES,
    Cell,
    Table,
    comma_separated,
    deviation_cell,
    escape,
    interval_cell,
    latex,
    markdown,
    number_cell,
    times_cell,
)
from analysis.tables.accuracy import accuracy
from analysis.tables.k_level import k_level as k_level_table
from analysis.tables.results import results
from results.errors import Skip
from results.reading import REQUIRED


@pytest.fixture
def table(folder):
    def of(entry, rows):
        (setting,) = load(folder(rows)).settings()
        return entry(setting)

    return of


def texts(table):
    return [[cell.text for cell in row] for row in table.rows]


def three(make, **cells):
    """Three seeds with top-1 90, 92, 94 % (deviation 2, half-width 4.97) and speedup 2.0, 2.1, 2.2 (0.1, 0.25)."""
    return [make.trial(seed=i, test_top1=0.90 + 0.02 * i, speedup_b64=2 + 0.1 * i, **cells) for i in range(3)]


def test_results_by_hand(table, make):
    rows = three(make) + [make.trial("dense", seed=i, test_top1=0.98, speedup_b64="") for i in range(3)]
    found = table(results, rows)
    assert found.headings == ["keep", "method", "n", "top-1 (%)", "speedup", "compression", "k-level"]
    assert texts(found) == [
        ["1", "dense", "3", "98.00 ± 0.00", NOTHING, "1.00" + TIMES, NOTHING],
        ["0.5", "wgsef", "3", "92.00 ± 2.00", "2.10 ± 0.10", "2.00" + TIMES, "0/3"],
    ]
    assert found.rows[1][3].numbers == pytest.approx((92, 2))
    assert "over n seeds (3 seeds; one has none)" in found.caption


def test_accuracy_by_hand(table, make):
    rows = [*three(make), make.trial(keep=0.1, test_top1=0.5), make.trial("random", keep=0.1, test_top1=0.25)]
    found = table(accuracy, [*rows, make.trial("dense")])
    assert found.headings == ["method", "keep 0.5", "keep 0.1"]
    assert texts(found) == [["wgsef", "92.00 ± 2.00", "50.00"], ["random", NOTHING, "25.00"]]
    assert "dense: 98.00." in found.caption
    assert "(1 to 3 seeds; one has none)" in found.caption


def test_the_best_is_bold_only_where_it_is_significantly_better(table, make):
    near = [
        make.trial("random", seed=i, test_top1=0.91 + 0.01 * (i - 1)) for i in range(3)
    ]  # 1, 1 and 1 point: p unknown
    far = [make.trial("random", seed=i, test_top1=0.80 + 0.021 * i) for i in range(3)]
    free = [make.trial("magnitude", seed=i, test_top1=0.99, grouping="element") for i in range(3)]
    for others, bold in ((near, False), (far, True), ([*far, *free], True), (far[:1], False)):
        rows = table(results, three(make) + others).rows
        assert {row[1].text for row in rows if row[3].bold} == ({"wgsef"} if bold else set())
    assert "**92.00 ± 2.00**" in markdown(table(accuracy, three(make) + far))
    assert r"\textbf{\boldmath 92.00 $\pm$ 2.00}" in latex(table(accuracy, three(make) + far), "x")


def test_every_keep_is_a_block_in_which_it_is_said_once(table, make):
    found = table(results, make.suite())
    assert [row[0].text for row in found.rows] == ["1", *["0.5"] * 5, *["0.25"] * 5, *["0.1"] * 5]
    first = [line.split("|")[1].strip() for line in markdown(found).splitlines()[4:]]
    assert first == ["1", *(["0.5"] + [""] * 4), *(["0.25"] + [""] * 4), *(["0.1"] + [""] * 4)]
    assert [line.split("&")[0].strip() for line in latex(found, "x").splitlines() if "&" in line][1:] == first


def test_failed_trials_are_left_out_and_counted(table, make):
    rows = [*three(make), make.trial(seed=3, status="failed", reason="loss is NaN", test_top1="")]
    found = table(results, rows)
    assert found.rows[0][2].text == "3"
    assert "1 of 4 trials failed and is left out." in found.caption


@pytest.mark.parametrize(
    ("left", "target", "share"),
    [
        ("[10, 25]", "[10, 25]", "1/1"),
        ("[10, 24]", "[10, 25]", "0/1"),
        ("[12, 23]", "[10, 25]", "0/1"),
        ("[12, 23]", "[35]", "1/1"),
        ("[12, 24]", "[35]", "0/1"),
        ("[0, 35]", "[35]", "0/1"),  # the projection would bring a group of the empty family back
        ("[35]", "[35]", "1/1"),
        ("[]", "[]", "0/1"),
        ("", "[35]", NOTHING),
    ],
)
def test_the_k_level_by_layer_and_by_network(folder, make, left, target, share):
    trials = load(folder([make.trial(groups_at_convergence=left, groups_target=target)])).trials
    assert k_level(trials) == share


def test_columns_that_are_absent_become_dashes(folder, make):
    (setting,) = load(folder(make.suite(), columns=REQUIRED["trials"])).settings()
    assert texts(results(setting))[1][4:] == [NOTHING] * 3


def test_numbers_in_words():
    assert interval_cell(Estimate(0.5, float("nan"), 1), 100).text == "50.00"
    assert interval_cell(Estimate(0.5, 0.0123, 3), 100).text == "50.00 ± 1.23"
    nothing = Estimate(float("nan"), float("nan"), 0)
    assert interval_cell(nothing).text == times_cell(nothing).text == deviation_cell(nothing).text == NOTHING
    assert number_cell(float("nan")) == Cell(NOTHING)
    assert [number_cell(n, 1, sign=True).text for n in (0.04, -0.04, 1, -1)] == ["0.0", "0.0", "+1.0", "-1.0"]


def test_csv_has_plain_numbers_and_a_column_for_how_far_they_spread():
    rows = [
        ["a,b", Cell("1.50 ± 0.25", (1.5, 0.25), bold=True), Cell("2.00" + TIMES, (2.0,)), NOTHING],
        ["c", Cell("1.00", (1.0,)), Cell(NOTHING), "3/3"],
    ]
    text = comma_separated(Table("A caption.", ["name", "x (%)", "y", "z"], [rows], spread="standard deviation"))
    assert text == 'name,x (%),"x (%), standard deviation",y,z\n"a,b",1.5,0.25,2,\nc,1,,,3/3\n'


def test_markdown_is_aligned():
    text = markdown(Table("A caption.", ["name", "x"], [[["a|b", "1.0"]], [["c", "10.0"]]]))
    assert text == "A caption.\n\n| name |    x |\n| ---- | ---: |\n| a\\|b |  1.0 |\n| c    | 10.0 |\n"


def test_latex_is_escaped_and_ruled():
    text = latex(Table("50 % of a_b.", ["m_1", "x"], [[["l1_filter", "1 ± 2"]], [["c", "3"]]]), "results.a_b")
    assert "\\caption{50 \\% of a\\_b.}\n\\label{tab:results.a-b}\n\\begin{tabular}{lr}" in text
    assert "l1\\_filter & 1 $\\pm$ 2 \\\\\n\\midrule\nc & 3 \\\\\n\\bottomrule" in text
    assert escape("a\\b_{c}") == "a\\textbackslash{}b\\_\\{c\\}"


def test_the_k_level_table_by_hand(table, make):
    left = ("[10, 25]", "[10, 25]", "[11, 25]")
    drops = (0.0, -0.004, 0.125)
    rows = [
        row | {"groups_at_convergence": counts, "projection_drop": drop, "start": "scratch"}
        for row, counts, drop in zip(three(make), left, drops, strict=True)
    ]
    rows += [make.trial("random", sparsify_epochs=0, test_top1=0.5, projection_drop=-0.00001), make.trial("dense")]
    found = table(k_level_table, rows)
    assert found.headings[:4] == ["keep", "method", "epochs", "start"]
    assert found.headings[4:] == ["trials", "k-level", "groups above", "largest drop", "median top-1", "mean top-1"]
    assert texts(found) == [
        ["0.5", "wgsef", "8", "scratch", "3", "2/3", "0.3", "12.50", "92.00", "92.00 ± 4.97"],
        ["0.5", "random", "0", "dense", "1", "0/1", "35.0", "0.00", "50.00", "50.00"],
    ]
    assert found.caption.startswith("lenet5_caffe on digits, filter groups, layer scope. k-level:")


def test_the_k_level_table_sets_experiments_apart(table, make):
    rows = [make.trial(scope=scope, keep=keep) for scope in ("layer", "network") for keep in (0.1, 0.5)]
    rows += [make.trial(keep=0.5, scope="layer", hyperparameters='{"lam": 1}', trial="x", groups_at_convergence="")]
    found = table(k_level_table, rows)
    words = [row[:3] for row in texts(found)]
    assert words == [
        ["0.5", "wgsef", "layer"],
        ["0.5", "wgsef", "network"],
        ["0.5", "wgsef (lam=1)", "layer"],
        ["0.1", "wgsef", "layer"],
        ["0.1", "wgsef", "network"],
    ]
    assert texts(found)[2][3:6] == ["1", NOTHING, NOTHING]
    with pytest.raises(Skip, match="has no pruned trial"):
        table(k_level_table, [make.trial("dense")])
