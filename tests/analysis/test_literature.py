"""Published numbers beside ours, cell by cell."""

import pytest

from analysis.load import load
from analysis.table import NOTHING, TIMES
from analysis.tables.literature import HEADINGS, literature
from results.errors import Skip

HEADER = "method,architecture,dataset,dense_top1,top1,mac_speedup,compression,group_sparsity,source,selection,note"
ROWS = [
    "slow,lenet5_caffe,digits,0.9304,0.9310,1.12,1.10,,Li 2017,best epoch on test,one run",
    "unknown,lenet5_caffe,digits,,0.91,,,,,,",
    "slowest,lenet5_caffe,digits,0.95,0.9,1.01,,,Anon,,",
]


@pytest.fixture
def setting(folder, tmp_path):
    def of(rows, lines=ROWS):
        (tmp_path / "published.csv").write_text("\n".join([HEADER, *lines]) + "\n")
        (found,) = load(folder(rows)).settings()
        return found

    return of


def texts(rows):
    return [[cell.text for cell in row] for row in rows]


def test_every_cell_by_hand(setting, make):
    rows = [make.trial(seed=i, test_top1=0.90 + 0.02 * i, mac_speedup=2 + i) for i in range(3)]
    rows += [make.trial("random", test_top1=0.5), make.trial("dense", sparsify_epochs=0, test_top1=0.98)]
    rows = [row | {"dense_epochs": 0, "start": "scratch"} if row["method"] == "wgsef" else row for row in rows]
    found = literature(setting(rows))
    assert found.headings == HEADINGS
    assert texts(found.rows[:3]) == [
        ["slowest", "Anon", NOTHING, "95.00", "90.00", "-5.00", f"1.01{TIMES}", NOTHING, NOTHING],
        [
            "slow",
            "Li 2017 (one run)",
            "best epoch on test",
            "93.04",
            "93.10",
            "+0.06",
            f"1.12{TIMES}",
            f"1.10{TIMES}",
            NOTHING,
        ],
        ["unknown", NOTHING, NOTHING, NOTHING, "91.00", NOTHING, NOTHING, NOTHING, NOTHING],
    ]
    assert texts(found.rows[3:]) == [
        [
            "wgsef",
            "ours, keep 0.5",
            "last epoch",
            "98.00",
            "92.00 ± 2.00",
            "-6.00",
            f"3.00{TIMES}",
            f"2.00{TIMES}",
            "3",
        ],
        ["random", "ours, keep 0.5", "last epoch", "98.00", "50.00", "-48.00", NOTHING, f"2.00{TIMES}", "1"],
    ]
    assert len(found.blocks) == 2


def test_the_caption_says_that_budgets_differ(setting, make):
    rows = [make.trial(train_images=1000), make.trial("random", train_images=1000, sparsify_epochs=0)]
    text = literature(setting(rows)).caption
    assert "do not compare directly" in text
    assert "Ours: 11 to 19 epochs, 1,000 training images;" in text
    assert "(1 seed; one has none)" in text
    given = [make.trial(dense_epochs=0, start="dense")]
    assert "after a dense network that was given" in literature(setting(given)).caption


def test_without_dense_there_is_no_change(setting, make):
    (row,) = literature(setting([make.trial()])).blocks[1]
    assert [row[3].text, row[5].text] == [NOTHING, NOTHING]


def test_nothing_published_or_nothing_of_ours_is_skipped(setting, make):
    with pytest.raises(Skip, match=r"published\.csv has nothing on lenet5_caffe on digits"):
        literature(setting([make.trial()], lines=["a,vgg16,digits,,0.9,,,,,,"]))
    with pytest.raises(Skip, match="no pruned trial"):
        literature(setting([make.trial("dense")]))
