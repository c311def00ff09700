"""The rules of protocol 2: recipes apart, configurations chosen, failures as chance, controls from scratch."""

import json
import math

import pytest

from analysis.choice import few
from analysis.contest import contests, in_order, method_of, variant_of
from analysis.control import controls
from analysis.experiments import experiments
from analysis.figures.accuracy_vs_lam import accuracy_vs_lam
from analysis.figures.accuracy_vs_sparsity import accuracy_vs_sparsity
from analysis.figures.critical_difference import critical_difference
from analysis.figures.exactness_vs_lam import ROWS, exactness_vs_lam
from analysis.figures.groups_vs_epoch import groups_vs_epoch
from analysis.figures.performance_profile import performance_profile
from analysis.figures.training_cost import training_cost
from analysis.identity import DENSE_RECIPE, IDENTITY, OLD_RULES, RECIPE
from analysis.load import load
from analysis.series import dense_series, pruned_series
from analysis.style import drawn
from analysis.table import NOTHING, TIMES
from analysis.tables.accuracy import accuracy
from analysis.tables.area import area
from analysis.tables.at_speedup import at_speedup
from analysis.tables.k_level import k_level
from analysis.tables.lam_auto import lam_auto
from analysis.tables.ranks import ranks
from analysis.tables.results import results as results_table
from analysis.tuning import chosen
from results.columns import Trial, kind, names
from results.errors import Skip

KEEPS = (0.5, 0.25)


@pytest.fixture
def results(folder):
    return lambda rows, **options: load(folder(rows, **options))


@pytest.fixture
def setting(results):
    def only(rows, **options):
        (found,) = results(rows, **options).settings()
        return found

    return only


def texts(table):
    return [[cell.text for cell in row] for row in table.rows]


def heading(make_figure, subject):
    with drawn():
        figure = make_figure(subject)
        figure.canvas.draw()
    return figure, " ".join(figure.get_suptitle().split())


def lam(value, **more):
    return json.dumps({"lam": value} | more)


def tuned(make, keeps=KEEPS, seeds=(0,)):
    """gmp with two splits of which each is best at one keep; wgsef with one configuration; magnitude as a control."""
    rows = []
    for seed in seeds:
        for keep in keeps:
            for split, better in (((8, 0, 3), 0.5), ((2, 6, 3), 0.25)):
                cells = {"val_top1": 0.95 if keep == better else 0.8, "test_top1": 0.9 if keep == better else 0.99}
                own = json.dumps({"finetune_epochs": split[2]})
                rows.append(make.second("gmp", keep, seed, split, hyperparameters=own, **cells))
            rows.append(make.second("wgsef", keep, seed, hyperparameters=lam("bound"), test_top1=0.85))
    return rows


# 1: columns


def test_the_columns_of_the_recipe_are_read(results, make):
    trials = results([make.second(lr=1e-5, finetune_lr="", k_reached=1, groups_above=0, train_macs=1.5e12)]).trials
    assert set(RECIPE) <= set(names(Trial))
    row = trials.iloc[0]
    assert (row["lr"], row["optimizer"], row["k_reached"], row["train_macs"]) == (1e-5, "sgd", 1, 1.5e12)
    assert math.isnan(row["finetune_lr"])


# 2: identity


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("lr", (0.02, 0.05), ["lr 0.02", "lr 0.05"]),
        ("optimizer", ("adamw", "sgd"), ["adamw", "sgd"]),
        ("schedule_over", ("phase", "trial"), ["one schedule per phase", "one schedule per trial"]),
        ("augmentation", ("crop+flip", ""), ["augmentation crop+flip", "no augmentation"]),
        ("measure", ("gamma", "raw"), ["groups measured gamma", "groups measured raw"]),
    ],
)
def test_two_recipes_are_two_lines_that_say_what_differs(setting, make, column, values, said):
    rows = [make.second(trial=f"trial {value}", **{column: value}) for value in values]
    assert [one.label for one in pruned_series(setting(rows))] == [f"wgsef ({words})" for words in said]


def test_a_recipe_that_is_shared_is_not_said(setting, make):
    rows = [make.second(), make.second(seed=1), make.trial("random"), make.second("random", split=(8, 8, 3))]
    assert [one.label for one in pruned_series(setting(rows))] == [
        "wgsef",
        "random (protocol=1)",
        "random (protocol=2)",
    ]


def test_every_column_of_the_recipe_is_in_every_identity(results, make):
    assert set(RECIPE) <= set(IDENTITY)
    for column in RECIPE:
        other = "other" if kind(Trial, column).words == "text" else 0.5 if column == "label_smoothing" else 7
        rows = [make.second(m, k, trial=f"{m}{k}") for m in ("wgsef", "gmp") for k in KEEPS]
        rows += [row | {"trial": f"{row['trial']} again", column: other} for row in rows]
        (contest,) = contests(results(rows))
        assert len(contest.scores) == 4, column


def test_a_dense_network_is_that_of_the_same_rate(setting, make):
    rows = [make.second("dense", split=(8, 0, 3), lr=lr, test_top1=top1) for lr, top1 in ((0.02, 0.9), (0.05, 0.95))]
    found = setting([*rows, make.second(lr=0.02, measure="gamma")])
    assert [one.label for one in dense_series(found)] == ["dense (lr 0.02)", "dense (lr 0.05)"]
    assert list(controls(found, found.pruned.iloc[0])["test_top1"]) == [0.9]
    assert "measure" not in DENSE_RECIPE


def test_crowded_recipes_become_panels_titled_by_what_differs(setting, make):
    methods = ("a", "b", "c", "d")
    rows = [make.second(m, lr=lr) for m in methods for lr in (0.02, 0.05)]
    rows += [make.second("dense", split=(8, 0, 3), lr=lr) for lr in (0.02, 0.05)]
    found = experiments(setting(rows)).found
    assert [one.title for one in found] == ["lr 0.02", "lr 0.05"]
    assert [set(one.setting.dense["lr"]) for one in found] == [{0.02}, {0.05}]


# 3: configurations


def test_the_best_configuration_is_chosen_for_each_keep_split_and_all(setting, make):
    found = chosen(setting(tuned(make)))
    gmp = found.pruned[found.pruned["method"] == "gmp"]
    assert list(gmp["test_top1"]) == [0.9, 0.9]
    assert found.choice == "Configurations tried, best on validation per keep (of equals the milder): gmp 2, wgsef 1"
    (one, other) = pruned_series(found)
    assert (one.label, other.label) == ("gmp", "wgsef")
    assert set(one.rows["epochs"]) == {11}


def test_a_method_may_be_best_on_the_mean_over_seeds_alone(setting, make):
    rows = [make.second(hyperparameters=lam(1), seed=s, val_top1=v, test_top1=0.5) for s, v in enumerate((0.9, 0.5))]
    rows += [make.second(hyperparameters=lam("bound"), seed=s, val_top1=0.8, test_top1=0.6) for s in range(2)]
    assert set(chosen(setting(rows)).pruned["test_top1"]) == {0.6}


def test_only_what_had_as_many_epochs_competes(setting, make):
    rows = [make.second(split=split, val_top1=v) for split, v in (((0, 8, 3), 0.9), ((0, 20, 3), 0.99))]
    found = chosen(setting([*rows, make.second(split=(4, 4, 3), val_top1=0.8)]))
    assert sorted(found.pruned["epochs"]) == [11, 23]
    assert [one.label for one in pruned_series(found)] == ["wgsef (11 epochs)", "wgsef (23 epochs)"]
    assert found.choice.endswith("per keep (of equals the milder): wgsef 1 to 2")


def test_without_validation_nothing_is_chosen(setting, make):
    rows = [row | {"val_top1": ""} for row in tuned(make)]
    found = setting(rows)
    assert len(chosen(found).pruned) == len(found.pruned)
    assert chosen(found).choice == ""


def test_old_rows_stay_as_they_are(setting, make):
    rows = [make.trial(hyperparameters=lam(value), val_top1=0.9) for value in (0.1, 1)]
    found = setting(rows)
    assert chosen(found) is found
    assert [row[1] for row in texts(results_table(found))] == ["wgsef (lam=0.1)", "wgsef (lam=1)"]


SAID = "Configurations tried, best on validation per keep (of equals the milder): gmp 2, wgsef 1"


def test_the_table_of_results_says_what_was_chosen(setting, make):
    rows = [make.second(hyperparameters=lam(v), val_top1=w, test_top1=0.7) for v, w in ((0.1, 0.9), ("bound", 0.8))]
    found = results_table(setting([*tuned(make, keeps=(0.25,)), *rows]))
    assert [row[:2] for row in texts(found)] == [
        ["0.5", "wgsef (lam=0.1)"],
        ["0.25", "gmp (epochs 2+6+3)"],
        ["0.25", "wgsef (lam=bound)"],
    ]


@pytest.mark.parametrize("table", [results_table, accuracy, area, at_speedup, ranks])
def test_every_caption_says_how_many_configurations_were_tried(results, setting, make, table):
    rows = [row | {"mac_speedup": 1 / row["keep"], "dense_test_top1": 0.99} for row in tuned(make)]
    caption = table(results(rows) if table.whole else setting(rows)).caption
    assert SAID.replace("keep", "problem" if table.whole else "keep") + "." in caption
    assert OLD_RULES not in caption


@pytest.mark.parametrize("figure", [accuracy_vs_sparsity, training_cost, performance_profile, critical_difference])
def test_every_heading_says_how_many_configurations_were_tried(results, setting, make, figure):
    rows = [row | {"train_seconds": 5} for row in tuned(make)] + [
        make.second("dense", split=(8, 0, 3), train_seconds=4)
    ]
    _, words = heading(figure, results(rows) if figure.whole else setting(rows))
    assert SAID.replace("keep", "problem" if figure.whole else "keep") in words
    assert OLD_RULES not in words


def test_groups_over_epochs_are_those_of_the_chosen(folder, make):
    rows = tuned(make, keeps=(0.5,))[:3]
    rows[0] = rows[0] | {"sparsify_epochs": 8, "dense_epochs": 0}
    path = folder(rows)
    epochs = [line for row in rows for line in make.epochs(row, [(20, 50), (10, 25)] * (row["sparsify_epochs"] // 2))]
    make.write(path, epochs, make.EPOCHS, "epochs.csv")
    (found,) = load(path).settings()
    figure, words = heading(groups_vs_epoch, found)
    assert [text.get_text() for text in figure.legends[0].get_texts()][:2] == ["gmp", "wgsef"]
    assert SAID in words


def test_k_level_shows_the_chosen_where_it_is_crowded(setting, make):
    rows = [make.second(hyperparameters=lam(i), val_top1=i / 20) for i in range(1, 9)]
    assert [row[1] for row in texts(k_level(setting(rows)))] == ["wgsef"]
    assert len(texts(k_level(setting(rows[:7])))) == 7
    assert "wgsef 8." in k_level(setting(rows)).caption


def test_bound_is_a_word_and_competes_with_the_numbers(setting, make):
    rows = [make.second(hyperparameters=lam(v), val_top1=0.9, test_top1=0.8) for v in (0.01, 0.1, 1)]
    rows.append(make.second(hyperparameters=lam("bound"), val_top1=0.95, test_top1=0.85))
    figure, _ = heading(accuracy_vs_lam, setting(rows))
    assert [text.get_text() for text in figure.legends[0].get_texts()][:2] == ["wgsef", "wgsef, lam bound"]
    assert list(figure.axes[0].containers[0][0].get_xdata()) == [0.01, 0.1, 1]
    assert list(chosen(setting(rows)).pruned["test_top1"]) == [0.85]
    assert "wgsef 4" in chosen(setting(rows)).choice


def test_bound_is_set_beside_the_best_number(setting, make):
    rows = [make.second(hyperparameters=lam(v), val_top1=w, test_top1=0.8) for v, w in ((0.01, 0.9), (0.1, 0.8))]
    found = lam_auto(setting([*rows, make.second(hyperparameters=lam("bound"), test_top1=0.85)]))
    assert found.headings[2:5] == ["best lam", "its top-1", "bound top-1"]
    assert texts(found)[0][2:6] == ["0.01", "80.00", "85.00", "+5.00"]


# 4: failures


def broken(row, reason="loss is NaN", **cells):
    empty = dict.fromkeys(("test_top1", "val_top1", "group_sparsity", "compression", "mac_speedup", "classes"), "")
    return row | empty | {"status": "failed", "reason": reason} | cells


def test_a_failed_seed_counts_as_chance(setting, make):
    rows = [make.second(seed=0, test_top1=0.9), broken(make.second(seed=1))]
    found = results_table(setting(rows))
    assert texts(found)[0][2:4] == ["2", "50.00 ± 56.57"]
    assert "1 of 2 trials failed and counts as chance." in found.caption


def test_a_collapsed_trial_counts_as_chance_and_not_as_what_it_reached(results, make):
    rows = [make.second(seed=0, test_top1=0.9), broken(make.second(seed=1), "collapsed: 0.13", test_top1=0.13)]
    found = results(rows)
    assert list(found.counted["test_top1"]) == [0.9, 0.1]
    assert list(found.trials["test_top1"]) == [0.9, 0.13]


def test_where_the_classes_are_unknown_a_failure_is_left_out(results, make):
    found = results([make.trial(), broken(make.trial(seed=1), test_top1=0.13), make.second(dataset="mnist")])
    assert len(found.counted) == 2
    assert found.chance == {"mnist": 0.1}
    mixed = results([*found.trials.to_dict("records")[:0], make.trial(), broken(make.trial(seed=1)),
                     make.second(dataset="mnist"), broken(make.second(dataset="mnist", seed=1))])  # fmt: skip
    assert mixed.remarks[0] == "2 of 4 trials failed: 1 of them as chance, 1 left out"


def test_a_skipped_trial_stays_skipped(results, make):
    found = results([make.second(), make.second(seed=1, status="skipped", test_top1="", classes="")])
    assert len(found.counted) == 1
    assert found.remarks == []


def test_a_failure_costs_in_ranks_and_in_the_choice(results, make):
    rows = [make.second(m, k, s, test_top1=t) for m, t in (("wgsef", 0.9), ("gmp", 0.8)) for k in KEEPS for s in (0, 1)]
    rows = [broken(row) if row["method"] == "wgsef" and row["seed"] else row for row in rows]
    (contest,) = contests(results(rows))
    assert contest.scores["wgsef"].tolist() == pytest.approx([0.5, 0.5])
    assert contest.ranks["gmp"] == 1
    lucky = [make.second(hyperparameters=lam(1), seed=s, val_top1=0.99, test_top1=0.99) for s in (0, 1)]
    safe = [make.second(hyperparameters=lam(2), seed=s, val_top1=0.8, test_top1=0.8) for s in (0, 1)]
    (found,) = results([lucky[0], broken(lucky[1]), *safe]).settings()
    assert set(chosen(found).pruned["test_top1"]) == {0.8}


def test_a_failure_stands_in_curves_where_its_others_stand(setting, make):
    rows = [make.second(keep=k, seed=s, test_top1=0.9, mac_speedup=1 / k) for k in KEEPS for s in (0, 1)]
    rows = [broken(row) if row["keep"] == 0.25 and row["seed"] else row for row in rows]
    figure, words = heading(accuracy_vs_sparsity, setting(rows))
    (line,) = (c[0] for c in figure.axes[0].containers)
    assert list(line.get_ydata()) == pytest.approx([90, 50])
    assert "1 of 4 trials failed and counts as chance" in words
    found = at_speedup(setting(rows))
    assert texts(found)[0][found.headings.index(f"mac 4{TIMES}")].startswith("50.00")


# 5: the controls from scratch


def controls_from_scratch(make, keeps=KEEPS):
    rows = []
    for keep in keeps:
        rows.append(make.second("wgsef", keep, test_top1=0.9))
        rows.append(make.second("random", keep, split=(8, 0, 3), test_top1=0.6))
        scratch = {"split": (0, 0, 11), "start": "scratch"}
        rows.append(make.second("random", keep, **scratch, test_top1=0.7, trained_epochs=11))
        rows.append(make.second("random", keep, **scratch, equal="macs", test_top1=0.8, trained_epochs=30))
    return rows


NAMES = ["random", "random (from scratch)", "random (from scratch, equal macs)"]


def test_the_controls_from_scratch_are_contenders_and_series_of_their_own(results, make):
    found = results(controls_from_scratch(make))
    (contest,) = contests(found)
    assert contest.contenders == [*NAMES, "wgsef"]
    assert len(contest.scores) == 2
    assert [method_of(name) for name in NAMES] == ["random"] * 3
    assert [variant_of(name) for name in NAMES] == [0, 1, 2]
    assert in_order(contest.contenders) == ["wgsef", *NAMES]
    (here,) = found.settings()
    assert [one.label for one in pruned_series(here)] == ["wgsef", *NAMES]
    assert [row[0] for row in texts(accuracy(here))] == ["wgsef", *NAMES]
    figure, _ = heading(accuracy_vs_sparsity, here)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["wgsef", *NAMES]
    for figure in (performance_profile, critical_difference):
        heading(figure, found)


def test_a_control_from_scratch_alone_is_named_as_such(setting, make):
    rows = [row for row in controls_from_scratch(make) if row["start"] == "scratch" and row["equal"] == "epochs"]
    assert [one.label for one in pruned_series(setting(rows))] == ["random (from scratch)"]


def test_few_never_lets_one_control_stand_for_another(setting, make):
    rows = [make.second(f"m{i}") for i in range(5)] + controls_from_scratch(make, (0.5,))[1:]
    series = pruned_series(setting(rows))
    assert len(few(series)) == len(series) == 8


# 7: what a strength buys


def strengths(make, seeds=(0, 1), **more):
    """Exactly k from lam 1 on; 35 groups are k, and 7 and 3.5 too many below: 20 and 10 % of k."""
    rows = []
    for seed in seeds:
        for value, exact, above, drop, top1 in ((0.01, 0, 7, 0.03, 0.9), (0.1, seed, 3, 0.01, 0.88), (1, 1, 0, 0, 0.8)):
            cells = {"k_reached": exact, "groups_above": above, "projection_drop": drop, "test_top1": top1}
            rows.append(make.second(seed=seed, hyperparameters=lam(value), **cells | more))
    return rows


def test_exactness_by_hand(setting, make):
    bound = make.second(hyperparameters=lam("bound"), k_reached=1, groups_above=0, projection_drop=0, test_top1=0.85)
    figure, words = heading(exactness_vs_lam, setting([*strengths(make), bound]))
    assert len(figure.axes) == len(ROWS) == 4
    found = [list(axes.containers[0][0].get_ydata()) for axes in figure.axes]
    assert found == [
        pytest.approx([0, 50, 100]),
        pytest.approx([20, 100 * 3 / 35, 0]),
        pytest.approx([3, 1, 0]),
        pytest.approx([90, 88, 80]),
    ]
    assert figure.axes[0].get_xscale() == "log"
    levels = [axes.lines[-2].get_ydata()[0] for axes in figure.axes]
    assert levels == pytest.approx([100, 0, 0, 85])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["wgsef", "wgsef, lam bound"]
    assert "1 to 2 seeds" in words or "2 seeds" in words


def test_exactness_is_read_off_the_groups_of_old_rows(setting, make):
    left = ("[20, 50]", "[12, 25]", "[10, 25]")
    rows = [
        make.trial(hyperparameters=lam(value), groups_at_convergence=groups, projection_drop=0.01)
        for value, groups in zip((0.01, 0.1, 1), left, strict=True)
    ]
    figure, words = heading(exactness_vs_lam, setting(rows))
    found = [list(axes.containers[0][0].get_ydata()) for axes in figure.axes[:2]]
    assert found == [[0, 0, 100], pytest.approx([100, 100 * 2 / 35, 0])]
    assert OLD_RULES in words


def test_exactness_has_a_column_of_panels_for_each_keep_or_a_reason(setting, make):
    figure, _ = heading(exactness_vs_lam, setting([*strengths(make), *strengths(make, keep=0.25)]))
    assert len(figure.axes) == 8
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")] == [
        "keep 0.5",
        "keep 0.25",
    ]
    with pytest.raises(Skip, match="has 3 values of lam"):
        exactness_vs_lam(setting(strengths(make)[:2]))


def test_k_level_says_how_many_groups_are_above(setting, make):
    rows = [make.second(seed=s, k_reached=0, groups_above=n) for s, n in enumerate((7, 4))]
    found = k_level(setting(rows))
    assert texts(found)[0][found.headings.index("groups above")] == "5.5"
    assert texts(found)[0][found.headings.index("k-level")] == "0/2"
    old = k_level(setting([make.trial(groups_at_convergence="[12, 24]")]))
    assert texts(old)[0][old.headings.index("groups above")] == "2.0"
    unknown = k_level(setting([make.trial(groups_at_convergence=""), make.second(keep=0.25, k_reached=1)]))
    assert NOTHING in texts(unknown)[0]
