"""Who met whom on which problems, and what they reached there."""

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.contest import Contest, chosen_by, contests, in_order, method_of, shown
from analysis.load import load
from analysis.tables.ranks import ranks as ranks_table
from results.errors import Skip


@pytest.fixture
def results(folder):
    return lambda rows, **options: load(folder(rows, **options))


def only(found):
    (contest,) = found
    return contest


def test_ranks_scores_and_losses_by_hand(results, make):
    contest = only(
        contests(results(make.grid(wgsef=[0.9, 0.8, 0.7], random=[0.5, 0.8, 0.6], l1_filter=[0.7, 0.5, 0.65])))
    )
    assert contest.contenders == ["l1_filter", "random", "wgsef"]
    # problems go by rising keep: wgsef 1, 1.5, 1; random 3, 1.5, 3; l1_filter 2, 3, 2
    assert dict(contest.ranks) == pytest.approx({"wgsef": 3.5 / 3, "l1_filter": 7 / 3, "random": 7.5 / 3})
    assert list(contest.ranks.index) == ["wgsef", "l1_filter", "random"]
    assert sorted(contest.losses["l1_filter"]) == pytest.approx([5, 20, 30])
    assert sorted(contest.losses["wgsef"]) == [0, 0, 0]
    assert contest.said == "3 problems of 1 setting, mean of 1 seed"
    assert contest.related


def test_seeds_are_averaged_and_rounding_makes_no_rank(results, make):
    rows = [make.trial("wgsef", k, s, test_top1=v) for k in (0.5, 0.1) for s, v in enumerate((0.1, 0.2, 0.3))]
    rows += [make.trial("random", k, s, test_top1=v) for k in (0.5, 0.1) for s, v in enumerate((0.3, 0.2, 0.1))]
    contest = only(contests(results(rows)))
    assert set(contest.scores.to_numpy().ravel()) == {0.2}
    assert dict(contest.ranks) == {"random": 1.5, "wgsef": 1.5}
    assert contest.said.endswith("mean of 3 seeds")


@settings(max_examples=25)
@given(st.data())
def test_the_ranks_of_a_problem_add_up(data):
    k, n = data.draw(st.integers(2, 8)), data.draw(st.integers(2, 6))
    accuracy = st.integers(0, 20).map(lambda i: i / 20)
    rows = [(p, f"net{p} on d", f"m{c}", 0.0, data.draw(accuracy)) for p in range(n) for c in range(k)]
    contest = Contest(pd.DataFrame(rows, columns=["problem", "setting", "contender", "seed", "test_top1"]))
    assert contest.ranks.sum() == pytest.approx(k * (k + 1) / 2)
    assert (contest.losses.min(axis=1) == 0).all()
    assert not contest.related
    forth, back = contest.duels([("m0", "m1")]), contest.duels([("m1", "m0")])
    assert forth[0].result.difference == -back[0].result.difference


def test_a_failure_counts_as_last_and_skipped_as_absent(results, make):
    rows = make.grid(wgsef=[0.9, 0.8], random=[0.1, 0.2])
    rows += [make.trial("l1_filter", 0.9, test_top1=0.95), make.trial("l1_filter", 0.8, status="failed", test_top1="")]
    rows += [make.trial("magnitude", k, status="skipped", test_top1="") for k in make.KEEPS[:2]]
    contest = only(contests(results(rows)))
    assert contest.contenders == ["l1_filter", "random", "wgsef"]
    assert dict(contest.ranks) == {"wgsef": 1.5, "l1_filter": 2, "random": 2.5}
    assert contest.failed["l1_filter"].sum() == 1
    assert contest.failed.to_numpy().sum() == 1
    assert sorted(contest.scores["l1_filter"]) == [0, 0.95]
    assert contest.said == "2 problems of 1 setting, mean of 1 seed; 1 score of 0: every seed failed"


def test_a_seed_that_failed_is_left_out(results, make):
    rows = make.grid(seeds=2, wgsef=[0.9, 0.8], random=[0.1, 0.2])
    rows += [make.trial("wgsef", 0.9, 2, status="failed", test_top1=""), make.trial("wgsef", 0.8, 2, test_top1=0.5)]
    contest = only(contests(results(rows)))
    assert not contest.failed.to_numpy().any()
    assert sorted(contest.scores["wgsef"]) == pytest.approx([0.7, 0.9])
    assert contest.said == "2 problems of 1 setting, mean of 2 to 3 seeds"


def test_a_contender_that_always_failed_is_last_everywhere(results, make):
    rows = make.grid(wgsef=[0.9, 0.8], random=[0.1, 0.2])
    rows += [make.trial("l1_filter", k, status="failed", test_top1="") for k in make.KEEPS[:2]]
    contest = only(contests(results(rows)))
    assert contest.ranks["l1_filter"] == 3
    assert contest.failed["l1_filter"].all()


def test_a_problem_that_everybody_failed_is_none(results, make):
    rows = make.grid(wgsef=[0.9, 0.8], random=[0.1, 0.2])
    rows += [make.trial(method, 0.5, status="failed", test_top1="") for method in ("wgsef", "random")]
    assert len(only(contests(results(rows))).scores) == 2


def test_a_pair_is_compared_over_common_seeds(results, make):
    rows = [make.trial("wgsef", k, s, test_top1=0.5 + 0.1 * s) for k in (0.5, 0.1) for s in range(3)]
    rows += [make.trial("random", 0.5, s, test_top1=0.3) for s in (1, 2)]
    rows += [make.trial("random", 0.1, 7, test_top1=0.4)]
    contest = only(contests(results(rows)))
    left, right = contest.pair("wgsef", "random")
    assert list(left) == pytest.approx([0.6, 0.65])  # keep 0.1: no common seed, hence all; keep 0.5: seeds 1 and 2
    assert list(right) == pytest.approx([0.4, 0.3])
    (duel,) = contest.duels()
    assert (duel.left, duel.right, duel.result.n) == ("wgsef", "random", 2)
    assert duel.result.difference == pytest.approx((0.2 + 0.35) / 2)


def test_the_best_hyperparameters_on_validation_are_taken_problem_by_problem(results, make):
    rows = make.grid(random=[0.1, 0.2])
    for keep, better in ((0.9, 0.1), (0.8, 1.0)):
        for lam in (0.1, 1.0):
            cells = {"val_top1": 0.9 if lam == better else 0.8, "test_top1": 0.5 if lam == better else 0.99}
            rows += [make.trial("wgsef", keep, s, hyperparameters=f'{{"lam": {lam}}}', **cells) for s in range(2)]
    found = results(rows)
    contest = only(contests(found))
    assert list(contest.scores["wgsef"]) == [0.5, 0.5]
    assert (
        chosen_by(found)
        == "Configurations tried, best on validation per problem (of equals the milder): random 1, wgsef 2"
    )
    assert chosen_by(results(make.grid(wgsef=[0.9, 0.8], random=[0.1, 0.2]))) == ""


def test_hyperparameters_that_one_row_does_not_tell_are_values_of_their_own(results, make):
    rows = make.grid(random=[0.1, 0.2])
    for keep in make.KEEPS[:2]:
        rows.append(make.trial("wgsef", keep, hyperparameters="", val_top1=0.9, test_top1=0.7))
        rows.append(make.trial("wgsef", keep, hyperparameters='{"lam": 1}', val_top1=0.8, test_top1=0.6))
    assert list(only(contests(results(rows))).scores["wgsef"]) == [0.7, 0.7]


def test_several_hyperparameters_without_validation_are_a_reason_to_skip(results, make):
    rows = make.grid(random=[0.1, 0.2], wgsef=[0.5, 0.6])
    rows += [make.trial("wgsef", k, hyperparameters='{"lam": 1}', test_top1=0.4) for k in make.KEEPS[:2]]
    with pytest.raises(Skip, match="wgsef has several configurations, and no val_top1"):
        contests(results(rows))
    columns = [column for column in make.COLUMNS if column != "val_top1"]
    with pytest.raises(Skip, match="no val_top1 tells"):
        contests(results(rows, columns=columns))


def test_without_the_column_of_hyperparameters_there_is_no_choice(results, make):
    columns = [column for column in make.COLUMNS if column not in ("hyperparameters", "start", "suite", "scope")]
    found = results(make.grid(random=[0.1, 0.2], wgsef=[0.5, 0.6]), columns=columns)
    assert chosen_by(found) == ""
    assert only(contests(found)).contenders == ["random", "wgsef"]


def test_several_starts_are_several_contenders(results, make):
    rows = make.grid(random=[0.1, 0.2], wgsef=[0.5, 0.6])
    rows += [make.trial("wgsef", k, start="scratch", test_top1=0.7) for k in make.KEEPS[:2]]
    contest = only(contests(results(rows)))
    assert contest.contenders == ["random", "wgsef", "wgsef (from scratch)"]
    assert [method_of(name) for name in contest.contenders] == ["random", "wgsef", "wgsef"]
    assert in_order(["random", "wgsef (from scratch)", "a", "wgsef", "random (from scratch)"]) == [
        "a", "wgsef", "wgsef (from scratch)", "random", "random (from scratch)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "cells",
    [
        {"sparsify_epochs": 9},
        {"train_images": 1000},
        {"suite": "other"},
        {"scope": "network"},
        {"grouping": "channel"},
        {"dataset": "mnist"},
        {"protocol": 0},
    ],
)
def test_what_a_suite_fixes_makes_a_problem(results, make, cells):
    rows = make.grid(random=[0.1, 0.2], wgsef=[0.5, 0.6])
    rows += [row | cells | {"trial": f"{row['trial']} again"} for row in rows]
    assert len(only(contests(results(rows))).scores) == 4


def test_of_the_epochs_the_total_counts(results, make):
    rows = [make.trial("wgsef", k, dense_epochs=0, sparsify_epochs=16) for k in make.KEEPS[:2]]
    rows += [make.trial("random", k, dense_epochs=8, sparsify_epochs=0, finetune_epochs=11) for k in make.KEEPS[:2]]
    assert len(only(contests(results(rows))).scores) == 2
    longer = [make.trial("random", k, dense_epochs=9, sparsify_epochs=0, finetune_epochs=11) for k in make.KEEPS[:2]]
    with pytest.raises(Skip, match="no two methods met in two problems or more"):
        contests(results(rows[:2] + longer))


def test_a_contest_for_each_set_of_contenders_the_most_first(results, make):
    rows = make.grid(wgsef=[0.5] * 9, random=[0.4] * 9, l1_filter=[0.3] * 2, magnitude=[0.2])
    found = contests(results(rows))
    assert [(len(one.contenders), len(one.scores)) for one in found] == [(3, 2), (2, 9)]
    assert shown(found) == found
    assert [
        len(one.scores) for one in shown(contests(results(make.grid(wgsef=[0.5] * 5, random=[0.4] * 5, a=[0.3] * 2))))
    ] == [2]


def test_too_few_meetings_are_a_reason_to_skip(results, make):
    for rows in (
        [make.trial("dense"), *make.grid(wgsef=[0.5, 0.6])],
        make.grid(wgsef=[0.5], random=[0.6]),
        [make.trial("dense")],
        [*make.grid(wgsef=[0.5, 0.6]), make.trial("random", 0.3), make.trial("random", 0.2)],
    ):
        with pytest.raises(Skip, match="no two methods met in two problems or more"):
            contests(results(rows))
        with pytest.raises(Skip):
            ranks_table(results(rows))


def test_a_p_that_is_none_does_not_stop_the_others(results, make):
    rows = make.grid(wgsef=[0.9, 0.8, 0.7], random=[0.8, 0.7, 0.6], l1_filter=[0.5, 0.45, 0.3])
    duels = only(contests(results(rows))).duels()
    by_pair = {(duel.left, duel.right): duel for duel in duels}
    assert math.isnan(by_pair["wgsef", "random"].corrected)
    assert by_pair["wgsef", "l1_filter"].corrected == pytest.approx(2 * by_pair["wgsef", "l1_filter"].result.p)
