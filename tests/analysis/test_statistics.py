"""Tests of means, intervals and differences, against numbers worked out by hand and against scipy."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics import (
    best,
    by_seed,
    dunnett,
    estimate,
    holm,
    may_be_best,
    measured,
    over_seeds,
    paired,
    placed,
    points,
)

P_VALUES = st.lists(st.floats(0, 1), max_size=12)
DIFFERENCES = st.lists(st.integers(-40, 40), min_size=2, max_size=12)


def series(*values):
    return pd.Series(values, dtype="float64")


def test_three_seeds_by_hand():
    # mean 0.92, deviation 0.02; t(0.975; 2) = 4.302653, so 4.302653 * 0.02 / sqrt(3)
    value = estimate([0.90, 0.92, 0.94])
    assert value.mean == pytest.approx(0.92)
    assert value.half_width == pytest.approx(0.0496828, abs=1e-6)
    assert value.n == 3
    assert value.deviation == pytest.approx(0.02)


def test_two_seeds_by_hand():
    # deviation sqrt(2), t(0.975; 1) = 12.7062
    assert estimate([1, 3]).half_width == pytest.approx(12.7062, abs=1e-4)


def test_equal_seeds_have_an_interval_of_zero():
    assert estimate([0.1, 0.1, 0.1])[:3] == (pytest.approx(0.1), pytest.approx(0, abs=1e-15), 3)


def test_one_seed_has_no_interval():
    mean, half, n, deviation = estimate([0.5])
    assert (mean, n) == (0.5, 1)
    assert math.isnan(half)
    assert math.isnan(deviation)


def test_missing_values_do_not_count():
    assert estimate([math.nan, 0.5]).n == 1
    assert estimate([math.nan]).n == 0
    assert math.isnan(estimate([]).mean)


def test_a_seed_counts_once():
    rows = pd.DataFrame({"seed": [0, 0, 1], "x": [1.0, 3.0, 4.0]})
    assert over_seeds(rows, "x")[::2] == (3.0, 2)
    assert over_seeds(rows, "absent").n == 0


def test_points_start_with_the_largest_keep_and_average_seeds_first():
    rows = pd.DataFrame({"line": "a", "keep": [0.1, 0.5, 0.5, 0.5], "seed": [0, 0, 0, 1], "x": [5.0, 0.0, 2.0, 3.0]})
    found = points(rows, ["line", "keep"], ["x", "absent"])
    assert list(found["keep"]) == [0.5, 0.1]
    assert list(found["x"]) == [2, 5]
    assert list(found["x_n"]) == [2, 1]
    assert found["x_half"][0] == pytest.approx(12.7062, abs=1e-4)
    assert math.isnan(found["x_half"][1])
    assert found["absent"].isna().all()


def test_a_trial_that_failed_counts_and_stands_where_the_others_of_its_keep_stand():
    rows = pd.DataFrame({
        "keep": [0.5, 0.5, 0.1], "status": ["done", "failed", "done"], "seed": [0, 1, 0], "x": [2.0, None, None],
    })  # fmt: skip
    assert list(measured(rows, ["x"])["seed"]) == [0, 1]
    assert list(placed(rows, "x")["x"])[:2] == [2, 2]
    assert math.isnan(placed(rows, "x")["x"][2])
    assert by_seed(rows, "absent").empty


def test_holm_by_hand():
    # sorted 0.005, 0.010, 0.020, 0.030, 0.040 times 5, 4, 3, 2, 1: 0.025, 0.040, 0.060, 0.060, 0.040 rising
    assert holm([0.020, 0.005, 0.040, 0.010, 0.030]) == pytest.approx([0.060, 0.025, 0.060, 0.040, 0.060])
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1, 1]
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


def test_holm_does_not_count_what_is_not_a_number():
    first, none, second = holm([0.01, math.nan, 0.04])
    assert (first, second) == pytest.approx((0.02, 0.04))
    assert math.isnan(none)


@given(P_VALUES)
def test_holm_is_monotone_and_between_p_and_its_bonferroni(values):
    found = holm(values)
    for p, corrected in zip(values, found, strict=True):
        assert p <= corrected <= min(1, len(values) * p) or corrected == pytest.approx(min(1, len(values) * p))
    by_p = [corrected for _, corrected in sorted(zip(values, found, strict=True))]
    assert by_p == sorted(by_p)


@given(P_VALUES, st.randoms())
def test_holm_does_not_depend_on_the_order(values, random):
    places = list(range(len(values)))
    random.shuffle(places)
    found = holm(values)
    assert holm([values[i] for i in places]) == [found[i] for i in places]


def test_three_pairs_by_hand():
    # differences 1, 2, 6 points: mean 3, deviation sqrt(7), t = 3 / (sqrt(7) / sqrt(3)) = 1.963961
    found = paired(series(0.91, 0.92, 0.96), series(0.90, 0.90, 0.90))
    t = 3 / math.sqrt(7 / 3)
    # the t distribution of 2 degrees of freedom is 1/2 + t / (2 sqrt(t^2 + 2)); its 97.5 % quantile 4.302653
    p = 1 - t / math.sqrt(t**2 + 2)
    half = 4.302653 * math.sqrt(7 / 3) / 100
    assert found == (
        pytest.approx(0.03),
        pytest.approx(0.03 - half),
        pytest.approx(0.03 + half),
        pytest.approx(p),
        3,
    )
    assert p == pytest.approx(0.188497, abs=1e-6)


def test_a_few_pairs_are_tested_as_scipy_does():
    left, right = series(0.91, 0.88, 0.93, 0.90, 0.95), series(0.90, 0.86, 0.94, 0.85, 0.91)
    found = paired(left, right)
    assert found.p == pytest.approx(stats.ttest_rel(left, right).pvalue)
    assert found.n == 5


@given(DIFFERENCES)
def test_swapping_the_sides_flips_the_sign_and_keeps_p(values):
    left, right = series(*values), series(*[0.0] * len(values))
    one, other = paired(left, right), paired(right, left)
    assert one.difference == -other.difference
    assert one.p == other.p or (math.isnan(one.p) and math.isnan(other.p))
    assert math.isnan(one.p) or 0 < one.p <= 1
    assert one.low <= one.difference <= one.high


def test_pairs_are_those_of_one_index_and_gaps_are_left_out():
    left = pd.Series([0.9, 0.8, 0.7], index=[0, 1, 2])
    right = pd.Series([0.6, 0.7, math.nan], index=[1, 0, 2])
    assert paired(left, right).n == 2
    assert paired(left, right).difference == pytest.approx(0.2)


def test_one_pair_and_no_pair_tell_nothing():
    one = paired(series(0.9), series(0.8))
    assert one.difference == pytest.approx(0.1)
    assert one.n == 1
    assert all(math.isnan(value) for value in (one.low, one.high, one.p))
    none = paired(pd.Series([0.9], index=[0]), pd.Series([0.8], index=[1]))
    assert none.n == 0
    assert all(math.isnan(value) for value in none[:4])


@pytest.mark.parametrize("n", [2, 3, 6, 9])
def test_equal_differences_have_no_p_unless_they_are_zero(n):
    some = paired(series(*[0.3] * n), series(*[0.2] * n))
    assert math.isnan(some.p)
    assert (some.low, some.high) == (some.difference, some.difference)
    assert paired(series(*[0.3] * n), series(*[0.3] * n))[:4] == (0, 0, 0, 1)


def test_the_best_is_significantly_above_every_other():
    values = {"a": series(0.90, 0.91, 0.92), "b": series(0.80, 0.815, 0.82), "c": series(0.70, 0.71, 0.725)}
    tests = [stats.ttest_rel(values["a"], values[name]).pvalue for name in "bc"]
    assert max(tests) < 0.05
    assert best(values) == "a"


def test_no_best_where_one_other_is_near():
    values = {"a": series(0.90, 0.91, 0.92), "b": series(0.80, 0.815, 0.82), "c": series(0.89, 0.915, 0.91)}
    assert best(values) is None


def test_above_every_other_needs_no_correction():
    # p 0.039 to each of two others: above both, as a claim on all of them holds if each holds (Berger 1982)
    one, zero = series(0.03, 0.06, 0.04), series(0, 0, 0)
    assert paired(one, zero).p == pytest.approx(0.0390, abs=2e-4)
    assert best({"a": one, "b": zero, "c": series(0, 0, 0.0000001)}) == "a"


def test_no_best_where_seeds_tell_nothing():
    assert best({"a": series(0.9), "b": series(0.5)}) is None
    assert best({"a": series(0.9, 0.91)}) is None
    assert best({}) is None
    assert best({"a": series(0.9, 0.91), "b": series(math.nan, math.nan)}) is None
    assert best({"a": series(0.9, 0.9, 0.9), "b": series(0.5, 0.5, 0.5)}) is None
    apart = {"a": pd.Series([0.9, 0.91], index=[0, 1]), "b": pd.Series([0.5, 0.52], index=[2, 3])}
    assert best(apart) is None


@pytest.mark.parametrize(
    ("rivals", "freedom", "expected"),
    [(2, 10, 2.15), (4, 20, 2.30), (3, 5, 2.68), (5, 60, 2.28), (9, 120, 2.45)],
)
def test_the_quantile_of_dunnett_is_that_of_his_table(rivals, freedom, expected):
    assert dunnett(rivals, freedom) == pytest.approx(expected, abs=0.011)


def test_one_rival_is_a_t_test():
    assert dunnett(1, 7) == pytest.approx(stats.t.ppf(0.95, 7), abs=1e-4)


def test_who_may_be_best_by_hand():
    # two columns, differences 1, 2, 3: s^2 = var / 2 = 1/2, t(0.95; 2) = 2.919986, reach 2.92 sqrt(1/2) sqrt(2/3)
    scores = pd.DataFrame({"a": [1.0, 2, 3], "b": [0.0, 0, 0]})
    reach = 2.919986 * math.sqrt(1 / 3)
    found = may_be_best(scores)
    assert found["difference"].tolist() == [2, -2]
    assert found["low"].tolist() == pytest.approx([0, -2 - reach], abs=1e-3)
    assert found["high"].tolist() == pytest.approx([2 + reach, 0], abs=1e-3)
    assert found["best"].tolist() == [True, False]


@pytest.mark.slow
def test_the_intervals_of_all_hold_together_nineteen_times_in_twenty():
    rng, true, hits = np.random.default_rng(0), np.array([0, 0, 0.5, 1]), 0
    gaps = [value - max(np.delete(true, i)) for i, value in enumerate(true)]
    for _ in range(300):
        scores = pd.DataFrame(rng.normal(size=(6, 1)) + true + rng.normal(size=(6, 4)))
        found = may_be_best(scores)
        hits += bool(((found["low"] <= np.array(gaps) + 1e-12) & (gaps <= found["high"] + 1e-12)).all())
    assert hits >= 0.93 * 300


def test_one_network_tells_nothing():
    found = may_be_best(pd.DataFrame({"a": [1.0], "b": [2.0]}))
    assert found["best"].all()
    assert found["low"].isna().all()
    assert found["difference"].tolist() == [-1, 1]
