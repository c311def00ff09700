import math

import pytest

from analysis.figures.regulariser_overhead import regulariser_overhead
from analysis.load import load
from analysis.style import KNOWN, LOOKS, drawn
from results.errors import Skip

EPOCHS = ["trial", "phase", "epoch", "seconds"]


@pytest.fixture
def draw(folder):
    def of(rows, epochs, style="paper"):
        folder(epochs, columns=EPOCHS, name="epochs.csv")
        (setting,) = load(folder(rows)).settings()
        with drawn(style):
            return regulariser_overhead(setting)

    return of


def timed(row, phase, *seconds):
    return [{"trial": row["trial"], "phase": phase, "epoch": i, "seconds": s} for i, s in enumerate(seconds, start=1)]


def suite(make, seconds=((3, 2, 4), (6, 6, 6)), ordinary=2):
    """A dense control and a wgsef for each seed, with the seconds of its sparsify epochs."""
    rows, epochs = [], []
    for seed, spent in enumerate(seconds):
        dense, trial = make.trial("dense", seed=seed), make.trial(seed=seed)
        rows += [dense, trial]
        epochs += timed(dense, "dense", ordinary, ordinary) + timed(dense, "finetune", ordinary)
        epochs += timed(trial, "sparsify", *spent) + timed(trial, "finetune", 0.1)
    return rows, epochs


def means(axes):
    """The mean of each row, by its y."""
    return {
        int(line.get_ydata()[0]): line.get_xdata()[0]
        for line in axes.lines
        if line.get_marker() in {style.mark for style in KNOWN.values()} - {"", "None"} and len(line.get_xdata()) == 1
        and line.get_ydata()[0] == int(line.get_ydata()[0])
    }  # fmt: skip


def rows_of(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def small(figure):
    return "\n".join(text.get_text() for text in figure.texts)


def test_the_ratio_by_hand(draw, make):
    figure = draw(*suite(make))
    (axes,) = figure.axes
    # Medians 3 and 6 over 2: 1.5 and 3, the mean of whose logarithms is that of sqrt(4.5).
    assert means(axes) == {0: pytest.approx(math.sqrt(4.5))}
    assert rows_of(axes) == ["wgsef"]
    assert axes.get_xscale() == "log"
    assert any(list(line.get_xdata()) == [1, 1] for line in axes.lines)
    ((interval,),) = [part.get_segments() for part in axes.containers[0][2]]
    half = 12.7062 * (math.log(2) / math.sqrt(2)) / math.sqrt(2)
    assert [x for x, _ in interval] == pytest.approx(
        [math.exp(math.log(math.sqrt(4.5)) + sign * half) for sign in (-1, 1)], rel=1e-4
    )


def test_the_heading_says_what_was_measured_and_the_notes_how_noisy_it_was(draw, make):
    rows, epochs = suite(make)
    random = make.trial("random", sparsify_epochs=0)
    figure = draw([*rows, random], epochs + timed(random, "finetune", 1))
    heading = figure.get_suptitle()
    assert heading.startswith("lenet5_caffe on digits\nwall-clock of whole epochs, not the proximal step alone")
    assert "2 seeds, 95 % t-interval" in heading
    assert "Ordinary epochs: median 2 s, half of them in 2 to 2 s." in small(figure)
    assert "cpu, 2 threads, other trials beside it" in small(figure)
    assert "Not training, hence not drawn: random." in small(figure)


def test_one_seed_has_no_interval(draw, make):
    figure = draw(*suite(make, seconds=((3, 3),)))
    assert "1 seed, hence no intervals" in figure.get_suptitle()
    assert not figure.axes[0].containers
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["geometric mean", "ordinary training"]


def test_a_control_that_only_fine_tunes_is_ordinary_training(draw, make):
    """As where the dense network comes from a file."""
    dense, trial = make.trial("dense", dense_epochs=0), make.trial()
    epochs = timed(dense, "finetune", 4, 4) + timed(trial, "sparsify", 6)
    assert means(draw([dense, trial], epochs).axes[0]) == {0: pytest.approx(1.5)}


def test_without_a_control_the_shared_dense_training_is_ordinary(draw, make):
    trial, other = make.trial(), make.trial("l1_filter", sparsify_epochs=0)
    epochs = timed(trial, "sparsify", 6) + timed(other, "dense", 3, 3) + timed(other, "finetune", 1, 1)
    assert means(draw([trial, other], epochs).axes[0]) == {0: pytest.approx(2)}
    with pytest.raises(Skip, match="no ordinary epochs"):
        draw([trial], timed(trial, "sparsify", 6))


def test_groupings_are_rows_and_trials_of_one_seed_are_averaged_first(draw, make):
    rows, epochs = suite(make, seconds=((2, 2),))
    more = [make.trial(grouping="element"), make.trial("group_lasso"), make.trial(keep=0.1)]
    epochs += timed(more[0], "sparsify", 8) + timed(more[1], "sparsify", 4) + timed(more[2], "sparsify", 8)
    figure = draw([*rows, *more], epochs)
    assert rows_of(figure.axes[0]) == ["group_lasso, filter", "wgsef, element", "wgsef, filter"]
    assert means(figure.axes[0]) == {0: pytest.approx(2), 1: pytest.approx(4), 2: pytest.approx(2)}
    (dots,) = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 2 and line.get_marker() == "o"]
    assert sorted(dots.get_xdata()) == pytest.approx([1, 4])


def test_epochs_without_a_time_do_not_count(draw, make):
    rows, epochs = suite(make, seconds=((3, 3, ""),))
    assert means(draw(rows, epochs).axes[0]) == {0: pytest.approx(1.5)}


def test_nothing_that_trains_is_a_reason(draw, make):
    dense, random = make.trial("dense"), make.trial("random")
    with pytest.raises(Skip, match="no method of lenet5_caffe on digits has a sparsify phase"):
        draw([dense, random], timed(dense, "dense", 1) + timed(random, "finetune", 1))


@pytest.mark.parametrize("style", LOOKS)
def test_nothing_overlaps_in_any_style(draw, make, style):
    rows, epochs = suite(make)
    extra = [make.trial(m, grouping=g, seed=s) for m in make.PRUNED for g in ("element", "filter") for s in (0, 1)]
    extra = [row for row in extra if row["trial"] not in {one["trial"] for one in rows}]
    for i, row in enumerate(extra):
        epochs += timed(row, "sparsify", 2 + 5 * i)
    figure = draw(rows + extra, epochs, style)
    figure.canvas.draw()
    (axes,) = figure.axes
    assert not figure.legends[0].get_window_extent().overlaps(axes.get_tightbbox())
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        boxes = [label.get_window_extent() for label in labels]
        assert not any(a.overlaps(b) for a in boxes for b in boxes if a is not b)
