"""Readings off curves of a few points, by hand."""

import math

import pytest

from analysis.frame import load
from analysis.interpolation import AtLoss, Point, Tradeoff, accuracy_at, speedup_at_loss, tradeoff, tradeoffs


def curve(*points, dense=0.98):
    return Tradeoff(dense, tuple(Point(*point) for point in points))


FALLING = curve((1, 0.98), (4, 0.90), (16, 0.80))
BENT = curve((1, 0.98), (3, 0.95), (2, 0.93), (4, 0.90))  # a smaller keep that was measured slower


@pytest.mark.parametrize(
    ("points", "target", "expected"),
    [
        *((FALLING, x, y) for x, y in ((1, 0.98), (2, 0.94), (4, 0.90), (8, 0.85), (16, 0.80))),
        *((FALLING, outside, math.nan) for outside in (0.9, 16.1)),
        (BENT, 2.5, 0.98 - 0.03 * math.log(2.5) / math.log(3)),  # the first crossing from the dense end
        (BENT, 4, 0.90),
        (curve((1, 0.98), (2, 0.9), (2, 0.8)), 2, 0.9),
        (curve((2, 0.9), (2, 0.8)), 2, 0.9),
        (curve((2, 0.9)), 2, math.nan),
        (curve(), 2, math.nan),
    ],
)
def test_accuracy_is_linear_in_the_logarithm_of_the_speedup_and_never_extrapolated(points, target, expected):
    assert accuracy_at(points, target) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("points", "loss", "expected"),
    [
        (curve((1, 0.98), (2, 0.98), (4, 0.96), (8, 0.99)), 1, AtLoss(2 * math.sqrt(2))),
        (FALLING, 8, AtLoss(4)),  # exactly on a point
        (FALLING, 4, AtLoss(2)),
        (FALLING, 18, AtLoss(16, bound=True)),
        (curve((1, 0.98), (3, 0.98), (2.5, 0.98)), 1, AtLoss(3, bound=True)),
        # from (3, 0.98) back to (2, 0.90): the crossing is below 3, which was reached without a loss
        (curve((1, 0.98), (3, 0.98), (2, 0.90)), 1, AtLoss(3)),
        (curve((2, 0.9), (4, 0.8), dense=math.nan), 1, AtLoss(math.nan)),
        (curve(), 1, AtLoss(math.nan)),
    ],
)
def test_the_speedup_at_a_loss_is_a_crossing_or_a_lower_bound(points, loss, expected):
    found = speedup_at_loss(points, loss)
    assert found.speedup == pytest.approx(expected.speedup, nan_ok=True)
    assert found.bound == expected.bound


def test_the_curve_starts_at_the_dense_network_and_follows_keep(folder, make):
    told = {"dense_test_top1": 0.97}
    rows = [
        make.trial(keep=0.1, test_top1=0.8, mac_speedup=9, **told),
        make.trial(keep=0.5, test_top1=0.9, mac_speedup=2, **told),
        make.trial(keep=0.5, test_top1=0.94, mac_speedup=4, trial="again", **told),
        make.trial(keep=0.25, test_top1=0.85, mac_speedup="", **told),
        make.trial(keep=0.05, test_top1=0.5, mac_speedup=0, **told),
    ]
    found = tradeoff(load(folder(rows)).trials, "mac_speedup", control=0.5)
    assert found.dense == pytest.approx(0.97)
    assert found.points == ((1, pytest.approx(0.97)), (3, pytest.approx(0.92)), (9, 0.8))


def test_the_dense_control_of_the_seed_stands_in_if_the_rows_do_not_tell(folder, make):
    rows = [make.trial("dense", seed=seed, test_top1=0.98 - seed / 100) for seed in (0, 1)]
    rows += [make.trial(seed=seed, mac_speedup=2, test_top1=0.9) for seed in (0, 1, 2)]
    (setting,) = load(folder(rows)).settings()
    found = tradeoffs(setting.pruned, "mac_speedup", setting.dense)
    assert [found[seed].dense for seed in (0, 1)] == [0.98, 0.97]
    assert math.isnan(found[2].dense)
    assert found[2].points == ((2, 0.9),)
