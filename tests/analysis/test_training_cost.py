import math

import pytest
from matplotlib.container import ErrorbarContainer

from analysis.figures.training_cost import training_cost
from analysis.identity import OLD_RULES
from analysis.load import load
from analysis.plotting import save
from analysis.style import KNOWN, LOOKS, drawn
from results.errors import Skip


@pytest.fixture
def draw(folder):
    def of(rows, style="paper", **options):
        (setting,) = load(folder(rows, **options)).settings()
        with drawn(style):
            return training_cost(setting)

    return of


def marks(axes):
    """The marks of an axes: where, which, and how they are filled."""
    return {
        (line.get_marker(), line.get_fillstyle()): (line.get_xdata()[0], line.get_ydata()[0])
        for line in axes.lines
        if line.get_marker() not in ("", "None")
    }


def mark(method):
    return KNOWN[method].mark, "full"


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def small(figure):
    return " ".join(word for text in figure.texts for word in text.get_text().split())


def pair(make, seconds=(10, 20), dense=(10, 10), **cells):
    rows = [make.trial("dense", seed=i, test_top1=0.98, train_seconds=s) for i, s in enumerate(dense)]
    return rows + [make.trial(seed=i, test_top1=0.9 + i / 50, train_seconds=s, **cells) for i, s in enumerate(seconds)]


def test_the_time_is_a_multiple_of_that_of_the_control_of_the_same_seed(draw, make):
    figure = draw(pair(make, seconds=(10, 20), dense=(10, 40)))
    found = marks(figure.axes[0])
    assert found[mark("wgsef")] == pytest.approx((0.75, 91))
    assert found["*", "full"] == pytest.approx((1, 98))
    assert legend(figure) == ["dense control", "wgsef"]
    subject = "lenet5_caffe on digits, filter groups, keep 0.5"
    assert figure.get_suptitle() == f"{subject}\n2 seeds, mean and 95 % t-interval\n{OLD_RULES}"
    assert "other trials beside it" in small(figure)
    assert "cpu, 2 threads" in small(figure)


def test_intervals_lie_in_both_directions_and_no_time_is_below_zero(draw, make):
    figure = draw(pair(make, seconds=(10, 20)))
    (bars,) = [c for c in figure.axes[0].containers if isinstance(c, ErrorbarContainer) and len(c[2]) == 2]
    across, up = ([list(map(list, s)) for s in part.get_segments()] for part in bars[2])
    half = 12.7062 * math.sqrt(0.5) / math.sqrt(2)
    assert [x for x, _ in across[0]] == pytest.approx([0, 1.5 + half], abs=1e-3)
    assert [y for _, y in up[0]] == pytest.approx([91 - 2 * half, 100], abs=1e-3)
    assert figure.axes[0].get_xlim()[0] == 0


def test_one_seed_has_no_interval(draw, make):
    figure = draw(pair(make, seconds=(10,), dense=(10,)))
    assert "1 seed, hence no intervals" in figure.get_suptitle()
    for container in figure.axes[0].containers:
        for part in container[2]:
            assert all(list(a) == list(b) for a, b in part.get_segments())


def test_there_is_a_panel_for_each_keep_with_the_same_x(draw, make):
    rows = [row | {"train_seconds": 10} for row in make.suite()]
    figure = draw(rows)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["keep 0.5", "keep 0.25", "keep 0.1"]
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    assert all(len(marks(axes)) == 6 for axes in figure.axes)
    assert legend(figure)[-1] == "random"
    assert "magnitude (element)" in legend(figure)


def test_without_controls_the_time_is_in_seconds_and_there_is_no_dense_mark(draw, make):
    figure = draw(pair(make, dense=()))
    assert figure.axes[0].get_xlabel() == "Train time (s)"
    assert list(marks(figure.axes[0])) == [mark("wgsef")]
    assert marks(figure.axes[0])[mark("wgsef")] == pytest.approx((15, 91))
    assert "dense control" not in small(figure)


def test_the_control_is_of_the_same_machine_and_as_many_epochs_where_there_is_one(draw, make):
    rows = pair(make, seconds=(10,), dense=(5,))
    rows += [
        make.trial("dense", train_seconds=1, device="cuda"),
        make.trial("dense", train_seconds=2, dense_epochs=16, trial="long"),
    ]
    assert marks(draw(rows).axes[0])[mark("wgsef")][0] == pytest.approx(2)  # 8 + 8 + 3 epochs, not 16 + 8 + 3
    rows[-1] |= {"sparsify_epochs": 0}
    assert marks(draw(rows).axes[0])[mark("wgsef")][0] == pytest.approx(10 / 3.5)  # two of 19 epochs: their mean


def test_of_several_experiments_of_a_method_the_best_on_validation_is_drawn(draw, make):
    rows = pair(make, val_top1=0.5, seconds=(10,), dense=(10,))
    rows.append(make.trial(hyperparameters='{"lam": 1}', val_top1=0.6, test_top1=0.7, train_seconds=30))
    figure = draw(rows)
    assert marks(figure.axes[0])[mark("wgsef")] == pytest.approx((3, 70))
    assert "the best on validation" in small(figure)
    with pytest.raises(Skip, match="no val_top1 tells"):
        draw([row | {"val_top1": ""} for row in rows])


def test_an_experiment_with_more_seeds_goes_before(draw, make):
    rows = pair(make, val_top1=0.5)
    rows.append(make.trial(hyperparameters='{"lam": 1}', val_top1=0.6, test_top1=0.7, train_seconds=30))
    assert marks(draw(rows).axes[0])[mark("wgsef")] == pytest.approx((1.5, 91))


def test_two_groupings_of_one_method_are_two_marks(draw, make):
    rows = [*pair(make), make.trial(grouping="element", train_seconds=30), make.trial("random", train_seconds=5)]
    figure = draw(rows)
    assert legend(figure) == ["dense control", "wgsef", "wgsef (element)", "random"]
    assert (KNOWN["wgsef"].mark, "none") in marks(figure.axes[0])


def test_little_accuracy_is_not_made_to_look_like_much(draw, make):
    figure = draw([*pair(make, (10,), (10,)), make.trial("random", test_top1=0.9001, train_seconds=9)][1:])
    low, high = figure.axes[0].get_ylim()
    assert high - low == pytest.approx(1)


def test_what_has_no_time_is_named(draw, make):
    figure = draw([*pair(make), make.trial("random", train_seconds="")])
    assert "Not drawn, as without time or dense control: random." in small(figure)
    with pytest.raises(Skip):
        draw([make.trial("dense", train_seconds=3), make.trial()])


@pytest.mark.parametrize("style", LOOKS)
def test_nothing_overlaps_in_any_style(draw, make, style):
    figure = draw([row | {"train_seconds": 10 + row["seed"]} for row in make.suite()], style)
    figure.canvas.draw()
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    key = figure.legends[0].get_window_extent()
    assert not any(key.overlaps(box) for box in boxes)
    assert not any(a.overlaps(b) for a in boxes for b in boxes if a is not b)
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_the_file_is_the_same_each_time(draw, make, tmp_path):
    rows = [row | {"train_seconds": 10 + row["seed"]} for row in make.suite()]
    contents = [save(draw(rows), tmp_path / name, ["pdf"])[0].read_bytes() for name in "ab"]
    assert contents[0] == contents[1]
