import math

import pandas as pd
import pytest

from analysis.frame import load
from analysis.table import NOTHING, TIMES
from analysis.tables.area import AREA, area
from results.errors import Skip


@pytest.fixture
def table(folder):
    def of(rows, **options):
        (setting,) = load(folder(rows, **options)).settings()
        return AREA(setting)

    return of


def texts(table):
    return table.shown.to_numpy().tolist()


def line(make, method="wgsef", seed=0, points=((0.5, 0.9), (0.25, 0.8), (0.1, 0.5)), **cells):
    return [
        make.trial(method, keep, seed, **{"test_top1": top1 - 0.02 * seed, "mac_speedup": 1 / keep} | cells)
        for keep, top1 in points
    ]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 2, 0.775), (0, 1, 0.95), (0.5, 1.5, 0.8375), (1, 1.5, 0.75), (-1, 1, math.nan), (0, 2.1, math.nan)],
)
def test_the_area_by_hand(low, high, expected):
    curve = pd.Series([1.0, 0.9, 0.3], index=[0.0, 1.0, 2.0])
    assert area(curve, low, high) == pytest.approx(expected, nan_ok=True)


def test_the_table_by_hand(table, make):
    found = table([*line(make), *line(make, seed=1)])
    sparsity = (0.25 * 0.85 + 0.15 * 0.65) / 0.4
    speedup = (math.log(2) * 0.85 + math.log(2.5) * 0.65) / math.log(5)
    assert found.headings == ["method", "over group sparsity (%)", "over log mac_speedup (%)"]
    assert texts(found) == [["WGSEF", f"{100 * sparsity - 1:.2f} ± 1.41", f"{100 * speedup - 1:.2f} ± 1.41"]]
    assert f"group sparsity 50.0 to 90.0 %; mac_speedup 2.00{TIMES} to 10.00{TIMES}." in found.caption
    assert "over 2 seeds." in found.caption
    without = table(line(make), columns=[column for column in make.COLUMNS if column != "mac_speedup"])
    assert without.headings == ["method", "over group sparsity (%)"]


def test_the_range_is_what_all_curves_share(table, make):
    found = table(line(make) + line(make, "random", points=((0.75, 0.9), (0.25, 0.7))))
    assert "group sparsity 50.0 to 75.0 %" in found.caption
    assert [row[1] for row in texts(found)] == ["85.00", "75.00"]


def test_masks_that_save_nothing_have_no_range_and_take_none_away(table, make):
    found = table(line(make) + line(make, "random") + line(make, "magnitude", grouping="element", mac_speedup=1))
    assert texts(found)[0][::2] == ["Magnitude (single-weight)", NOTHING]
    assert f"mac_speedup 2.00{TIMES} to 10.00{TIMES}" in found.caption
    assert "no curve over this range." in found.caption


def test_a_method_with_one_keep_is_named_and_left_out(table, make):
    found = table([*line(make), make.trial("random", 0.5)])
    assert [row[0] for row in texts(found)] == ["WGSEF"]
    assert "Left out, no curve over the range: Random." in found.caption


def test_bold_is_what_is_significantly_the_best(table, make):
    rows = [row for seed in range(3) for row in line(make, seed=seed)]
    worse = [row for seed in range(3) for row in line(make, "random", seed=seed)]
    worse = [row | {"test_top1": row["test_top1"] - 0.3 - 0.001 * (i // 3)} for i, row in enumerate(worse)]
    found = table(rows + worse)
    assert found.bold == {(0, heading) for heading in found.headings[1:]}
    assert "Nothing is bold" in table(rows).caption


def test_one_keep_alone_or_no_column_is_a_reason(table, make):
    with pytest.raises(Skip, match="one keep only"):
        table([make.trial(), make.trial("random")])
    columns = [column for column in make.COLUMNS if column not in ("group_sparsity", "mac_speedup")]
    with pytest.raises(Skip, match="neither group_sparsity nor mac_speedup"):
        table(make.suite(), columns=columns)
    with pytest.raises(Skip, match="share no range"):
        table(line(make, points=((0.9, 0.9), (0.8, 0.9))) + line(make, "random", points=((0.5, 0.9), (0.1, 0.9))))
    with pytest.raises(Skip):
        table([make.trial("dense")])
