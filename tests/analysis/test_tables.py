import pytest

from analysis.klevel import k_level
from analysis.load import REQUIRED, load
from analysis.registry import Skip
from analysis.statistics import Estimate
from analysis.table import NOTHING, TIMES, Table, escape, latex, markdown, plus_minus, times
from analysis.tables.accuracy import accuracy
from analysis.tables.k_level import k_level as k_level_table
from analysis.tables.results import results


@pytest.fixture
def table(folder):
    def of(entry, rows):
        (setting,) = load(folder(rows)).settings()
        return entry(setting)

    return of


def three(make, **cells):
    """Three seeds with accuracies 90, 92, 94 % and speedups 2.0, 2.1, 2.2: half-widths 4.97 and 0.25."""
    return [make.trial(seed=i, test_top1=0.90 + 0.02 * i, speedup_b64=2 + 0.1 * i, **cells) for i in range(3)]


def test_results_by_hand(table, make):
    rows = three(make) + [make.trial("dense", seed=i, test_top1=0.98, speedup_b64="") for i in range(3)]
    found = table(results, rows)
    assert found.headings == ["keep", "method", "n", "top-1 (%)", "speedup", "compression", "k-level"]
    assert found.rows == [
        ["1", "dense", "3", "98.00 ± 0.00", NOTHING, "1.00" + TIMES, NOTHING],
        ["0.5", "wgsef", "3", "92.00 ± 4.97", "2.10 ± 0.25", "2.00" + TIMES, "0/3"],
    ]


def test_accuracy_by_hand(table, make):
    rows = [*three(make), make.trial(keep=0.1, test_top1=0.5), make.trial("random", keep=0.1, test_top1=0.25)]
    found = table(accuracy, [*rows, make.trial("dense")])
    assert found.headings == ["method", "keep 0.5", "keep 0.1"]
    assert found.rows[0] == ["wgsef", "92.00 ± 4.97 (3)", "50.00 (1)"]
    assert found.rows[1][1:] == [NOTHING, "25.00 (1)"]
    assert "dense: 98.00 (1)." in found.caption


def test_every_keep_is_a_block_in_which_it_is_said_once(table, make):
    found = table(results, make.suite())
    assert [block[0][0] for block in found.blocks] == ["1", "0.5", "0.25", "0.1"]
    assert all(row[0] == "" for block in found.blocks for row in block[1:])
    assert len(found.rows) == 1 + 3 * 5


def test_failed_trials_are_left_out_and_counted(table, make):
    rows = [*three(make), make.trial(seed=3, status="failed", reason="loss is NaN", test_top1="")]
    found = table(results, rows)
    assert found.rows[0][2] == "3"
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
    (setting,) = load(folder(make.suite(), columns=REQUIRED)).settings()
    assert results(setting).rows[1][4:] == [NOTHING] * 3


def test_numbers_in_words():
    assert plus_minus(Estimate(0.5, float("nan"), 1), 100) == "50.00"
    assert plus_minus(Estimate(0.5, 0.0123, 3), 100) == "50.00 ± 1.23"
    assert plus_minus(Estimate(float("nan"), float("nan"), 0)) == times(Estimate(float("nan"), 0, 0)) == NOTHING


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
    assert found.headings[4:] == ["trials", "k-level", "largest drop", "median top-1", "mean top-1"]
    assert found.rows == [
        ["0.5", "wgsef", "8", "scratch", "3", "2/3", "12.50", "92.00", "92.00 ± 4.97"],
        ["", "random", "0", "dense", "1", "0/1", "0.00", "50.00", "50.00"],
    ]
    assert found.caption.startswith("lenet5_caffe on digits, filter groups, layer scope. k-level:")


def test_the_k_level_table_sets_experiments_apart(table, make):
    rows = [make.trial(scope=scope, keep=keep) for scope in ("layer", "network") for keep in (0.1, 0.5)]
    rows += [make.trial(keep=0.5, scope="layer", hyperparameters='{"lam": 1}', trial="x", groups_at_convergence="")]
    found = table(k_level_table, rows)
    words = [row[:3] for row in found.rows]
    assert words == [
        ["0.5", "wgsef", "layer"],
        ["", "wgsef", "network"],
        ["", "wgsef (lam=1)", "layer"],
        ["0.1", "wgsef", "layer"],
        ["", "wgsef", "network"],
    ]
    assert found.rows[2][3:6] == ["1", NOTHING, NOTHING]
    with pytest.raises(Skip, match="has no pruned trial"):
        table(k_level_table, [make.trial("dense")])
