"""The table of ranks, by hand."""

import pandas as pd
import pytest

from analysis.identity import OLD_RULES
from analysis.load import load
from analysis.significance import holm, paired
from analysis.table import NOTHING, comma_separated, latex, markdown
from analysis.tables.ranks import MOST, p_cell, ranks
from results.errors import Skip

HYPER = ("{}", '{"lam": 1}')


@pytest.fixture
def table(folder):
    def of(rows, **options):
        results = load(folder(rows, **options))
        assert ranks.subjects(results) == [results]
        return ranks(results)

    return of


def words(rows):
    return [[cell if isinstance(cell, str) else cell.text for cell in row] for row in rows]


def test_a_block_by_hand(table, make):
    wgsef, random, l1_filter = [0.9, 0.8, 0.7, 0.62], [0.5, 0.8, 0.6, 0.5], [0.88, 0.7, 0.69, 0.6]
    found = table(make.grid(seeds=3, wgsef=wgsef, random=random, l1_filter=l1_filter))
    assert found.headings == ["problems", "method", "mean rank", "wins", "top-1 (%)", "loss", "from", "to", "Holm p"]
    tests = [paired(pd.Series(wgsef), pd.Series(other)).p for other in (l1_filter, random)]
    p = [f"{value:.3f}" for value in holm(tests)]
    assert words(found.rows) == [
        # ranks 1, 1.5, 1, 1; 2, 3, 2, 2; 3, 1.5, 3, 3. losses 2, 10, 1, 2 and 40, 0, 10, 12 points
        ["4", "wgsef", "1.12", "4", "75.50", "0.00", NOTHING, NOTHING, NOTHING],
        ["4", "l1_filter", "2.25", "0", "71.75", "3.75", NOTHING, NOTHING, p[0]],
        ["4", "random", "2.62", "1", "60.00", "15.50", NOTHING, NOTHING, p[1]],
    ]
    caption = found.caption
    assert "3 methods on 4 problems of 1 setting, mean of 3 seeds (Friedman p = 0.0" in caption
    assert "Problems of one setting are related" in caption
    assert "failed" not in caption


def test_six_problems_have_an_interval_and_a_test_by_ranks(table, make):
    wgsef = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    found = table(make.grid(wgsef=wgsef, random=[v - 0.01 - i / 100 for i, v in enumerate(wgsef)]))
    first, second = found.rows
    assert [cell.text for cell in first[5:]] == ["0.00", "0.00", "0.00", NOTHING]
    assert second[5].text == "3.50"
    low, high = (cell.numbers[0] for cell in second[6:8])
    assert 1 < low < 3.5 < high < 6
    assert second[8].numbers == (2 / 2**6,)
    assert "(Friedman" not in found.caption


def test_a_failure_is_last_wins_nothing_and_is_said(table, make):
    rows = make.grid(wgsef=[0.9, 0.8], random=[0.0, 0.2])
    rows += [make.trial("l1_filter", keep, status="failed", test_top1="") for keep in make.KEEPS[:2]]
    found = table(rows)
    assert words(found.rows)[2][1:6] == ["l1_filter", "2.75", "0", "0.00", "85.00"]
    assert "2 scores of 0: every seed failed" in found.caption
    assert "A seed that failed is left out" in found.caption


def test_contests_are_blocks_the_most_contenders_first(table, make):
    found = table(make.grid(wgsef=[0.5] * 4, random=[0.4] * 4, l1_filter=[0.3] * 2))
    assert [(len(block), block[0][0]) for block in found.blocks] == [(3, "2"), (2, "4")]
    assert "3 methods on 2 problems of 1 setting, mean of 1 seed" in found.caption
    assert "; 2 methods on 4 problems of 1 setting, mean of 1 seed." in found.caption


def test_very_many_contests_are_cut_and_counted(table, make):
    rows = []
    for i in range(9):
        for network in ("a", "b"):
            rows += [
                make.trial(f"m{i}", 0.5, architecture=f"{i}{network}"),
                make.trial("wgsef", 0.5, architecture=f"{i}{network}"),
            ]
    found = table(rows)
    assert len(found.blocks) == MOST
    assert "3 more sets of methods met and are not shown." in found.caption


def test_the_choice_of_hyperparameters_is_said(table, make):
    rows = make.grid(random=[0.5, 0.7])
    rows += [
        make.trial("wgsef", k, hyperparameters=h, val_top1=0.5) for k in make.KEEPS[:2] for h in ("{}", '{"lam": 1}')
    ]
    assert table(rows).caption.endswith(
        f"Configurations tried, best on validation per problem (of equals the milder): random 1, wgsef 2. {OLD_RULES}."
    )


def test_it_can_be_written_in_every_form(table, make):
    found = table(make.grid(wgsef=[0.5] * 7, random=[0.4 - i / 50 for i in range(7)]))
    for text in (markdown(found), latex(found, "ranks"), comma_separated(found)):
        assert "wgsef" in text
    assert comma_separated(found).splitlines()[1].startswith("7,wgsef,1,7,50,0,0,0,")


def test_p_values_as_cells():
    assert [p_cell(p).text for p in (0.5, 0.0011, 0.0001, float("nan"))] == ["0.500", "0.001", "<0.001", NOTHING]
    assert p_cell(0.0001).numbers == (0.0001,)


def test_dense_alone_and_missing_columns(table, make):
    with pytest.raises(Skip, match="no two methods met"):
        table([make.trial("dense")])
    columns = [column for column in make.COLUMNS if column not in ("hyperparameters", "start", "scope", "suite")]
    assert len(table(make.grid(wgsef=[0.5, 0.6], random=[0.4, 0.3]), columns=columns).rows) == 2
