"""What the epochs of a regulariser take over ordinary ones."""

import math

import pytest

from analysis.figures.regulariser_overhead import REGULARISER_OVERHEAD
from analysis.frame import load
from analysis.plot.style import LOOKS, drawn
from results.errors import Skip


@pytest.fixture
def data(folder):
    def of(rows, epochs):
        folder(epochs, columns=["trial", "phase", "epoch", "seconds", "train_macs"], name="epochs.csv")
        return REGULARISER_OVERHEAD.data(next(load(folder(rows)).settings()))

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


def means(data):
    return data[data["kind"] == "mean"].set_index("line")["x"].to_dict()


def test_the_ratio_by_hand(data, make):
    (row,) = data(*suite(make)).itertuples()
    # medians 3 and 6 over 2: 1.5 and 3, the mean of whose logarithms is that of sqrt(4.5)
    middle, half = math.sqrt(4.5), 12.7062 * (math.log(2) / math.sqrt(2)) / math.sqrt(2)
    assert (row.line, row.n) == ("wgsef", 2)
    assert (row.x, row.x_low, row.x_high) == pytest.approx(
        (middle, middle * math.exp(-half), middle * math.exp(half)), rel=1e-4
    )


def test_the_caption_says_what_was_measured_and_how_noisy_it_was(data, make):
    rows, epochs = suite(make)
    random = make.trial("random", sparsify_epochs=0)
    found = data([*rows, random], epochs + timed(random, "finetune", 1))
    assert found.attrs["title"] == "LeNet-5 (Caffe) on digits"
    for said in (
        "validation apart, not of the proximal step alone",
        "n = 2 seeds",
        "Ordinary epochs: median 2 s, half of them in 2 to 2 s, n = 6",
        "cpu, 2 threads, other trials beside it",
        "Not training, hence not drawn: Random",
    ):
        assert said in found.attrs["caption"]
    assert "1 seed, hence no intervals" in data(*suite(make, seconds=((3, 3),))).attrs["caption"]


def test_a_control_that_only_fine_tunes_is_ordinary_training(data, make):
    """As if the dense network came from a file."""
    dense, trial = make.trial("dense", dense_epochs=0), make.trial()
    epochs = timed(dense, "finetune", 4, 4) + timed(trial, "sparsify", 6)
    assert means(data([dense, trial], epochs)) == {"wgsef": pytest.approx(1.5)}


def test_without_a_control_the_shared_dense_training_is_ordinary(data, make):
    trial, other = make.trial(), make.trial("l1_filter", sparsify_epochs=0)
    epochs = timed(trial, "sparsify", 6) + timed(other, "dense", 3, 3) + timed(other, "finetune", 1, 1)
    assert means(data([trial, other], epochs)) == {"wgsef": pytest.approx(2)}
    with pytest.raises(Skip, match="no ordinary epochs"):
        data([trial], timed(trial, "sparsify", 6))


def test_groupings_are_rows_and_trials_of_one_seed_are_averaged_first(data, make):
    rows, epochs = suite(make, seconds=((2, 2),))
    more = [make.trial(grouping="element"), make.trial("group_lasso"), make.trial(keep=0.1)]
    epochs += timed(more[0], "sparsify", 8) + timed(more[1], "sparsify", 4) + timed(more[2], "sparsify", 8)
    found = data([*rows, *more], epochs)
    expected = {"group_lasso (filter)": 2, "wgsef (element)": 4, "wgsef (filter)": 2}
    assert means(found) == pytest.approx(expected)
    assert list(found["line"].unique()) == list(expected)
    assert sorted(found["x"][found["kind"] == "trial"]) == pytest.approx([1, 4])


def test_epochs_without_a_time_do_not_count(data, make):
    assert means(data(*suite(make, seconds=((3, 3, ""),)))) == {"wgsef": pytest.approx(1.5)}


def test_nothing_that_trains_is_a_reason(data, make):
    dense, random = make.trial("dense"), make.trial("random")
    with pytest.raises(Skip, match=r"no method of LeNet-5 \(Caffe\) on digits has a sparsify phase"):
        data([dense, random], timed(dense, "dense", 1) + timed(random, "finetune", 1))


@pytest.mark.parametrize("style", LOOKS)
def test_rows_are_named_and_nothing_overlaps_in_any_style(data, make, style):
    rows, epochs = suite(make)
    extra = [make.trial(m, grouping=g, seed=s) for m in make.PRUNED for g in ("element", "filter") for s in (0, 1)]
    extra = [row for row in extra if row["trial"] not in {one["trial"] for one in rows}]
    for i, row in enumerate(extra):
        epochs += timed(row, "sparsify", 2 + 5 * i)
    with drawn(style):
        figure = REGULARISER_OVERHEAD.draw(data(rows + extra, epochs))
        figure.draw_without_rendering()
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert "WGSEF (single-weight)" in [label.get_text() for label in axes.get_yticklabels()]
    assert not figure.legends[0].get_window_extent().overlaps(axes.get_tightbbox())
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        boxes = [label.get_window_extent() for label in labels]
        assert not any(a.overlaps(b) for a in boxes for b in boxes if a is not b)


def test_epochs_of_a_smaller_network_are_no_overhead(data, make):
    dense, trial = make.trial("dense"), make.trial()
    spent = timed(trial, "sparsify", 3, 5, 0.5, 0.1)
    for epoch, macs in zip(spent, (100, 100, 60, 10), strict=True):
        epoch["train_macs"] = macs
    assert means(data([dense, trial], timed(dense, "finetune", 2, 2) + spent)) == {"wgsef": pytest.approx(2)}
