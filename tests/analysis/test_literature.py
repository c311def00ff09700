"""Published numbers beside ours, cell by cell."""

import pytest

from analysis.frame import load
from analysis.table import NOTHING, TIMES
from analysis.tables.literature import LITERATURE
from results.errors import Skip

HEADER = "method,architecture,dataset,dense_top1,top1,mac_speedup,compression,group_sparsity,source,selection,note"
ROWS = [
    "slow,lenet5_caffe,digits,0.9304,0.9310,1.12,1.10,,Li 2017,best epoch on test,one run",
    "unknown,lenet5_caffe,digits,,0.91,,,,,,",
    "l1_filter,lenet5_caffe,digits,0.95,0.9,1.01,,,Anon,,",
]


@pytest.fixture
def table(folder, tmp_path):
    def of(rows, lines=ROWS):
        (tmp_path / "published.csv").write_text("\n".join([HEADER, *lines]) + "\n")
        (found,) = load(folder(rows)).settings()
        return LITERATURE(found)

    return of


def test_every_cell_by_hand(table, make):
    rows = [make.trial(seed=i, test_top1=0.90 + 0.02 * i, mac_speedup=2 + i) for i in range(3)]
    rows += [make.trial("random", test_top1=0.5), make.trial("dense", sparsify_epochs=0, test_top1=0.98)]
    found = table(rows)
    assert found.headings[:5] == ["numbers", "method", "source", "selection", "dense (%)"]
    assert found.shown.to_numpy().tolist() == [
        ["published", "L1 filters", "Anon", NOTHING, "95.00", "90.00", "-5.00", f"1.01{TIMES}", NOTHING, NOTHING],
        [
            *("published", "slow", "Li 2017 (one run)", "best epoch on test", "93.04", "93.10", "+0.06"),
            *(f"1.12{TIMES}", f"1.10{TIMES}", NOTHING),
        ],
        ["published", "unknown", *[NOTHING] * 3, "91.00", *[NOTHING] * 4],
        [
            *("ours", "WGSEF", "keep 0.5", "last epoch", "98.00", "92.00 ± 2.00", "-6.00"),
            *(f"3.00{TIMES}", f"2.00{TIMES}", "3"),
        ],
        ["ours", "Random", "keep 0.5", "last epoch", "98.00", "50.00", "-48.00", NOTHING, f"2.00{TIMES}", "1"],
    ]
    assert found.starts == [3]


def test_groupings_and_conditions_are_said_and_dense_is_the_control(table, make):
    rows = [make.second("dense", split=(8, 0, 3), lr=lr, test_top1=top1) for lr, top1 in ((0.02, 0.9), (0.05, 0.95))]
    rows += [make.second(m, lr=0.02, grouping=g) for m in ("a", "b") for g in ("filter", "element")]
    rows.append(make.second("a", lr=0.05))
    found = table(rows).shown.iloc[3:]
    assert sorted(zip(found["method"], found["source"], found["dense (%)"], strict=True)) == [
        ("a", "filter groups, lr 0.02, keep 0.5", "90.00"),
        ("a", "filter groups, lr 0.05, keep 0.5", "95.00"),
        ("a", "single-weight groups, lr 0.02, keep 0.5", "90.00"),
        ("b", "filter groups, lr 0.02, keep 0.5", "90.00"),
        ("b", "single-weight groups, lr 0.02, keep 0.5", "90.00"),
    ]


def test_the_caption_says_that_budgets_differ(table, make):
    text = table([make.trial(train_images=1000), make.trial("random", train_images=1000, sparsify_epochs=0)]).caption
    assert "Not to be compared directly" in text
    assert "Ours: 11 to 19 epochs, 1,000 training images. 1 seed, hence no standard deviation." in text
    assert "after a dense network that was given" in table([make.trial(dense_epochs=0, start="dense")]).caption


def test_without_dense_there_is_no_change(table, make):
    assert table([make.trial()]).shown[["dense (%)", "change"]].iloc[3].tolist() == [NOTHING, NOTHING]


def test_nothing_published_or_nothing_of_ours_is_skipped(table, make):
    with pytest.raises(Skip, match=r"published\.csv has nothing on LeNet-5 \(Caffe\) on digits"):
        table([make.trial()], lines=["a,vgg16,digits,,0.9,,,,,,"])
    with pytest.raises(Skip, match="no pruned trial"):
        table([make.trial("dense")])
