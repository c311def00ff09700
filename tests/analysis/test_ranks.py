"""The table of ranks, by hand."""

import pandas as pd
import pytest

from analysis.frame import load
from analysis.statistics import may_be_best
from analysis.table import NOTHING
from analysis.tables.ranks import MOST, RANKS
from results.errors import Skip


@pytest.fixture
def table(folder):
    def of(rows, **options):
        frame = load(folder(rows, **options))
        assert RANKS.subjects(frame) == [frame]
        return RANKS(frame)

    return of


def test_a_block_of_one_network_by_hand(table, make):
    wgsef, random, l1_filter = [0.9, 0.8, 0.7, 0.62], [0.5, 0.8, 0.6, 0.5], [0.88, 0.7, 0.69, 0.6]
    found = table(make.grid(seeds=3, wgsef=wgsef, random=random, l1_filter=l1_filter))
    assert found.headings[:7] == ["problems", "networks", "method", "mean rank", "wins", "top-1 (%)", "loss"]
    assert found.headings[7:] == ["gap", "from", "to", "may be best"]
    none = [NOTHING, NOTHING, "yes"]
    assert found.shown.to_numpy().tolist() == [
        # ranks 1, 1.5, 1, 1; 2, 3, 2, 2; 3, 1.5, 3, 3. losses 2, 10, 1, 2 and 40, 0, 10, 12 points
        ["4", "1", "WGSEF", "1.12", "4", "75.50", "0.00", "+3.75", *none],
        ["4", "1", "L1 filters", "2.25", "0", "71.75", "3.75", "-3.75", *none],
        ["4", "1", "Random", "2.62", "1", "60.00", "15.50", "-15.50", *none],
    ]
    assert found.caption.startswith("3 methods on 4 problems of 1 network, mean of 3 seeds. Wins:")
    assert "From one network there is no interval, and any may be the best." in found.caption
    assert "failed" not in found.caption


def test_several_networks_have_intervals_and_a_worst_that_is_not_the_best(table, make):
    scores = {"wgsef": [0.9, 0.8, 0.7], "l1_filter": [0.89, 0.8, 0.705], "random": [0.5, 0.45, 0.35]}
    rows = [
        make.trial(method, keep, architecture=f"net{i}", test_top1=values[i])
        for method, values in scores.items()
        for i in range(3)
        for keep in (0.5, 0.1)
    ]
    found = table(rows)
    expected = may_be_best(100 * pd.DataFrame(scores)).loc[found.data["method"].tolist()]
    for heading, column in (("gap", "difference"), ("from", "low"), ("to", "high")):
        assert found.data[heading].tolist() == pytest.approx(expected[column].tolist())
    assert dict(zip(found.data["method"], found.data["may be best"], strict=True)) == {
        "wgsef": "yes", "l1_filter": "yes", "random": "no",
    }  # fmt: skip
    assert "Hsu's multiple comparisons with the best (1984)" in found.caption
    assert "From one network" not in found.caption


def test_a_failure_is_last_wins_nothing_and_is_said(table, make):
    rows = make.grid(wgsef=[0.9, 0.8], random=[0.0, 0.2])
    rows += [make.trial("l1_filter", keep, status="failed", test_top1="") for keep in make.KEEPS[:2]]
    found = table(rows)
    assert found.shown.iloc[2, 2:7].tolist() == ["L1 filters", "2.75", "0", "0.00", "85.00"]
    assert "2 scores of 0: every seed failed" in found.caption


def test_rankings_are_blocks_the_most_contenders_first(table, make):
    found = table(make.grid(wgsef=[0.5] * 4, random=[0.4] * 4, l1_filter=[0.3] * 2))
    assert list(zip(found.data["ranking"], found.data["problems"], strict=True)) == [("1", "2")] * 3 + [("2", "4")] * 2
    assert found.starts == [3]
    assert "1: 3 methods on 2 problems of 1 network, mean of 1 seed; 2: 2 methods on 4 problems" in found.caption


def test_very_many_rankings_are_cut_and_counted(table, make):
    rows = [
        make.trial(method, 0.5, architecture=f"{i}{network}")
        for i in range(9)
        for network in ("a", "b")
        for method in (f"m{i}", "wgsef")
    ]
    found = table(rows)
    assert found.data["ranking"].nunique() == MOST
    assert len(found.starts) == MOST - 1, "though each has two problems"
    assert "3 more sets of methods met and are not shown." in found.caption


def test_dense_alone_and_missing_columns(table, make):
    with pytest.raises(Skip, match="no two methods met"):
        table([make.trial("dense")])
    columns = [column for column in make.COLUMNS if column not in ("hyperparameters", "start", "scope", "suite")]
    assert len(table(make.grid(wgsef=[0.5, 0.6], random=[0.4, 0.3]), columns=columns).data) == 2
