"""The tables results, accuracy and k_level, by hand; what every table says of choices and failures."""

import json

import pytest

from analysis.frame import load
from analysis.table import NOTHING, TIMES
from analysis.tables.area import AREA
from analysis.tables.at_speedup import AT_SPEEDUP
from analysis.tables.k_level import K_LEVEL
from analysis.tables.ranks import RANKS
from analysis.tables.results import ACCURACY, RESULTS
from analysis.tabulation import k_level
from analysis.wording import OLD_RULES
from results.errors import Skip
from results.reading import REQUIRED

SAID = "Configurations tried, best on validation per keep (of equals the milder): GMP 2, WGSEF 1."


@pytest.fixture
def table(folder):
    def of(entry, rows, **options):
        frame = load(folder(rows, **options))
        (subject,) = entry.subjects(frame)
        return entry(subject)

    return of


def texts(table, *columns):
    return table.shown[list(columns or table.headings)].to_numpy().tolist()


def three(make, method="wgsef", first=0.90, step=0.02, **cells):
    """Three seeds with top-1 90, 92, 94 % (deviation 2, half-width 4.97) and speedup 2.0, 2.1, 2.2 (0.1, 0.25)."""
    return [make.trial(method, seed=i, test_top1=first + step * i, speedup_b64=2 + 0.1 * i, **cells) for i in range(3)]


def lam(value):
    return json.dumps({"lam": value})


def tuned(make, keeps=(0.5, 0.25)):
    """gmp with two splits of which each is best at one keep; wgsef with one configuration."""
    rows = [make.second("wgsef", keep, hyperparameters=lam("bound"), test_top1=0.85) for keep in keeps]
    for keep in keeps:
        for split, better in (((8, 0, 3), 0.5), ((2, 6, 3), 0.25)):
            cells = {"val_top1": 0.95 if keep == better else 0.8, "test_top1": 0.9 if keep == better else 0.99}
            rows.append(make.second("gmp", keep, 0, split, **cells))
    return rows


def broken(row):
    empty = dict.fromkeys(("test_top1", "val_top1", "group_sparsity", "compression", "mac_speedup", "classes"), "")
    return row | empty | {"status": "failed", "reason": "loss is NaN"}


def test_results_by_hand(table, make):
    rows = three(make) + [make.trial("dense", seed=i, test_top1=0.98, speedup_b64="") for i in range(3)]
    found = table(RESULTS, rows)
    assert found.headings == ["keep", "method", "n", "top-1 (%)", "speedup", "compression", "k-level"]
    assert texts(found) == [
        ["1", "Dense", "3", "98.00 ± 0.00", NOTHING, f"1.00{TIMES}", NOTHING],
        ["0.5", "WGSEF", "3", "92.00 ± 2.00", "2.10 ± 0.10", f"2.00{TIMES}", "0/3"],
    ]
    assert found.data["method"].tolist() == ["dense", "wgsef"], "CSVs keep the code names"
    assert found.data["top-1 (%), standard deviation"].tolist() == pytest.approx([0, 2])
    assert found.caption.startswith("LeNet-5 (Caffe) on digits, filter groups. Mean ± standard deviation over 3 seeds.")
    assert "Speedup at batch 64 on cpu, 2 threads." in found.caption


def test_accuracy_by_hand(table, make):
    rows = [*three(make), make.trial(keep=0.1, test_top1=0.5), make.trial("random", keep=0.1, test_top1=0.25)]
    found = table(ACCURACY, [*rows, make.trial("dense")])
    assert found.headings == ["method", "keep 0.5", "keep 0.1"]
    assert texts(found) == [["WGSEF", "92.00 ± 2.00", "50.00"], ["Random", NOTHING, "25.00"]]
    assert "Dense: 98.00 (1 seed)." in found.caption
    assert "over 1 to 3 seeds, none for 1 seed." in found.caption
    with pytest.raises(Skip, match="no pruned trial"):
        table(ACCURACY, [make.trial("dense")])


@pytest.mark.parametrize(
    ("other", "seeds", "bold"),
    [
        ({"first": 0.91, "step": 0.01}, 3, False),
        ({"first": 0.80, "step": 0.021}, 3, True),
        ({"first": 0.80, "step": 0.021}, 1, False),
    ],
)
def test_the_best_is_bold_only_if_it_is_significantly_better(table, make, other, seeds, bold):
    free = three(make, "magnitude", 0.99, 0, grouping="element")
    rows = three(make) + three(make, "random", **other)[:seeds] + free
    for entry, heading in ((RESULTS, "top-1 (%)"), (ACCURACY, "keep 0.5")):
        found = table(entry, rows)
        assert found.bold == ({(1, heading)} if bold else set()), "magnitude has another grouping"
        assert found.caption.count("Bold: significantly above every other method of this keep and grouping") == bold


def test_bold_is_within_the_same_conditions_alone(table, make):
    rows = three(make) + three(make, "random", 0.80, 0.021) + three(make, "l1_filter", 0.99, 0, sparsify_epochs=20)
    found = table(RESULTS, rows)
    assert texts(found, "conditions", "method") == [
        ["19 epochs", "WGSEF"],
        ["19 epochs", "Random"],
        ["31 epochs", "L1 filters"],
    ]
    assert found.bold == {(0, "top-1 (%)")}
    assert "of this keep, these conditions and this grouping" in found.caption


def test_every_keep_is_a_block_in_which_it_is_said_once(table, make):
    found = table(RESULTS, make.suite())
    first = ["1", *(["0.5"] + [""] * 4), *(["0.25"] + [""] * 4), *(["0.1"] + [""] * 4)]
    assert [line.split("|")[1].strip() for line in found.markdown().splitlines()[4:]] == first
    assert [line.split("&")[0].strip() for line in found.latex("x").splitlines() if "&" in line][1:] == first


def test_dense_networks_under_several_conditions_have_rows_of_their_own(table, make):
    rows = [make.second("dense", split=(8, 0, 3), lr=lr, test_top1=top1) for lr, top1 in ((0.02, 0.9), (0.05, 0.95))]
    found = table(RESULTS, [*rows, make.second(lr=0.02)])
    assert texts(found, "keep", "conditions", "top-1 (%)")[:2] == [["1", "lr 0.02", "90.00"], ["1", "lr 0.05", "95.00"]]
    assert "Dense (lr 0.02): 90.00 (1 seed). Dense (lr 0.05)" in table(ACCURACY, [*rows, make.second(lr=0.02)]).caption


def test_columns_that_are_absent_become_dashes(table, make):
    found = table(RESULTS, make.suite(), columns=REQUIRED["trials"])
    assert texts(found, "speedup", "compression", "k-level")[1] == [NOTHING] * 3


# what was chosen


def test_results_says_what_was_chosen(table, make):
    rows = [make.second(hyperparameters=lam(v), val_top1=w, test_top1=0.7) for v, w in ((0.1, 0.9), ("bound", 0.8))]
    found = table(RESULTS, [*tuned(make, keeps=(0.25,)), *rows])
    assert texts(found, "keep", "method", "chosen") == [
        ["0.5", "WGSEF", "lam=0.1"],
        ["0.25", "GMP", "epochs 2+6+3"],
        ["0.25", "WGSEF", "lam=bound"],
    ]


@pytest.mark.parametrize("entry", [RESULTS, ACCURACY, AREA, AT_SPEEDUP, RANKS, K_LEVEL], ids=lambda one: one.name)
def test_every_caption_says_how_many_configurations_were_tried(table, make, entry):
    more = {"dense_test_top1": 0.99, "groups_target": "[10]", "groups_at_convergence": "[10]"}
    caption = table(entry, [row | {"mac_speedup": 1 / row["keep"]} | more for row in tuned(make)]).caption
    assert SAID.replace("keep", "problem" if entry.whole else "keep") in caption
    assert OLD_RULES not in caption


def test_without_validation_every_configuration_has_a_row(table, make):
    found = table(RESULTS, [row | {"val_top1": ""} for row in tuned(make, keeps=(0.5,))])
    assert texts(found, "method", "top-1 (%)") == [
        ["GMP (epochs 2+6+3)", "99.00"],
        ["GMP (epochs 8+0+3)", "90.00"],
        ["WGSEF", "85.00"],
    ]
    assert "chosen" not in found.headings


def test_old_configurations_are_all_shown(table, make):
    found = table(RESULTS, [make.trial(hyperparameters=lam(value), val_top1=0.9) for value in (0.1, 1)])
    assert texts(found, "method") == [["WGSEF (lam=0.1)"], ["WGSEF (lam=1)"]]
    assert "Configurations tried" not in found.caption, "as nothing was chosen"
    assert OLD_RULES in found.caption


# failures


def test_a_failed_seed_counts_as_chance(table, make):
    found = table(RESULTS, [make.second(test_top1=0.9), broken(make.second(seed=1))])
    assert texts(found, "n", "top-1 (%)") == [["2", "50.00 ± 56.57"]]
    assert "1 of 2 trials failed and counts as chance." in found.caption


def test_where_chance_is_unknown_a_failure_is_left_out(table, make):
    found = table(RESULTS, [*three(make), broken(make.trial(seed=3))])
    assert texts(found, "n") == [["3"]]
    assert "1 of 4 trials failed and is left out." in found.caption


def test_a_failure_stands_in_curves_where_its_others_stand(table, make):
    rows = [make.second(keep=k, seed=s, test_top1=0.9, mac_speedup=1 / k) for k in (0.5, 0.25) for s in (0, 1)]
    rows[-1] = broken(rows[-1])
    assert texts(table(AT_SPEEDUP, rows), f"mac 4{TIMES}")[0][0].startswith("50.00")


# the k-level


@pytest.mark.parametrize(
    ("left", "target", "share"),
    [
        ("[10, 25]", "[10, 25]", "1/1"),
        ("[12, 23]", "[10, 25]", "0/1"),
        ("[12, 23]", "[35]", "1/1"),
        ("[0, 35]", "[35]", "0/1"),  # the projection would bring a group of the empty family back
        ("[]", "[]", "0/1"),
        ("", "[35]", ""),
    ],
)
def test_the_k_level_by_layer_and_by_network(folder, make, left, target, share):
    assert k_level(load(folder([make.trial(groups_at_convergence=left, groups_target=target)])).trials) == share


def test_the_k_level_table_by_hand(table, make):
    left, drops = ("[10, 25]", "[10, 25]", "[11, 25]"), (0.0, -0.004, 0.125)
    rows = [
        row | {"groups_at_convergence": counts, "projection_drop": drop}
        for row, counts, drop in zip(three(make), left, drops, strict=True)
    ]
    rows += [make.trial("random", test_top1=0.5, projection_drop=-0.00001), make.trial("dense")]
    found = table(K_LEVEL, rows)
    assert found.headings[2:] == ["trials", "k-level", "groups above", "largest drop", "median top-1", "mean top-1"]
    assert texts(found) == [
        ["0.5", "WGSEF", "3", "2/3", "0.3", "12.50", "92.00", "92.00 ± 4.97"],
        ["0.5", "Random", "1", "0/1", "35.0", "0.00", "50.00", "50.00"],
    ]
    assert "(layer scope: in each family)" in found.caption
    with pytest.raises(Skip, match="has no pruned trial"):
        table(K_LEVEL, [make.trial("dense")])


def test_the_k_level_table_sets_groupings_and_conditions_apart(table, make):
    both = [{"scope": s, "grouping": g} for s in ("layer", "network") for g in ("filter", "element")]
    rows = [make.trial(method, **cells) for method in ("a", "b") for cells in both]
    rows += [make.second(keep=0.25, k_reached=1, groups_above=n, seed=n, grouping="filter") for n in (7, 4)]
    found = table(K_LEVEL, rows)
    assert found.blocks == ("keep", "grouping", "conditions")
    assert texts(found, "grouping", "method")[:8] == [[g, m] for g in ("single-weight", "filter") for m in "abab"]
    assert texts(found, "k-level", "groups above")[-1] == ["2/2", "5.5"]
    assert "layer scope: in each family; network scope: in all" in found.caption
    assert found.caption.startswith("LeNet-5 (Caffe) on digits: ")
