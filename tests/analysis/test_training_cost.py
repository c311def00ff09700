"""What training costs over the dense control, and the panels of it."""

import pytest

from analysis.figures.training_cost import TRAINING_COST
from analysis.frame import load
from analysis.plot.style import LOOKS, drawn
from results.errors import Skip


@pytest.fixture
def data(folder):
    return lambda rows: TRAINING_COST.data(next(load(folder(rows)).settings()))


def pair(make, seconds=(10, 20), dense=(10, 10), **cells):
    rows = [make.trial("dense", seed=i, test_top1=0.98, train_seconds=s) for i, s in enumerate(dense)]
    return rows + [make.trial(seed=i, test_top1=0.9 + i / 50, train_seconds=s, **cells) for i, s in enumerate(seconds)]


def suite(make):
    return [row | {"train_seconds": 10 + row["seed"]} for row in make.suite()]


def place(data, line="wgsef"):
    (row,) = data[data["line"] == line].itertuples()
    return row.x, row.y


def test_the_time_is_a_multiple_of_that_of_the_control_of_the_same_seed(data, make):
    found = data(pair(make, seconds=(10, 20), dense=(10, 40)))
    assert place(found) == pytest.approx((0.75, 91))
    assert place(found, "dense") == pytest.approx((1, 98))
    assert found.attrs["title"] == "LeNet-5 (Caffe) on digits, filter groups, keep 0.5"
    for said in ("n = 2 seeds", "over that of the dense control", "cpu, 2 threads, other trials beside it"):
        assert said in found.attrs["caption"]


def test_intervals_are_those_over_seeds(data, make):
    (row,) = data(pair(make))[lambda rows: rows["kind"] == "line"].itertuples()
    assert (row.x, row.x_low, row.x_high, row.y_half, row.n) == pytest.approx((1.5, 0, 7.8531, 12.7062, 2), abs=1e-4)
    assert "1 seed, hence no intervals" in data(pair(make, seconds=(10,), dense=(10,))).attrs["caption"]


def test_there_is_a_panel_for_each_keep_with_the_same_cost(data, make):
    found = data(suite(make))
    assert list(found["panel"].unique()) == ["keep 0.5", "keep 0.25", "keep 0.1"]
    assert (found.groupby("panel")["line"].nunique() == 6).all()
    assert "magnitude (element)" in set(found["line"])
    figure = TRAINING_COST.draw(found)
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    assert figure.axes[0].get_xlim()[0] >= 0


def test_several_budgets_have_a_panel_each_in_which_lines_go_from_keep_to_keep(data, make):
    rows = [make.trial(keep=k, scope=s, train_seconds=5) for k in (0.1, 0.5) for s in ("layer", "network")]
    found = data([*rows, make.trial("dense", train_seconds=10)])
    assert list(found["panel"].unique()) == ["layer scope", "network scope"]
    assert found.groupby(["panel", "kind"])["keep"].apply(list).to_dict() == {
        (panel, kind): keeps
        for panel in ("layer scope", "network scope")
        for kind, keeps in (("dense", [1.0]), ("line", [0.5, 0.1]))
    }


def test_without_controls_the_time_is_in_seconds_and_there_is_no_dense_mark(data, make):
    found = data(pair(make, dense=()))
    assert set(found["kind"]) == {"line"}
    assert place(found) == pytest.approx((15, 91))
    assert TRAINING_COST.draw(found).axes[0].get_xlabel() == "Train time (s)"
    assert "dense control" not in found.attrs["caption"]


@pytest.mark.parametrize(("sparsify", "cost"), [(8, 2), (0, 10 / 3.5)])  # of two as long as the trial the mean
def test_the_control_is_of_the_same_machine_and_as_many_epochs_if_there_is_one(data, make, sparsify, cost):
    rows = pair(make, seconds=(10,), dense=(5,))
    rows += [
        make.trial("dense", train_seconds=1, device="cuda"),
        make.trial("dense", train_seconds=2, dense_epochs=16, sparsify_epochs=sparsify, trial="long"),
    ]
    assert place(data(rows))[0] == pytest.approx(cost)


def test_of_several_configurations_the_best_on_validation_is_shown(data, make):
    rows = pair(make, val_top1=0.5, seconds=(10,), dense=(10,))
    rows.append(make.trial(hyperparameters='{"lam": 1}', val_top1=0.6, test_top1=0.7, train_seconds=30))
    rows[1]["hyperparameters"] = '{"lam": 2}'
    found = data(rows)
    assert place(found) == pytest.approx((3, 70))
    assert "WGSEF 2: no search is timed" in found.attrs["caption"]


def test_two_groupings_of_one_method_are_two_marks(data, make):
    found = data([*pair(make), make.trial(grouping="element", train_seconds=30), make.trial("random", train_seconds=5)])
    assert list(found["line"]) == ["random", "wgsef", "wgsef (element)", "dense"]
    assert found.set_index("line")["variant"]["wgsef (element)"] == 1


def test_little_accuracy_is_not_made_to_look_like_much(data, make):
    found = data([*pair(make, (10,), (10,)), make.trial("random", test_top1=0.9001, train_seconds=9)][1:])
    low, high = TRAINING_COST.draw(found).axes[0].get_ylim()
    assert high - low >= 1


def test_what_has_no_time_is_named(data, make):
    found = data([*pair(make), make.trial("random", train_seconds="")])
    assert "Without time or dense control: Random" in found.attrs["caption"]
    with pytest.raises(Skip, match="has train_seconds"):
        data([make.trial("dense", train_seconds=3), make.trial()])


@pytest.mark.parametrize("style", LOOKS)
def test_nothing_overlaps_in_any_style(data, make, style):
    with drawn(style):
        figure = TRAINING_COST.draw(data(suite(make)))
        figure.draw_without_rendering()
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    key = figure.legends[0].get_window_extent()
    assert not any(key.overlaps(box) for box in boxes)
    assert not any(a.overlaps(b) for a in boxes for b in boxes if a is not b)
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_the_caption_says_the_cost_in_multiply_adds(data, make):
    rows = pair(make)
    for row in rows:
        row["train_macs"] = 1000 if row["method"] == "dense" else 600 + 100 * row["seed"]
    assert "In multiply-adds of training, over the dense control: WGSEF 0.60 to 0.70" in data(rows).attrs["caption"]
    assert "multiply-adds of training" not in data(pair(make)).attrs["caption"]
