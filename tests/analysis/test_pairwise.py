"""The table of pairs, by hand."""

import pandas as pd
import pytest

from analysis.load import load
from analysis.significance import holm, paired
from analysis.table import NOTHING, comma_separated, latex, markdown
from analysis.tables.pairwise import pairwise
from results.errors import Skip


@pytest.fixture
def table(folder):
    def of(rows, **options):
        results = load(folder(rows, **options))
        assert pairwise.subjects(results) == [results]
        return pairwise(results)

    return of


def words(row):
    return [cell.text for cell in row]


def test_three_pairs_by_hand(table, make):
    wgsef, l1_filter, random = [0.91, 0.82, 0.76], [0.90, 0.80, 0.70], [0.90, 0.81, 0.60]
    found = table(make.grid(seeds=4, wgsef=wgsef, l1_filter=l1_filter, random=random))
    assert found.headings == ["A", "B", "A - B", "from", "to", "wins/ties/losses", "test", "p", "Holm p"]
    pairs = [["wgsef", "l1_filter"], ["wgsef", "random"], ["l1_filter", "random"]]
    assert [words(row)[:2] for row in found.rows] == pairs
    row = found.rows[0]
    # differences 1, 2 and 6 points, whatever the number of seeds: mean 3, half-width 4.302653 * sqrt(7 / 3) = 6.57
    assert words(row)[2:8] == ["+3.00", "-3.57", "+9.57", "3/0/0", "t-test", "0.188"]
    both = [(wgsef, l1_filter), (wgsef, random), (l1_filter, random)]
    corrected = holm([paired(pd.Series(a), pd.Series(b)).p for a, b in both])
    assert row[8].numbers == pytest.approx((corrected[0],))
    assert "The unit is the problem" in found.caption
    assert "3 methods on 3 problems of 1 setting, mean of 4 seeds." in found.caption


def test_what_is_significant_is_bold_with_the_better_one_first(table, make):
    better = [0.9 - i / 20 for i in range(8)]
    found = table(make.grid(random=[v - 0.01 - i / 500 for i, v in enumerate(better)], wgsef=better))
    (row,) = found.rows
    assert words(row)[:2] == ["wgsef", "random"]
    assert words(row)[5:] == ["8/0/0", "Wilcoxon", "0.008", "0.008"]
    assert row[2].bold
    assert sum(cell.bold for cell in row) == 1
    assert row[2].text == "+1.70"
    assert row[3].numbers[0] < row[2].numbers[0] < row[4].numbers[0]


def test_the_one_with_the_higher_mean_is_first_though_its_rank_is_not(table, make):
    # random is better twice by little, wgsef once by much
    found = table(make.grid(random=[0.51, 0.61, 0.10], wgsef=[0.50, 0.60, 0.90]))
    (row,) = found.rows
    assert words(row)[:3] == ["wgsef", "random", "+26.00"]
    assert words(row)[5] == "1/0/2"
    assert row[3].numbers[0] < 0 < row[4].numbers[0]
    assert not row[2].bold


def test_ties_are_counted_and_equal_scores_are_no_difference(table, make):
    found = table(make.grid(wgsef=[0.5, 0.6, 0.7], random=[0.5, 0.6, 0.7]))
    assert words(found.rows[0])[2:] == ["0.00", "0.00", "0.00", "0/3/0", NOTHING, "1.000", "1.000"]
    found = table(make.grid(wgsef=[0.5, 0.6, 0.7], random=[0.4, 0.5, 0.6]))
    assert words(found.rows[0])[2:] == ["+10.00", "+10.00", "+10.00", "3/0/0", NOTHING, NOTHING, NOTHING]


def test_only_the_first_contest_is_shown_and_its_pairs_are_in_order(table, make):
    rows = make.grid(wgsef=[0.9] * 8, random=[0.4] * 8, l1_filter=[0.7, 0.6], magnitude=[0.6, 0.5])
    found = table(rows)
    firsts = [words(row)[0] for row in found.rows]
    assert len(firsts) == 6
    assert firsts == ["wgsef"] * 3 + ["l1_filter"] * 2 + ["magnitude"]
    assert "4 methods on 2 problems" in found.caption


def test_it_can_be_written_in_every_form(table, make):
    found = table(make.grid(wgsef=[0.5] * 7, random=[0.4 - i / 50 for i in range(7)]))
    assert "**+16.00**" in markdown(found)
    assert "textbf" in latex(found, "pairwise")
    assert comma_separated(found).splitlines()[1].startswith("wgsef,random,16,")


def test_dense_alone_and_missing_columns(table, make):
    with pytest.raises(Skip, match="no two methods met"):
        table([make.trial("dense")])
    columns = [column for column in make.COLUMNS if column not in ("hyperparameters", "start", "scope", "suite")]
    assert len(table(make.grid(wgsef=[0.5, 0.6], random=[0.4, 0.3]), columns=columns).rows) == 1
