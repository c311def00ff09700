"""The figures of a trade-off: their points by hand, panels, ranges, published numbers."""

import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from analysis.figures.tradeoffs import FIGURES
from analysis.frame import load
from analysis.plot.style import KNOWN, PAPER, drawn, published_styles
from analysis.published import CAUTION, COMES_WITH_KLEVEL, published, source_notes
from results.columns import Published, names
from results.errors import InputError, Skip

ENTRIES = {entry.name: entry for entry in FIGURES}
RATIOS = ["accuracy_vs_compression", "accuracy_vs_mac_speedup"]
METHODS = ("random", "wgsef", "group_lasso")
HEADER = ",".join(names(Published))
ROWS = [
    "l1_filter (pruned-A),lenet5_caffe,digits,0.93,0.95,2.0,1.5,,Li 2017,,",
    "l1_filter (pruned-B),lenet5_caffe,digits,0.93,0.94,4.0,,,Li 2017,,",
    "fpgm,lenet5_caffe,digits,,0.92,3.0,,0.4,He 2019,best epoch on test,one run",
    "fpgm,vgg16,digits,,0.1,3.0,,,He 2019,,",
    "hrank,lenet5_caffe,digits,,0.91,,2.5,,,,",
]


@pytest.fixture
def setting(folder, tmp_path):
    def of(rows, literature=(), **options):
        (tmp_path / "published.csv").write_text("\n".join([HEADER, *literature]) + "\n")
        (found,) = load(folder(rows, **options)).settings()
        return found

    return of


def data(name, frame):
    return ENTRIES[name].data(frame)


def figure(name, frame):
    with drawn():
        made = ENTRIES[name](frame)
        made.draw_without_rendering()
        return made


def legend(made):
    return [text.get_text() for text in made.legends[0].get_texts()]


def several(make, keeps=(0.5, 0.1)):
    """Three methods under two scopes and two budgets, with accuracies that tell where they belong; dense: 11 epochs.

    random is one-shot: 8 dense and 3 epochs of fine-tuning make the same 11 as 8 to sparsify and 3.
    """
    rows = [make.trial("dense", test_top1=0.98, sparsify_epochs=0)]
    for s, scope in enumerate(("layer", "network")):
        for long in (True, False):
            for m, method in enumerate(METHODS):
                cut = {"dense_epochs": 0, "sparsify_epochs": 8 if long else 3, "finetune_epochs": 3, "start": "scratch"}
                if method == "random":
                    cut |= {"dense_epochs": cut["sparsify_epochs"], "sparsify_epochs": 0, "start": "dense"}
                for keep in keeps:
                    top1 = round(0.9 - 0.2 * s - 0.1 * (not long) - 0.01 * m, 4)
                    rows.append(make.trial(method, keep, scope=scope, test_top1=top1, trial=str(len(rows)), **cut))
    return rows


def test_accuracy_and_its_interval_by_hand(setting, make):
    # 90, 92, 94 %: mean 92, half-width t(0.975; 2) * 2 / sqrt(3) = 4.968
    rows = [make.trial(seed=i, test_top1=0.90 + 0.02 * i, speedup_b64=2.0) for i in range(3)]
    found = data("accuracy_vs_speedup", setting([*rows, make.trial("dense", test_top1=0.98)]))
    line, dense = found.iloc[0], found.iloc[1]
    assert (line["line"], line["x"], line["y"], line["n"]) == ("wgsef", 2, pytest.approx(92), 3)
    assert line["y_half"] == pytest.approx(4.96828, abs=1e-4)
    assert (dense["kind"], dense["y"]) == ("dense", pytest.approx(98))
    caption = found.attrs["caption"]
    assert caption.startswith("Mean and 95 % t-interval, n = 3 seeds. Timed on cpu, 2 threads.")
    assert caption.endswith("Protocol 1: epoch splits not tuned, see docs/protocol.md.")


@pytest.mark.parametrize("name", ENTRIES)
def test_above_a_figure_stands_its_setting_and_nothing_else(setting, make, name):
    rows = [row | {"mac_speedup": 1.5 / row["keep"]} for row in make.suite()]
    made = figure(name, setting(rows))
    assert made.get_suptitle() == "LeNet-5 (Caffe) on digits, filter groups"
    assert made.get_figwidth() == pytest.approx(PAPER.column)
    assert legend(made)[-5:] == ["Group lasso", "L1 filters", "Magnitude (single-weight)", "WGSEF", "Random"]
    assert "n = 3 seeds" in made.get_label()
    boxes, key = [axes.get_tightbbox() for axes in made.axes], made.legends[0].get_window_extent()
    assert not any(key.overlaps(box) for box in boxes)
    assert made.axes[0].get_ylabel()
    assert made.axes[-1].get_xlabel()


@pytest.mark.parametrize("name", ENTRIES)
def test_one_seed_has_no_interval(setting, make, name):
    rows = [row | {"mac_speedup": 1.5 / row["keep"]} for row in make.suite(seeds=1)]
    found = data(name, setting(rows))
    assert found["y_half"].isna().all()
    assert found.attrs["caption"].startswith("1 seed, hence no intervals.")


def test_experiments_become_panels_by_scope_and_total_budget(setting, make):
    found = data("accuracy_vs_sparsity", setting(several(make)))
    of = found[found["kind"] == "line"].groupby("panel")["y"].agg(lambda y: sorted({round(v, 4) for v in y}))
    assert dict(of) == {
        "layer scope, 11 epochs": [88, 89, 90],
        "layer scope, 6 epochs": [78, 79, 80],
        "network scope, 11 epochs": [68, 69, 70],
        "network scope, 6 epochs": [58, 59, 60],
    }
    assert sorted(found["panel"][found["kind"] == "dense"]) == ["layer scope, 11 epochs", "network scope, 11 epochs"]
    made = figure("accuracy_vs_sparsity", setting(several(make)))
    assert made.get_figwidth() == pytest.approx(PAPER.page)
    assert len({axes.get_ylim() for axes in made.axes}) == 1
    assert [bool(axes.get_ylabel()) for axes in made.axes] == [True, False, False, False]
    assert legend(made) == ["Dense", "Group lasso", "WGSEF", "Random"]


def test_speedup_has_a_row_of_panels_for_each_batch_that_was_measured(setting, make):
    rows = [make.trial(seed=i, speedup_b1=1 + i / 10, speedup_b64=2 + i) for i in range(3)]
    found = data("speedup_vs_sparsity", setting(rows))
    assert dict(zip(found["quantity"], found["y"], strict=True)) == {
        "speedup_b1": pytest.approx(1.1),
        "speedup_b64": pytest.approx(3),
    }
    assert len(figure("speedup_vs_sparsity", setting(several(make))).axes) == 8
    one = data("speedup_vs_sparsity", setting([make.trial(speedup_b1="")]))
    assert set(one["quantity"]) == {"speedup_b64"}


def test_sparsity_is_logarithmic_in_what_is_kept_where_its_end_is_crowded(setting, make):
    crowded = data("accuracy_vs_sparsity", setting(make.suite(keeps=(0.5, 0.25, 0.1, 0.05))))
    assert crowded.attrs["scale"] == "kept"
    assert sorted({round(x, 6) for x in crowded["x"].dropna()}) == [5, 10, 25, 50]
    (axes,) = figure("accuracy_vs_sparsity", setting(make.suite(keeps=(0.5, 0.25, 0.1, 0.05)))).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["95", "90", "75", "50"]
    assert axes.get_xlim()[0] > axes.get_xlim()[1], "more sparsity to the right"
    plain = data("accuracy_vs_sparsity", setting(make.suite(keeps=(0.75, 0.5, 0.25))))
    assert plain.attrs["scale"] == "linear"


def test_a_network_that_fell_out_does_not_set_the_range(setting, make):
    rows = [row | {"test_top1": 0.1} if (row["method"], row["keep"]) == ("wgsef", 0.1) else row for row in make.suite()]
    frame = setting(rows)
    found = data("accuracy_vs_sparsity", frame)
    assert "Below the axis (arrows): WGSEF at keep 0.1: 10.0 %" in found.attrs["caption"]
    (axes,) = figure("accuracy_vs_sparsity", frame).axes
    assert axes.get_ylim()[0] > 50
    assert any(line.get_marker() == "v" and line.get_clip_on() is False for line in axes.lines), (
        "an arrow stands for it"
    )


def test_an_interval_that_is_cut_is_said(setting, make):
    rows = [
        row | {"test_top1": (1.0, 0.92, 0.84)[row["seed"]]} if row["method"] == "wgsef" else row for row in make.suite()
    ]
    assert "Cut by the axis: the interval of WGSEF" in data("accuracy_vs_sparsity", setting(rows)).attrs["caption"]


def test_lines_under_one_another_are_said(setting, make):
    rows = [make.trial(m, k, test_top1=0.9) for m in ("wgsef", "group_lasso") for k in (0.5, 0.1)]
    assert "Under one another: Group lasso, WGSEF" in data("accuracy_vs_sparsity", setting(rows)).attrs["caption"]


def test_of_more_than_eight_lines_the_others_are_grey(setting, make):
    rows = [make.trial(f"m{i}", keep, test_top1=0.5 + i / 50) for i in range(11) for keep in (0.5, 0.1)]
    made = figure("accuracy_vs_sparsity", setting([*rows, make.trial("random", test_top1=0.4)]))
    assert legend(made) == [f"m{i}" for i in (10, *range(4, 10))] + ["Random", "others"]
    assert "In grey: m0, m1, m2, m3." in made.get_label()


@pytest.mark.parametrize("name", RATIOS)
def test_a_ratio_lies_on_a_logarithmic_axis(setting, make, name):
    rows = [make.trial(keep=keep, test_top1=0.9, mac_speedup=1 / keep) for keep in (0.5, 0.1)]
    (axes,) = figure(name, setting([*rows, make.trial("dense")])).axes
    assert axes.get_xscale() == "log"
    assert list(axes.get_xticks()) == [2, 4, 8]


@pytest.mark.parametrize("name", RATIOS)
def test_zeros_in_place_gain_nothing(setting, make, name):
    with pytest.raises(Skip, match="is 1 for every pruned trial"):
        data(name, setting([make.trial(compression=1, mac_speedup=1.001)]))
    with pytest.raises(Skip, match="is 0 for every pruned trial"):
        data(name, setting([make.trial(compression=0, mac_speedup=0)]))


def test_what_was_not_measured_is_named_and_devices_are_apart(setting, make):
    rows = [make.trial(), make.trial(seed=1, device="cuda"), make.trial("random", speedup_b64="")]
    found = data("accuracy_vs_speedup", setting(rows))
    assert list(found["line"]) == ["wgsef (cpu)", "wgsef (cuda)"]
    assert "Not measured: Random." in found.attrs["caption"]


def test_a_row_of_another_tool_stands_in_every_panel_over_multiply_adds(setting, make):
    rows = [row | {"mac_speedup": 1 / row["keep"]} for row in several(make)]
    tool = {"protocol": 0, "scope": "", "sparsify_epochs": "", "grouping": "coupled", "suite": "tool"}
    found = data("accuracy_vs_mac_speedup", setting([*rows, make.trial("depgraph", mac_speedup=3, **tool)]))
    theirs = found[found["line"] == "depgraph (coupled)"]
    assert len(theirs) == found["panel"].nunique() == 4


# numbers from the literature


def test_published_numbers_lie_where_they_say_with_their_sources_in_the_caption(setting, make):
    frame = setting([make.trial(mac_speedup=2.5)], ROWS)
    found = data("accuracy_vs_mac_speedup", frame)
    theirs = found[found["kind"] == "published"]
    assert list(zip(theirs["line"], theirs["x"], theirs["y"], strict=True)) == [
        ("l1_filter (pruned-A) [1]", 2, 95),
        ("l1_filter (pruned-B) [1]", 4, 94),
        ("fpgm [2]", 3, 92),
    ]
    caption = found.attrs["caption"]
    assert f"{CAUTION}. Published: [1] Li 2017; [2] He 2019. Selected: best epoch on test (fpgm)." in caption
    assert "Notes: fpgm (92.00 %): one run." in caption
    names_ = legend(figure("accuracy_vs_mac_speedup", frame))
    assert names_ == ["WGSEF", "L1 filters (pruned-A) [1]", "L1 filters (pruned-B) [1]", "fpgm [2]"]
    assert source_notes(published(frame, "speedup_b64")) == []


def test_looks_are_of_the_house_or_grey_and_all_differ():
    looks = published_styles(["l1_filter (A)", "l1_filter (B)", "fpgm", "hrank"], {})
    assert looks["l1_filter (A)"] == KNOWN["l1_filter"]
    assert looks["l1_filter (B)"].colour == KNOWN["l1_filter"].colour
    assert len(set(looks.values())) == 4
    assert looks["fpgm"].colour == looks["hrank"].colour


def test_many_on_little_height_are_drawn_again_enlarged(setting, make):
    lines = [f"m{i},lenet5_caffe,digits,,{0.93 + i / 500},{1 + i},,,S,," for i in range(5)]
    rows = [make.trial(test_top1=0.5, mac_speedup=2.0), make.trial("dense", test_top1=0.9)]
    whole, part = figure("accuracy_vs_mac_speedup", setting(rows, lines)).axes
    low, high = part.get_ylim()
    assert 92.8 < low < 93 < 93.8 < high < 94
    (box,) = (patch for patch in whole.patches if not patch.get_fill())
    assert (box.get_y(), box.get_x()) == pytest.approx((low, part.get_xlim()[0]))
    assert to_rgba(box.get_edgecolor()) == to_rgba("#777777")
    assert len(figure("accuracy_vs_mac_speedup", setting(rows, lines[:4])).axes) == 1


def test_which_file_counts(setting, make, tmp_path, folder):
    frame = setting([make.trial()], ROWS)
    assert list(published(frame)["method"])[-1] == "hrank"
    mine = tmp_path / "mine.csv"
    mine.write_text(f"{HEADER}\nmine,lenet5_caffe,digits,,0.5,,,,,,\n")
    (frame,) = load(tmp_path / "results", published=mine).settings()
    assert list(published(frame)["method"]) == ["mine"]
    (frame,) = load(tmp_path / "results", published=tmp_path / "absent.csv").settings()
    with pytest.raises(InputError, match=r"absent\.csv cannot be opened"):
        published(frame)
    (tmp_path / "published.csv").unlink()
    (frame,) = load(folder([make.trial(architecture="resnet56", dataset="cifar10")])).settings()
    assert len(published(frame)) == 14, "the file that comes with klevel"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,lenet5_caffe,digits,,93.4,,,,,,", r"published.csv, row 1, top1: '93.4', expected a fraction in \[0, 1\]"),
        ("a,lenet5_caffe,digits,,0.9,fast,,,,,", "row 1, mac_speedup: 'fast', expected a number of at least 0"),
        (",lenet5_caffe,digits,,0.9,,,,,,", "row 1, method: empty, every row needs it"),
    ],
)
def test_a_bad_cell_is_one_clear_line(setting, make, line, message):
    with pytest.raises(InputError, match=message) as error:
        published(setting([make.trial()], [line]))
    assert "\n" not in str(error.value)


def test_the_corrected_rows_come_with_klevel():
    rows = pd.read_csv(COMES_WITH_KLEVEL)
    of = rows[rows["architecture"] == "resnet56"].set_index("method")
    assert of.loc["hrank", ["top1", "mac_speedup", "compression"]].tolist() == [0.9317, 2.0, 1.74]
    assert of.loc[["fpgm (mix 40 %)", "fpgm (only 40 %)"], "top1"].tolist() == [0.9326, 0.9349]
    torch_pruning = rows["source"].str.contains("Torch-Pruning|DepGraph, repository table")
    assert (rows.loc[torch_pruning, "selection"] == "best epoch on test").all()
    assert rows.loc[~torch_pruning, "selection"].isna().all()
    foreign = (rows["architecture"] == "vgg16_plain") | (rows["dataset"].isin(["imagenet", "mnist"]))
    assert rows.loc[foreign, "note"].notna().all()
