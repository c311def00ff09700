"""The numbers that the figures show, read back from what matplotlib was told to draw."""

import pytest
from matplotlib.colors import to_rgba
from matplotlib.container import ErrorbarContainer

from analysis import figures, tables
from analysis.identity import OLD_RULES
from analysis.load import load
from analysis.registry import discover, entry
from analysis.style import KNOWN, PAPER, drawn
from results.errors import Skip

FIGURES = discover(figures)
TABLES = discover(tables)
EXPECTED = {"accuracy_vs_sparsity", "speedup_vs_sparsity", "accuracy_vs_speedup"}


@pytest.fixture
def draw(folder):
    def of(name, rows, **options):
        (setting,) = load(folder(rows, **options)).settings()
        with drawn():
            return FIGURES[name](setting.results if FIGURES[name].whole else setting)

    return of


def bars(axes):
    """Return the marks and the ends of the vertical intervals of each series in the axes."""
    found = []
    for container in axes.containers:
        assert isinstance(container, ErrorbarContainer)
        line, _, segments = container
        ends = [[y for _, y in segment] for segment in segments[-1].get_segments()]
        found.append((line.get_xdata(), line.get_ydata(), ends))
    return found


def three(make):
    """Three seeds with accuracies 90, 92, 94 %: mean 92, half-width 4.968."""
    return [make.trial(seed=i, test_top1=0.90 + 0.02 * i, speedup_b64=2.0) for i in range(3)]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_required_figures_are_there():
    assert set(FIGURES) >= EXPECTED
    assert set(TABLES) >= {"results", "accuracy", "k_level", "lam_auto"}
    assert set(FIGURES) >= {"groups_vs_epoch", "accuracy_vs_lam"}


@pytest.mark.parametrize("found", [*FIGURES.values(), *TABLES.values()], ids=lambda e: e.name)
def test_each_is_described_in_one_line_and_named_as_its_file(found):
    assert found.description.endswith(".")
    assert found.make.__module__.endswith(f".{found.name}")


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_figure_has_the_width_of_a_column_and_says_what_it_shows(draw, make, name):
    figure = draw(name, make.suite())
    heading = figure.get_suptitle()
    assert figure.get_figwidth() == PAPER.column
    assert heading.startswith("lenet5_caffe on digits, filter groups\n3 seeds, mean and 95 % t-interval")
    assert ("cpu, 2 threads" in heading) == ("speedup" in name)
    assert legend(figure)[-5:] == ["group_lasso", "l1_filter", "magnitude (element)", "wgsef", "random"]
    assert all(axes.get_xlabel() or axes is not figure.axes[-1] for axes in figure.axes)
    assert all(axes.get_ylabel() for axes in figure.axes)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_legend_and_the_heading_stay_off_the_axes_and_inside_the_figure(draw, make, name):
    rows = make.suite() + [make.trial(f"a_method_with_a_very_long_name_{i}") for i in range(12)]
    figure = draw(name, rows)
    figure.canvas.draw()
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    key, page = figure.legends[0].get_window_extent(), figure.bbox
    assert not any(key.overlaps(box) for box in boxes)
    assert key.x0 >= page.x0 and key.x1 <= page.x1 and key.y0 >= page.y0  # noqa: PT018
    assert all(box.height > 60 for box in boxes)


def test_accuracy_and_its_interval_by_hand(draw, make):
    figure = draw("accuracy_vs_sparsity", [*three(make), make.trial("dense", test_top1=0.98)])
    ((x, y, ends),) = bars(figure.axes[0])
    assert list(x) == pytest.approx([50])
    assert list(y) == pytest.approx([92])
    assert ends == [pytest.approx([92 - 4.96828, 92 + 4.96828], abs=1e-4)]
    dense = figure.axes[0].lines[0]
    assert list(dense.get_ydata()) == pytest.approx([98, 98])
    assert figure.get_suptitle().endswith(f"3 seeds, mean and 95 % t-interval\n{OLD_RULES}")


def test_the_dense_band_is_its_interval_and_ends_at_100(draw, make):
    rows = three(make) + [make.trial("dense", seed=i, test_top1=0.96 + 0.01 * i) for i in range(3)]
    (band,) = draw("accuracy_vs_sparsity", rows).axes[0].patches
    assert band.get_y() == pytest.approx(97 - 2.48414, abs=1e-4)
    assert band.get_y() + band.get_height() == pytest.approx(97 + 2.48414, abs=1e-4)
    rows += [make.trial("dense", seed=3, test_top1=1)]
    (band,) = draw("accuracy_vs_sparsity", rows).axes[0].patches
    assert band.get_y() + band.get_height() <= 100


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_one_seed_has_no_interval(draw, make, name):
    figure = draw(name, make.suite(seeds=1))
    assert "1 seed, hence no intervals" in figure.get_suptitle()
    for axes in figure.axes:
        assert not axes.patches
        assert all(low == high for _, _, ends in bars(axes) for low, high in ends)


def test_speedup_has_a_panel_for_each_batch_and_a_line_at_one(draw, make):
    rows = [make.trial(seed=i, speedup_b1=1 + i / 10, speedup_b64=2 + i) for i in range(3)]
    figure = draw("speedup_vs_sparsity", rows)
    assert [axes.get_ylabel() for axes in figure.axes] == ["Speedup, batch 1", "Speedup, batch 64"]
    assert [list(bars(axes)[0][1]) for axes in figure.axes] == [pytest.approx([1.1]), pytest.approx([3])]
    assert all(list(axes.lines[0].get_ydata()) == [1, 1] for axes in figure.axes)


def test_a_batch_that_was_not_measured_has_no_panel(draw, make):
    figure = draw("speedup_vs_sparsity", [make.trial(speedup_b1="")])
    assert [axes.get_ylabel() for axes in figure.axes] == ["Speedup, batch 64"]


def test_accuracy_over_speedup_by_hand(draw, make):
    figure = draw("accuracy_vs_speedup", [*three(make), make.trial("random", test_top1=0.5, speedup_b64="")])
    ((x, y, _),) = bars(figure.axes[0])
    assert (list(x), list(y)) == (pytest.approx([2]), pytest.approx([92]))
    assert figure.get_suptitle().endswith(f"not measured: random\n{OLD_RULES}")


def test_marks_are_set_aside_by_little(draw, make):
    figure = draw("accuracy_vs_sparsity", make.suite(keeps=(0.5, 0.05, 0.02)))
    for x, _, _ in bars(figure.axes[0]):
        assert list(x) == pytest.approx([50, 95, 98], abs=0.6)


def test_ticks_stand_at_the_sparsities_asked_for(draw, make):
    for keeps, ticks in (((0.5,), [50]), ((0.5, 0.25, 0.1), [50, 75, 90]), ((0.5, 0.03, 0.02), [50, 98])):
        (axes,) = draw("accuracy_vs_sparsity", make.suite(keeps=keeps, seeds=1)).axes
        assert sorted(axes.get_xticks()) == ticks


def test_colours_and_marks_are_those_of_the_methods(draw, make):
    for name in EXPECTED:
        for axes in draw(name, [*make.suite(), make.trial("wgsef", scope="network")]).axes:
            lines = [container[0] for container in axes.containers]
            assert to_rgba(KNOWN["wgsef"].colour) in {to_rgba(line.get_color()) for line in lines}
            assert {line.get_marker() for line in lines} == {KNOWN[method].mark for method in make.PRUNED}


@pytest.mark.parametrize("name", [*FIGURES, *TABLES])
def test_a_needed_column_that_is_absent_is_a_reason_to_skip(folder, make, name):
    found = (FIGURES | TABLES)[name]
    for need in {need for need in found.needs if "." not in need} - {"test_top1"}:
        columns = [column for column in make.COLUMNS if column != need]
        rows = [row | {"val_top1": 0.9, "groups_kept": row["groups"], "group_sparsity": 0} for row in make.suite()]
        folder(
            [{"trial": row["trial"], "phase": "sparsify", "epoch": 1, "nonzero_groups": "[1]"} for row in rows],
            columns=["trial", "phase", "epoch", "nonzero_groups"],
            name="epochs.csv",
        )
        (setting,) = load(folder(rows, columns=columns)).settings()
        with pytest.raises(Skip, match=f"no column {need}"):
            found(setting)


@pytest.mark.parametrize("name", FIGURES)
def test_dense_alone_makes_no_empty_figure(draw, make, name):
    with pytest.raises(Skip):
        draw(name, [make.trial("dense", speedup_b1="", speedup_b64="")])


def test_a_figure_of_a_user_may_read_epochs(folder, make, tmp_path):
    @entry("epochs.val_top1")
    def curve(setting):
        """Validation accuracy."""
        return len(setting.frame("epochs"))

    (setting,) = load(folder([make.trial(trial="a")])).settings()
    with pytest.raises(Skip, match=r"epochs\.csv has no column val_top1"):
        curve(setting)
    rows = [{"trial": name, "val_top1": 0.5} for name in ("a", "a", "other")]
    (setting,) = load(folder(rows, columns=["trial", "val_top1"], name="epochs.csv")).settings()
    assert curve(setting) == 2
    assert curve.description == "Validation accuracy."


def test_an_entry_without_a_description_is_refused():
    with pytest.raises(ValueError, match="needs a docstring"):
        entry()(lambda setting: None)
