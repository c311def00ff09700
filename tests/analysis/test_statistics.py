import math

import pandas as pd
import pytest

from analysis.statistics import by_keep, estimate, over_seeds


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


def test_by_keep_starts_with_the_largest():
    rows = pd.DataFrame({"keep": [0.1, 0.5, 0.5], "seed": [0, 0, 1], "x": [5.0, 1.0, 3.0]})
    points = by_keep(rows, ["x"])
    assert list(points["keep"]) == [0.5, 0.1]
    assert list(points["x"]) == [2, 5]
    assert list(points["x_n"]) == [2, 1]
    assert points["x_half"][0] == pytest.approx(12.7062, abs=1e-4)
    assert math.isnan(points["x_half"][1])
