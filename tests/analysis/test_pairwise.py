"""The table of pairs, by hand."""

import pandas as pd
import pytest

from analysis.frame import load
from analysis.statistics import holm, paired
from analysis.table import NOTHING
from analysis.tables.ranks import PAIRWISE
from results.errors import Skip


@pytest.fixture
def table(folder):
    def of(rows):
        frame = load(folder(rows))
        assert PAIRWISE.subjects(frame) == [frame]
        return PAIRWISE(frame)

    return of


def networks(make, count, **accuracies):
    """Rows of two keeps on so many networks; an accuracy for each, 2 points less at the second keep."""
    return [
        make.trial(method, keep, architecture=f"net{i}", test_top1=values[i] - loss)
        for method, values in accuracies.items()
        for i in range(count)
        for keep, loss in ((0.5, 0), (0.1, 0.02))
    ]


def test_pairs_are_tested_over_networks_if_there_are_enough(table, make):
    wgsef = [0.90, 0.91, 0.92, 0.93, 0.94]
    scores = {"wgsef": wgsef, "l1_filter": [0.88, 0.90, 0.89, 0.91, 0.90], "random": [0.5, 0.905, 0.5, 0.6, 0.94]}
    found = table(networks(make, 5, **scores))
    assert found.headings == ["A", "B", "A - B", "from", "to", "wins/ties/losses", "networks", "p", "Holm p"]
    assert found.shown[["A", "B"]].to_numpy().tolist() == [
        ["WGSEF", "L1 filters"],
        ["WGSEF", "Random"],
        ["L1 filters", "Random"],
    ]
    # differences 2, 1, 3, 2, 4 points: mean 2.4, deviation 1.14, half-width 2.7764 * 1.14 / sqrt(5) = 1.4156
    assert found.shown.iloc[0, 2:7].tolist() == ["+2.40", "+0.98", "+3.82", "10/0/0", "5"]
    assert found.shown["wins/ties/losses"].tolist() == ["10/0/0", "8/2/0", "6/0/4"]
    pairs = zip(found.data["A"], found.data["B"], strict=True)
    tests = [paired(pd.Series(scores[a]), pd.Series(scores[b])).p for a, b in pairs]
    assert found.data["p"].tolist() == pytest.approx(tests)
    assert found.data["Holm p"].tolist() == pytest.approx(holm(tests))
    assert found.bold == {(0, "A - B")}
    assert "bold if below 0.05" in found.caption
    assert found.caption.startswith("Pairs of 3 methods on 10 problems of 5 networks, mean of 1 seed, the better by")


@pytest.mark.parametrize(("count", "interval", "n"), [(4, "+1.00", "4"), (1, NOTHING, "1")])
def test_fewer_networks_are_not_tested(table, make, count, interval, n):
    found = table(networks(make, count, wgsef=[0.9] * 4, random=[0.89] * 4))
    assert found.shown.iloc[0, 2:].tolist() == ["+1.00", interval, interval, f"{2 * count}/0/0", n, NOTHING, NOTHING]
    assert "No p: fewer than 10 problems of 5 networks are not tested pair by pair." in found.caption
    assert not found.bold


def test_the_better_by_rank_is_first_though_its_mean_is_not(table, make):
    # random is better twice by little, wgsef once by much
    found = table(make.grid(random=[0.51, 0.61, 0.10], wgsef=[0.50, 0.60, 0.90]))
    assert found.shown.iloc[0, [0, 1, 2, 5]].tolist() == ["Random", "WGSEF", "-26.00", "2/0/1"]


def test_only_the_first_ranking_is_shown_and_its_pairs_are_in_order(table, make):
    found = table(make.grid(wgsef=[0.9] * 8, random=[0.4] * 8, l1_filter=[0.7, 0.6], magnitude=[0.6, 0.5]))
    assert found.data["A"].tolist() == ["wgsef"] * 3 + ["l1_filter"] * 2 + ["magnitude"]
    assert "4 methods on 2 problems" in found.caption
    with pytest.raises(Skip, match="no two methods met"):
        table([make.trial("dense")])
