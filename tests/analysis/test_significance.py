"""Tests of differences, against numbers worked out by hand and against scipy."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.significance import (
    best,
    bootstrap,
    friedman,
    holm,
    p_said,
    paired,
    signed_rank,
    wilcoxon_can_tell,
)

P_VALUES = st.lists(st.floats(0, 1), max_size=12)
DIFFERENCES = st.lists(st.integers(-40, 40), min_size=2, max_size=12)


def series(*values):
    return pd.Series(values, dtype="float64")


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
        "t-test",
    )
    assert p == pytest.approx(0.188497, abs=1e-6)


def test_a_few_pairs_are_tested_as_scipy_does():
    left, right = series(0.91, 0.88, 0.93, 0.90, 0.95), series(0.90, 0.86, 0.94, 0.85, 0.91)
    found = paired(left, right)
    assert found.p == pytest.approx(stats.ttest_rel(left, right).pvalue)
    assert (found.n, found.test) == (5, "t-test")


def test_many_pairs_are_tested_by_ranks_as_scipy_does():
    rng = np.random.default_rng(0)
    for n in (6, 9, 25, 50):
        differences = rng.normal(0.3, 1, n)
        found = paired(series(*differences), series(*[0.0] * n))
        assert found.p == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)
        assert found.test == "Wilcoxon"
        assert found.low < found.difference < found.high
        assert found.difference == pytest.approx(differences.mean())


def test_six_differences_above_zero_have_the_least_p_that_six_can_have():
    right = series(0.5, 0.5, 0.5, 0.5, 0.5, 0.5)
    assert paired(series(0.51, 0.52, 0.53, 0.54, 0.55, 0.56), right).p == 2 / 2**6
    assert paired(right, series(0.51, 0.52, 0.53, 0.54, 0.55, 0.56)).p == 2 / 2**6


def test_zeros_are_left_out():
    assert signed_rank(np.array([1.0, 2, 3, 4, 5, 6, 0, 0])) == pytest.approx(2 / 2**6)
    assert signed_rank(np.zeros(7)) == 1
    assert signed_rank(np.array([0.0, 0, 2])) == 1


def test_ties_by_hand():
    # ranks 2, 2, 2, 4, 5, 6 of which -2 is negative: mean 10.5, variance 6 * 7 * 13 / 24 - (3^3 - 3) / 48 = 22.25
    z = (2 - 10.5) / math.sqrt(22.25)
    assert signed_rank(np.array([1.0, 1, -1, 3, 4, 5])) == pytest.approx(math.erfc(-z / math.sqrt(2)))


def test_ties_are_found_though_sums_are_rounded():
    # 0.3 - 0.2 and 0.4 - 0.3 differ in the last digit, but are one tenth both
    left, right = series(0.3, 0.9, 0.2, 0.7, 0.4, 0.5), series(0.2, 0.8, 0.3, 0.6, 0.3, 0.1)
    assert (0.3 - 0.2) != (0.4 - 0.3)
    assert paired(left, right).p == signed_rank(np.array([1.0, 1, -1, 1, 1, 4]))


@given(st.lists(st.integers(-40, 40).filter(bool), min_size=6, max_size=9, unique_by=abs))
def test_ranks_agree_with_all_permutations(values):
    differences = np.array(values, dtype="float64")
    ranks = stats.rankdata(np.abs(differences))
    signs = np.array(np.meshgrid(*[[0, 1]] * len(values))).reshape(len(values), -1)
    sums = ranks @ signs
    least = min(ranks[differences > 0].sum(), ranks[differences < 0].sum())
    assert signed_rank(differences) == pytest.approx(min(1, 2 * (sums <= least).mean()))


def test_very_many_pairs_take_the_normal_approximation():
    differences = np.random.default_rng(1).normal(0.1, 1, 80)
    assert signed_rank(differences) == pytest.approx(stats.wilcoxon(differences, method="asymptotic").pvalue)


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
    assert (one.n, one.test) == (1, "")
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


def test_the_bootstrap_is_the_same_each_time_and_near_the_normal_interval():
    values = np.random.default_rng(2).normal(1, 1, 400)
    low, high = bootstrap(values)
    assert (low, high) == bootstrap(list(values))
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.02)
    assert high == pytest.approx(values.mean() + half, abs=0.02)


def test_the_bootstrap_of_two_values_by_hand():
    # the mean of two draws of 0 and 1 is 0, 1/2 or 1, with 1/4, 1/2 and 1/4
    assert bootstrap([0, 1]) == (0, 1)
    assert bootstrap([3, 3, 3]) == (3, 3)


def test_friedman_by_hand():
    # ranks of each of four rows 1, 2, 3: chi2 = 12 / (4 * 3 * 4) * (4^2 + 8^2 + 12^2) - 3 * 4 * 4 = 8, p = exp(-8 / 2)
    scores = pd.DataFrame({"a": [9, 8, 7, 9], "b": [5, 6, 5, 6], "c": [1, 2, 3, 1]}, dtype="float64")
    assert friedman(scores) == pytest.approx(math.exp(-4))


def test_friedman_says_nothing_where_it_cannot():
    assert math.isnan(friedman(pd.DataFrame({"a": [1, 2], "b": [2, 3]})))
    assert math.isnan(friedman(pd.DataFrame({"a": [1], "b": [2], "c": [3]})))
    assert math.isnan(friedman(pd.DataFrame({name: [1.0, 2.0] for name in "abc"})))


@pytest.mark.parametrize(
    ("pairs", "tests", "can"),
    [(5, 1, False), (6, 1, True), (6, 2, False), (7, 3, True), (9, 15, False), (10, 15, True), (12, 190, False)],
)
def test_what_ranks_can_tell_by_hand(pairs, tests, can):
    assert (2 / 2**pairs * tests < 0.05) == can
    assert wilcoxon_can_tell(pairs, tests) is can


def test_the_best_is_significantly_above_every_other():
    values = {"a": series(0.90, 0.91, 0.92), "b": series(0.80, 0.815, 0.82), "c": series(0.70, 0.71, 0.725)}
    tests = [stats.ttest_rel(values["a"], values[name]).pvalue for name in "bc"]
    assert max(holm(tests)) < 0.05
    assert best(values) == "a"


def test_no_best_where_one_other_is_near():
    values = {"a": series(0.90, 0.91, 0.92), "b": series(0.80, 0.815, 0.82), "c": series(0.89, 0.915, 0.91)}
    assert best(values) is None


def test_holm_may_take_the_best_away():
    # p 0.026 to each of two others: significant alone, not together
    one, other = series(0.03, 0.06, 0.04), series(0.03, 0.06, 0.0400001)
    zero = series(0, 0, 0)
    assert paired(one, zero).p == pytest.approx(0.0390, abs=2e-4)
    assert best({"a": one, "b": zero}) == "a"
    assert best({"a": other, "b": zero, "c": series(0, 0, 0.0000001)}) is None


def test_no_best_where_seeds_tell_nothing():
    assert best({"a": series(0.9), "b": series(0.5)}) is None
    assert best({"a": series(0.9, 0.91)}) is None
    assert best({}) is None
    assert best({"a": series(0.9, 0.91), "b": series(math.nan, math.nan)}) is None
    assert best({"a": series(0.9, 0.9, 0.9), "b": series(0.5, 0.5, 0.5)}) is None
    apart = {"a": pd.Series([0.9, 0.91], index=[0, 1]), "b": pd.Series([0.5, 0.52], index=[2, 3])}
    assert best(apart) is None


def test_p_in_words():
    assert [p_said(p) for p in (0.5, 0.04321, 0.001, 0.0009)] == ["p = 0.500", "p = 0.043", "p = 0.001", "p < 0.001"]
