"""Reading results folders: forgiving where it can be, one line where it cannot."""

import pandas as pd
import pytest

from analysis.compare import compare, report
from analysis.frame import load
from analysis.tables.ranks import RANKS
from results.columns import Epoch, Trial, names
from results.errors import InputError
from results.reading import read, with_images
from tests.analysis import conftest as make


@pytest.mark.parametrize("name", ["trials", "epochs"])
def test_a_row_that_was_cut_off_is_an_error(tmp_path, name):
    rows = [make.trial(seed=seed) for seed in range(3)]
    make.write(tmp_path, rows)
    make.write(tmp_path, [e for row in rows for e in make.epochs(row, [[20, 50]])], names(Epoch), "epochs.csv")
    path = tmp_path / f"{name}.csv"
    text = path.read_text()
    path.write_text(text[: text.rstrip().rindex(",")])
    with pytest.raises(InputError, match=rf"{name}.csv, row 3: \d+ cells, expected \d+ as in the header"):
        read(tmp_path, name)
    path.write_text(text)
    assert len(read(tmp_path, name)) == 3


def test_what_is_not_there_is_empty_and_what_is_not_known_is_left(tmp_path):
    make.write(tmp_path, [make.trial() | {"phase_of_moon": "new"}], columns=[*names(Trial), "phase_of_moon"])
    assert read(tmp_path, "epochs").empty
    assert "phase_of_moon" not in read(tmp_path)


def images(*rows):
    """What the trials are taken to have; the last one failed."""
    cells = [("s", "a", "done", *row) for row in rows[:-1]] + [("s", "a", "failed", *rows[-1])]
    columns = ["suite", "architecture", "status", "dataset", "train_images", "images"]
    return with_images(pd.DataFrame(cells, columns=columns))["train_images"].tolist()


NONE = float("nan")


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([("d", NONE, 48000), ("d", NONE, NONE)], [48000, 48000]),  # a failed row of today
        ([("d", 12000, 12000), ("d", 12000, NONE)], [12000, 12000]),
        ([("d", 48000, NONE), ("d", NONE, NONE)], [48000, 48000]),  # a file from before there were two columns
        ([("d", 12000, 12000), ("d", NONE, NONE)], [12000, NONE]),  # all of them is not what a limit says
        ([("d", NONE, 48000), ("e", NONE, NONE)], [48000, NONE]),
        ([("d", NONE, 48000), ("d", NONE, 50000), ("d", NONE, NONE)], [48000, 50000, NONE]),
    ],
)
def test_a_failed_trial_has_the_images_of_those_beside_it(rows, found):
    assert images(*rows) == pytest.approx(found, nan_ok=True)


@pytest.mark.parametrize("full", [48000, ""])
def test_a_method_that_fails_gains_no_rank(tmp_path, full):
    """Its failed rows say no number of images, those that are done do: by old files, or by a column of its own."""
    accuracies = {"wgsef": 0.95, "l1_filter": 0.9, "magnitude": 0.85}
    done = [
        make.second(m, keep, seed, test_top1=a - 0.1 * (1 - keep), train_images=full, images=48000, val_top1=a)
        for m, a in accuracies.items()
        for keep in (0.5, 0.1)
        for seed in range(3)
    ]
    lost = {"status": "failed", "test_top1": "", "val_top1": "", "train_images": "", "images": "", "classes": ""}
    failed = [r | lost if (r["method"], r["keep"]) == ("l1_filter", 0.1) else r for r in done]
    columns = [c for c in names(Trial) if full == "" or c != "images"]
    before, after = (
        RANKS(load(make.write(tmp_path / n, rows, columns))).data.set_index("method")["mean rank"]
        for n, rows in (("a", done), ("b", failed))
    )
    assert before["l1_filter"] == 2
    assert after["l1_filter"] == 2.5, "last where it failed"


def test_a_trial_that_failed_stays_the_trial_that_it_was(tmp_path):
    """`compare` puts it beside the one that is done, though it does not say how many images it had."""
    rows = [make.trial("wgsef", seed=seed, train_images=48000) for seed in range(3)]
    lost = [rows[0], *(r | {"status": "failed", "test_top1": "", "train_images": ""} for r in rows[1:])]
    a, b = (load(make.write(tmp_path / n, r)) for n, r in (("a", rows), ("b", lost)))
    said = report(compare(a, b))
    assert "done -> failed" in said
    assert "Only in" not in said
