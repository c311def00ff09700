import math

import pytest

from analysis.interpolation import AtLoss, Point, Tradeoff, accuracy_at, speedup_at_loss, tradeoff, tradeoffs
from analysis.load import load


def curve(*points, dense=0.98):
    return Tradeoff(dense, tuple(Point(*point) for point in points))


FALLING = curve((1, 0.98), (4, 0.90), (16, 0.80))
BENT = curve((1, 0.98), (3, 0.95), (2, 0.93), (4, 0.90))  # a smaller keep that was measured slower


@pytest.mark.parametrize(
    ("target", "expected"),
    [(1, 0.98), (2, 0.94), (4, 0.90), (8, 0.85), (16, 0.80), (0.9, math.nan), (16.1, math.nan)],
)
def test_accuracy_is_linear_in_the_logarithm_of_the_speedup_and_never_extrapolated(target, expected):
    assert accuracy_at(FALLING, target) == pytest.approx(expected, nan_ok=True)


def test_where_the_speedup_goes_back_the_first_crossing_from_the_dense_end_counts():
    assert accuracy_at(BENT, 2.5) == pytest.approx(0.98 - 0.03 * math.log(2.5) / math.log(3))
    assert accuracy_at(BENT, 4) == pytest.approx(0.90)


def test_equal_speedups_and_single_points_are_no_segment_to_divide_by():
    assert accuracy_at(curve((1, 0.98), (1, 0.95)), 1) == 0.98
    assert math.isnan(accuracy_at(curve((2, 0.9)), 2))
    assert math.isnan(accuracy_at(curve(), 2))


def test_the_speedup_at_a_loss_lies_where_the_segment_crosses():
    found = speedup_at_loss(curve((1, 0.98), (2, 0.98), (4, 0.96), (8, 0.99)), 1)
    assert found == (pytest.approx(2 * math.sqrt(2)), False)
    assert speedup_at_loss(FALLING, 8) == (pytest.approx(4), False)  # exactly on a point
    assert speedup_at_loss(FALLING, 4) == (pytest.approx(2), False)


def test_a_curve_that_never_loses_as_much_gives_a_lower_bound():
    assert speedup_at_loss(FALLING, 18) == (16, True)
    assert speedup_at_loss(curve((1, 0.98), (3, 0.98), (2.5, 0.98)), 1) == AtLoss(3, bound=True)


def test_the_largest_speedup_before_the_loss_may_lie_before_the_crossing():
    # From (3, 0.98) back to (2, 0.90): the crossing is below 3, which was reached without a loss.
    assert speedup_at_loss(curve((1, 0.98), (3, 0.98), (2, 0.90)), 1) == AtLoss(3)


def test_nothing_can_be_lost_where_nothing_is_known():
    assert math.isnan(speedup_at_loss(curve((2, 0.9), (4, 0.8), dense=math.nan), 1).speedup)
    assert math.isnan(speedup_at_loss(curve(), 1).speedup)


def test_the_curve_starts_at_the_dense_network_and_follows_keep(folder, make):
    rows = [
        make.trial(keep=0.1, test_top1=0.8, mac_speedup=9, dense_test_top1=0.97),
        make.trial(keep=0.5, test_top1=0.9, mac_speedup=2, dense_test_top1=0.97),
        make.trial(keep=0.5, test_top1=0.94, mac_speedup=4, dense_test_top1=0.97, trial="again"),
        make.trial(keep=0.25, test_top1=0.85, mac_speedup="", dense_test_top1=0.97),
        make.trial(keep=0.05, test_top1=0.5, mac_speedup=0, dense_test_top1=0.97),
    ]
    found = tradeoff(load(folder(rows)).trials, "mac_speedup", control=0.5)
    assert found.dense == pytest.approx(0.97)
    assert found.points == ((1, pytest.approx(0.97)), (3, pytest.approx(0.92)), (9, 0.8))


def test_the_dense_control_of_the_seed_stands_in_where_the_rows_do_not_tell(folder, make):
    rows = [make.trial("dense", seed=seed, test_top1=0.98 - seed / 100) for seed in (0, 1)]
    rows += [make.trial(seed=seed, mac_speedup=2, test_top1=0.9) for seed in (0, 1, 2)]
    (setting,) = load(folder(rows)).settings()
    found = tradeoffs(setting.pruned, "mac_speedup", setting.dense)
    assert [found[seed].dense for seed in (0, 1)] == [0.98, 0.97]
    assert math.isnan(found[2].dense)
    assert found[2].points == ((2, 0.9),)
    (setting,) = load(folder(rows[2:], columns=[c for c in make.COLUMNS if c != "dense_test_top1"])).settings()
    assert math.isnan(tradeoffs(setting.pruned, "mac_speedup", setting.dense)[0].dense)
