"""Who met whom on which problems, what they reached there, and what the tests over networks say."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.annotation import variants
from analysis.figures import critical_difference
from analysis.frame import load
from analysis.ranking import Ranking, choice_said, rankings, shown
from analysis.statistics import holm
from results.errors import Skip

LAM = '{"lam": 1}'


@pytest.fixture
def found(folder):
    return lambda rows, **options: rankings(load(folder(rows, **options)))


@pytest.fixture
def only(found):
    def of(rows, **options):
        (ranking,) = found(rows, **options)
        return ranking

    return of


def networks(make, count, keeps=(0.5, 0.1), **accuracies):
    """Rows of methods on many networks, each with a list of accuracies, one for each network."""
    return [
        make.trial(method, keep, architecture=f"net{i}", test_top1=round(values[i] - 0.01 * j, 6))
        for method, values in accuracies.items()
        for i in range(count)
        for j, keep in enumerate(keeps)
    ]


def failed(make, method, keeps, **cells):
    return [make.trial(method, keep, status="failed", test_top1="", **cells) for keep in keeps]


def test_ranks_scores_and_losses_by_hand(only, make):
    ranking = only(make.grid(wgsef=[0.9, 0.8, 0.7], random=[0.5, 0.8, 0.6], l1_filter=[0.7, 0.5, 0.65]))
    assert ranking.contenders == ["l1_filter", "random", "wgsef"]
    # wgsef 1, 1.5, 1; random 3, 1.5, 3; l1_filter 2, 3, 2
    assert dict(ranking.ranks) == pytest.approx({"wgsef": 3.5 / 3, "l1_filter": 7 / 3, "random": 7.5 / 3})
    assert list(ranking.ranks.index) == ["wgsef", "l1_filter", "random"]
    assert sorted(ranking.losses["l1_filter"]) == pytest.approx([5, 20, 30])
    assert sorted(ranking.losses["wgsef"]) == [0, 0, 0]
    assert ranking.networks.loc["LeNet-5 (Caffe) on digits"].to_dict() == pytest.approx(
        {"wgsef": 80, "random": 190 / 3, "l1_filter": 185 / 3}
    )
    assert ranking.said == "3 problems of 1 network, mean of 1 seed"


def test_seeds_are_averaged_and_rounding_makes_no_rank(only, make):
    rows = [make.trial("wgsef", k, s, test_top1=v) for k in (0.5, 0.1) for s, v in enumerate((0.1, 0.2, 0.3))]
    rows += [make.trial("random", k, s, test_top1=v) for k in (0.5, 0.1) for s, v in enumerate((0.3, 0.2, 0.1))]
    ranking = only(rows)
    assert set(ranking.scores.to_numpy().ravel()) == {0.2}
    assert dict(ranking.ranks) == {"random": 1.5, "wgsef": 1.5}
    assert ranking.said.endswith("mean of 3 seeds")


@settings(max_examples=10)
@given(st.data())
def test_the_ranks_of_a_problem_add_up(data):
    k, n = data.draw(st.integers(2, 8)), data.draw(st.integers(2, 6))
    accuracy = st.integers(0, 20).map(lambda i: i / 20)
    rows = [(p, f"net{p} on d", f"m{c}", 0.0, data.draw(accuracy)) for p in range(n) for c in range(k)]
    ranking = Ranking(pd.DataFrame(rows, columns=["problem", "setting", "contender", "seed", "test_top1"]))
    assert ranking.ranks.sum() == pytest.approx(k * (k + 1) / 2)
    assert (ranking.losses.min(axis=1) == 0).all()
    # who leads the means of the networks may be the best
    assert ranking.best["best"][ranking.networks.mean().idxmax()]
    assert not set(ranking.pairs()["holm"].dropna())  # at most 6 problems


def test_a_failure_counts_as_last_and_skipped_as_absent(only, make):
    rows = make.grid(wgsef=[0.9, 0.8], random=[0.1, 0.2])
    rows += [make.trial("l1_filter", 0.9, test_top1=0.95), *failed(make, "l1_filter", [0.8])]
    rows += failed(make, "group_lasso", make.KEEPS[:2])
    rows += [make.trial("magnitude", k, status="skipped", test_top1="") for k in make.KEEPS[:2]]
    ranking = only(rows)
    # 0.9: l1_filter, wgsef, random, group_lasso; 0.8: wgsef, random, and two that failed
    assert dict(ranking.ranks) == {"wgsef": 1.5, "l1_filter": 2.25, "random": 2.5, "group_lasso": 3.75}
    assert ranking.failed.sum().to_dict() == {"group_lasso": 2, "l1_filter": 1, "random": 0, "wgsef": 0}
    assert sorted(ranking.scores["l1_filter"]) == [0, 0.95]
    assert ranking.said == "2 problems of 1 network, mean of 1 seed; 3 scores of 0: every seed failed"


def test_a_failure_gains_no_rank(only, make):
    """Neither by leaving a problem out, if all configurations failed, nor by the luck of the seeds that are left."""
    rows = make.grid(wgsef=[0.9, 0.8, 0.7], random=[0.1, 0.2, 0.3])
    rows += [make.trial("l1_filter", k, hyperparameters=h, val_top1=0.5, test_top1=0.95)
             for k in make.KEEPS[:2] for h in ("{}", LAM)]  # fmt: skip
    rows += [row for h in ("{}", LAM) for row in failed(make, "l1_filter", [0.7], hyperparameters=h)]
    ranking = only(rows)
    assert len(ranking.scores) == 3
    assert ranking.ranks["l1_filter"] == pytest.approx(5 / 3)
    chance = [make.second("wgsef", k, s, test_top1=0.5) for k in (0.5, 0.1) for s in (0, 1)]
    chance += [make.second("random", k, 0, test_top1=0.6) for k in (0.5, 0.1)]
    chance += [make.second("random", k, 1, status="failed", test_top1="", val_top1="") for k in (0.5, 0.1)]
    assert set(only(chance).scores["random"]) == {0.35}


def test_a_seed_that_failed_is_left_out_if_chance_is_unknown(only, make):
    rows = make.grid(seeds=2, wgsef=[0.9, 0.8], random=[0.1, 0.2])
    rows += [*failed(make, "wgsef", [0.9], seed=2), make.trial("wgsef", 0.8, 2, test_top1=0.5)]
    ranking = only(rows)
    assert not ranking.failed.to_numpy().any()
    assert sorted(ranking.scores["wgsef"]) == pytest.approx([0.7, 0.9])
    assert ranking.said == "2 problems of 1 network, mean of 2 to 3 seeds"


def test_a_problem_that_everybody_failed_is_none(only, make):
    rows = make.grid(wgsef=[0.9, 0.8], random=[0.1, 0.2])
    assert len(only(rows + failed(make, "wgsef", [0.5]) + failed(make, "random", [0.5])).scores) == 2


def test_the_best_on_validation_is_taken_problem_by_problem(folder, make):
    rows = make.grid(random=[0.1, 0.2])
    for keep, better in ((0.9, 0.1), (0.8, 1.0)):
        for lam in (0.1, 1.0):
            cells = {"val_top1": 0.9 if lam == better else 0.8, "test_top1": 0.5 if lam == better else 0.99}
            rows += [make.trial("wgsef", keep, s, hyperparameters=f'{{"lam": {lam}}}', **cells) for s in range(2)]
    frame = load(folder(rows))
    assert list(rankings(frame)[0].scores["wgsef"]) == [0.5, 0.5]
    said = "Configurations tried, best on validation per problem (of equals the milder): Random 1, WGSEF 2"
    assert choice_said(frame) == [said, ""]
    assert choice_said(load(folder(make.grid(wgsef=[0.9, 0.8], random=[0.1, 0.2])))) == ["", ""]


@pytest.mark.parametrize("column", [True, False])
def test_several_configurations_without_validation_are_left_out_with_a_word(folder, make, column):
    rows = make.grid(random=[0.1, 0.2], l1_filter=[0.2, 0.3], wgsef=[0.5, 0.6])
    rows += [make.trial("wgsef", k, hyperparameters=LAM, test_top1=0.4) for k in make.KEEPS[:2]]
    columns = [name for name in make.COLUMNS if column or name != "val_top1"]
    frame = load(folder(rows, columns=columns))
    assert [one.contenders for one in rankings(frame)] == [["l1_filter", "random"]]
    assert choice_said(frame)[1] == "Left out, several configurations and no validation accuracy: WGSEF"


@pytest.mark.parametrize("absent", [(), ("hyperparameters", "start", "suite", "scope", "val_top1")])
def test_imported_rows_and_those_of_few_columns_take_part(folder, make, absent):
    rows = make.grid(random=[0.1, 0.2], wgsef=[0.5, 0.6])
    imported = [row | {"protocol": 0, "hyperparameters": "", "start": "", "scope": ""} for row in rows]
    frame = load(folder(imported, columns=[name for name in make.COLUMNS if name not in absent]))
    (ranking,) = rankings(frame)
    assert ranking.contenders == ["random", "wgsef"]
    assert dict(ranking.ranks) == {"wgsef": 1, "random": 2}
    assert choice_said(frame) == ["", ""]


def test_several_starts_are_several_contenders(only, make):
    rows = make.grid(random=[0.1, 0.2], wgsef=[0.5, 0.6])
    ranking = only(rows + [make.trial("wgsef", k, start="scratch", test_top1=0.7) for k in make.KEEPS[:2]])
    assert ranking.contenders == ["random", "wgsef", "wgsef (from scratch)"]
    assert variants(ranking.contenders) == {"wgsef": 0, "wgsef (from scratch)": 1, "random": 0}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("sparsify_epochs", 9), ("train_images", 1000), ("suite", "other"), ("scope", "network"),
        ("grouping", "channel"), ("dataset", "mnist"), ("protocol", 0),
    ],
)  # fmt: skip
def test_what_a_suite_fixes_makes_a_problem(only, make, column, value):
    rows = make.grid(random=[0.1, 0.2], wgsef=[0.5, 0.6])
    ranking = only(rows + [row | {column: value, "trial": f"{row['trial']} again"} for row in rows])
    assert len(ranking.scores) == 4
    assert len(ranking.networks) == 1 + (column == "dataset")


def test_of_the_epochs_the_total_counts(found, make):
    rows = [make.trial("wgsef", k, dense_epochs=0, sparsify_epochs=16) for k in make.KEEPS[:2]]
    rows += [make.trial("random", k, dense_epochs=8, sparsify_epochs=0, finetune_epochs=11) for k in make.KEEPS[:2]]
    assert len(found(rows)[0].scores) == 2
    longer = [make.trial("random", k, dense_epochs=9, sparsify_epochs=0, finetune_epochs=11) for k in make.KEEPS[:2]]
    with pytest.raises(Skip, match="no two methods met in two problems or more"):
        found(rows[:2] + longer)


def test_a_ranking_for_each_set_of_contenders_the_most_first(found, make):
    several = found(make.grid(wgsef=[0.5] * 9, random=[0.4] * 9, l1_filter=[0.3] * 2, magnitude=[0.2]))
    assert [(len(one.contenders), len(one.scores)) for one in several] == [(3, 2), (2, 9)]
    assert shown(several) == several
    assert len(shown(found(make.grid(wgsef=[0.5] * 5, random=[0.4] * 5, a=[0.3] * 2)))) == 1


def test_too_few_meetings_are_a_reason_to_skip(found, make):
    alone, once = make.grid(wgsef=[0.5, 0.6]), make.grid(wgsef=[0.5], random=[0.6])
    apart = [*alone, make.trial("random", 0.3), make.trial("random", 0.2)]
    for rows in ([make.trial("dense"), *alone], once, [make.trial("dense")], apart):
        with pytest.raises(Skip, match="no two methods met in two problems or more"):
            found(rows)


@pytest.mark.parametrize(
    ("count", "keeps", "testable"), [(5, (0.5, 0.1), True), (4, (0.9, 0.5, 0.1), False), (5, (0.5,), False)]
)
def test_pairs_are_tested_over_networks_if_there_are_enough(only, make, count, keeps, testable):
    ranking = only(networks(make, count, keeps, wgsef=[0.9, 0.8, 0.7, 0.85, 0.6], random=[0.8, 0.77, 0.6, 0.8, 0.5]))
    assert ranking.testable == testable
    (pair,) = ranking.pairs().itertuples()
    assert (pair.A, pair.B, pair.n) == ("wgsef", "random", count)
    assert (pair.wins, pair.ties, pair.losses) == (count * len(keeps), 0, 0)
    differences = [10, 3, 10, 5, 10][:count]
    interval = stats.ttest_1samp(differences, 0).confidence_interval()
    assert (pair.difference, pair.low, pair.high) == pytest.approx((sum(differences) / count, *interval))
    assert pair.p == pytest.approx(stats.ttest_1samp(differences, 0).pvalue if testable else float("nan"), nan_ok=True)


def test_verdict_pairs_and_diagram_do_not_contradict_each_other(folder, make):
    first = [0.90, 0.80, 0.70, 0.85, 0.60, 0.75]
    second = [v + d for v, d in zip(first, (0.01, -0.01, 0.01, -0.02, 0.01, -0.01), strict=True)]
    third = [v - 0.1 - d for v, d in zip(first, (0.01, 0.02, 0, 0.02, 0.01, 0.01), strict=True)]
    frame = load(folder(networks(make, 6, wgsef=first, l1_filter=second, random=third)))
    (ranking,) = rankings(frame)
    means = ranking.networks
    pairs = ranking.pairs()
    assert list(pairs["holm"]) == pytest.approx(
        holm([stats.ttest_rel(means[a], means[b]).pvalue for a, b in zip(pairs["A"], pairs["B"], strict=True)])
    )
    told = {(a, b): p < 0.05 for a, b, p in zip(pairs["A"], pairs["B"], pairs["holm"], strict=True)}
    assert sorted(told.values()) == [False, True, True]
    assert list(ranking.best.index[ranking.best["best"]]) == ["l1_filter", "wgsef"]  # those nobody is told above
    drawn = critical_difference.data(frame).set_index("line")
    for (a, b), p in zip(told, pairs["holm"], strict=True):
        assert drawn[f"p against {a}"][b] == drawn[f"p against {b}"][a] == p


def test_a_p_that_is_none_does_not_stop_the_others(only, make):
    first = [0.90, 0.80, 0.70, 0.85, 0.60]
    ranking = only(networks(make, 5, wgsef=first, random=[v - 0.1 for v in first], a=[0.5, 0.45, 0.3, 0.3, 0.1]))
    by_pair = ranking.pairs().set_index(["A", "B"])
    assert pd.isna(by_pair.loc[("wgsef", "random"), "holm"])
    assert by_pair.loc[("wgsef", "a"), "holm"] == pytest.approx(2 * by_pair.loc[("wgsef", "a"), "p"])
