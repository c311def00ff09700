"""One frame: several folders as one, rows that contradict themselves, lines, panels, parts, controls, failures."""

import math
import string

import pytest

from analysis.annotation import RECIPE
from analysis.frame import dense_beside, devices, load, pooled, repeated, timed
from results.columns import Trial, kind, names
from results.errors import InputError

EPOCHS = ["trial", "phase", "epoch", "val_top1"]
KEEPS = (0.5, 0.25)


@pytest.fixture
def put(tmp_path, make):
    """Return a function that writes rows of trials, and of epochs, into a folder of this name."""

    def of(name, rows, epochs=(), **options):
        folder = make.write(tmp_path / name, rows, **options)
        return make.write(folder, epochs, columns=EPOCHS, name="epochs.csv") if epochs else folder

    return of


def lines(frame, column="line"):
    rows = frame.tuned if column == "line" else frame.tabled
    return sorted(set(zip(rows["panel"], rows[column], strict=True)))


def names_of(frame, column="line"):
    return [name for _, name in lines(frame, column)]


# folders


def test_folders_are_read_together_with_their_epochs(put, make):
    a = put("a", [make.trial(seed=0, trial="x")], [{"trial": "x", "epoch": 1, "val_top1": 0.1}])
    b = put("b", [make.trial(seed=1, trial="y")], [{"trial": "y", "epoch": 1, "val_top1": 0.2}])
    frame = load(a, b, put("c", [make.trial(seed=2, trial="z")]))
    assert sorted(frame.trials["trial"]) == ["x", "y", "z"]
    assert dict(zip(frame.epochs["trial"], frame.epochs["val_top1"], strict=True)) == {"x": 0.1, "y": 0.2}
    assert not frame.source.notes
    (setting,) = frame.settings()
    assert len(setting.trials) == 3


def test_a_trial_in_two_folders_counts_once_from_the_first_that_has_it_done(put, make):
    failed = make.trial(trial="x", status="failed", reason="out of memory", test_top1="")
    a = put("a", [failed, make.trial(trial="y", test_top1=0.5)], [{"trial": "x", "epoch": 1, "val_top1": 0.1}])
    b = put(
        "b",
        [make.trial(trial="x", test_top1=0.7), make.trial(trial="y", test_top1=0.6)],
        [{"trial": "x", "epoch": 1, "val_top1": 0.9}, {"trial": "y", "epoch": 1, "val_top1": 0.8}],
    )
    frame = load(a, b)
    assert dict(zip(frame.trials["trial"], frame.trials["test_top1"], strict=True)) == {"x": 0.7, "y": 0.5}
    assert list(frame.epochs["val_top1"]) == [0.9], "and its epochs from there too"
    assert frame.source.notes == ("2 trials stand in several of the folders; each counts once",)
    assert load(a, a).source.folders == (a,)


def test_one_bad_folder_of_several_is_named(put, make, tmp_path):
    with pytest.raises(InputError, match=r"nowhere is not a folder"):
        load(put("a", [make.trial()]), tmp_path / "nowhere")


def test_folders_of_different_columns_are_read_together(put, make):
    a = put("a", [make.trial(trial="x", compression=2)])
    columns = [c for c in make.COLUMNS if c not in ("compression", "device")]
    frame = load(a, put("b", [make.trial(trial="y")], columns=columns))
    trials = frame.trials.set_index("trial")
    assert trials["compression"]["x"] == 2
    assert trials["compression"].isna()["y"]
    assert trials["device"]["y"] is None
    assert frame.lacks(("compression",)) is None


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"dense_params": 1000, "params": 250, "compression": 4}, None),
        ({"dense_params": 1000, "params": 250, "compression": 4.03}, None),
        ({"dense_params": 1000, "params": 250, "compression": 5}, "compression: 5, but dense_params / params is 4"),
        ({"dense_macs": 900, "macs": 300, "mac_speedup": 2}, "mac_speedup: 2, but dense_macs / macs is 3"),
        ({"dense_macs": 900, "macs": 0, "mac_speedup": 2}, None),
        ({"dense_params": "", "params": 250, "compression": 5}, None),
        ({"groups": "[20, 50]", "groups_kept": "[5, 30]", "group_sparsity": 0.5}, None),
        ({"groups": "[20, 50]", "groups_kept": "[10, 30]", "group_sparsity": 0.5}, "1 - groups_kept / groups is 0.42"),
        ({"groups": "[]", "groups_kept": "[]", "group_sparsity": 0.5}, None),
    ],
)
def test_numbers_of_a_row_that_contradict_each_other(put, make, cells, expected):
    folder = put("a", [make.trial(seed=0), make.trial(seed=1, **cells)])
    if expected is None:
        assert len(load(folder).trials) == 2
        return
    with pytest.raises(InputError) as error:
        load(folder)
    assert all(words in str(error.value) for words in ("row 2, ", expected, "changed by hand"))


def test_names_of_files_stay_distinct_and_short(folder, make):
    given = ["nets:small", "nets/small", "nets.small", "nets-small", "Nets-small", "n" * 230, "n" * 229 + "m"]
    given.append("网" * 80)
    found = load(folder([make.trial(architecture=name, trial=str(i)) for i, name in enumerate(given)]))
    slugs = [setting.slug for setting in found.settings()]
    assert len({slug.lower() for slug in slugs}) == len(given)
    assert all(len(slug) < 100 for slug in slugs)
    assert "nets-small.digits" in slugs, "a plain name is itself"
    assert all(set(slug) <= set(f"{string.ascii_letters}{string.digits}._+-") for slug in slugs)


# lines and panels


def test_a_grouping_is_named_where_it_is_not_the_usual_one(setting, make):
    found = setting(make.suite())
    assert names_of(found) == ["group_lasso", "l1_filter", "magnitude (element)", "random", "wgsef"]
    assert found.subject == "LeNet-5 (Caffe) on digits, filter groups"
    assert found.name("magnitude (element)") == "Magnitude (single-weight)"


def test_hyperparameters_are_named_where_a_method_occurs_with_several(setting, make):
    rows = [make.trial("wgsef", hyperparameters=h) for h in ('{"a": 1, "lam": 0.1}', '{"a": 1, "lam": 0.01}')]
    rows.append(make.trial("group_lasso", hyperparameters='{"lam": 0.01}'))
    assert names_of(setting(rows), "experiment") == ["group_lasso", "wgsef (lam=0.01)", "wgsef (lam=0.1)"]


def test_the_order_of_hyperparameters_does_not_matter(setting, make):
    rows = [make.trial(seed=i, hyperparameters=h) for i, h in enumerate(('{"a": 1, "b": 2}', '{"b": 2, "a": 1}'))]
    assert names_of(setting(rows), "experiment") == ["wgsef"]


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("scope", ("layer", "layer", "network"), {("layer scope", "wgsef"), ("network scope", "wgsef")}),
        ("start", ("dense", "dense", "scratch"), {("", "wgsef"), ("", "wgsef (from scratch)")}),
        ("train_images", (600, 600, 6000), {("600 images", "wgsef"), ("6,000 images", "wgsef")}),
        ("finetune_epochs", (3, 3, ""), {("19 epochs", "wgsef"), ("epochs unknown", "wgsef")}),
        ("suite", ("a", "a", "b"), {("", "wgsef (suite a)"), ("", "wgsef (suite b)")}),
        ("dense_epochs", (8, 8, 4), {("19 epochs", "wgsef"), ("15 epochs", "wgsef")}),
    ],
)
def test_different_experiments_are_never_averaged(setting, make, column, values, expected):
    rows = [make.trial(seed=i % 2, trial=i, **{column: value}) for i, value in enumerate(values)]
    found = setting(rows)
    assert set(lines(found)) == set(lines(found, "experiment")) == expected
    assert repeated(found) == []


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
def test_two_recipes_are_two_panels_that_say_what_differs(setting, make, column, values, said):
    rows = [make.second(trial=f"trial {value}", **{column: value}) for value in values]
    assert sorted(set(setting(rows).tuned["panel"])) == said


@pytest.mark.slow
def test_every_column_of_the_recipe_is_read_and_sets_problems_apart(folder, make):
    assert set(RECIPE) <= set(names(Trial))
    for column in RECIPE:
        other = "other" if kind(Trial, column).words == "text" else 0.5 if column == "label_smoothing" else 7
        rows = [make.second(m, k, trial=f"{m}{k}") for m in ("wgsef", "gmp") for k in KEEPS]
        rows += [row | {"trial": f"{row['trial']} again", column: other} for row in rows]
        assert load(folder(rows)).trials["problem"].nunique() == 4, column


def test_groupings_that_methods_share_are_parts_with_the_references_in_each(setting, make):
    rows = [make.trial(m, grouping=g, trial=f"{m}{g}") for m in ("wgsef", "random") for g in ("filter", "kernel")]
    found = setting([*rows, make.trial("magnitude", grouping="element"), make.trial("dense")])
    parts = found.parts()
    assert [part.slug.split(".")[-1] for part in parts] == ["filter", "kernel"]
    assert [names_of(part) for part in parts] == [["magnitude (element)", "random", "wgsef"]] * 2
    assert all(len(part.dense) == 1 for part in parts)
    assert [one.part for one in setting(make.suite()).parts()] == [""]


def test_a_row_of_another_tool_is_a_reference_without_conditions(setting, make):
    imported = make.trial("depgraph", protocol=0, scope="", sparsify_epochs="", grouping="coupled", suite="tool")
    found = setting([*make.suite(), make.trial(scope="network"), imported])
    row = found.tuned[found.tuned["method"] == "depgraph"].iloc[0]
    assert (row["panel"], row["part"], row["line"]) == ("", "", "depgraph (coupled)")


def test_timings_of_different_devices_stay_apart_and_accuracies_do_not(setting, make):
    found = setting([make.trial(), make.trial(seed=1, device="cuda")])
    assert names_of(found) == ["wgsef"]
    assert sorted(timed(found.tuned)["line"]) == ["wgsef (cpu)", "wgsef (cuda)"]
    assert devices(found.pruned) == "cpu, 2 threads; cuda, 2 threads"


def test_networks_of_the_same_widths_are_one_for_time(setting, make):
    same = [make.trial(seed=i, groups_kept="[10, 25]", speedup_b64=s) for i, s in enumerate((2, 3, 7))]
    other = make.trial("random", groups_kept="[10, 24]", speedup_b64=9, group_sparsity=1 - 34 / 70)
    silent = make.trial("l1_filter", speedup_b64=5)
    rows = [row | {"group_sparsity": 0.5} for row in same]
    found = pooled(setting([*rows, other, silent]).tuned, ["speedup_b64"])
    assert sorted(found["speedup_b64"]) == [3, 3, 3, 5, 9]


def test_trials_that_nothing_tells_apart_are_reported(setting, make):
    (line,) = repeated(setting([make.trial(trial="a"), make.trial(trial="b"), make.trial(seed=1)]))
    assert "a, b" in line
    assert "keep 0.5, seed 0" in line


# controls


def test_the_dense_network_of_a_panel_is_that_of_its_rate_and_budget(setting, make):
    rows = [make.second("dense", split=(8, 0, 3), lr=lr, test_top1=top1) for lr, top1 in ((0.02, 0.9), (0.05, 0.95))]
    found = setting([*rows, make.second(lr=0.02, measure="gamma")])
    assert list(dense_beside(found, found.pruned)["test_top1"]) == [0.9]
    (ids,) = found.pruned["control"]
    assert list(found.dense.set_index("trial").loc[list(ids), "test_top1"]) == [0.9]


def test_of_several_controls_those_that_were_trained_as_long(setting, make):
    dense = [make.trial("dense", sparsify_epochs=n, trial=str(n)) for n in (0, 8)]
    found = setting([*dense, make.trial(), make.trial(keep=0.1, finetune_epochs=9)])
    assert list(found.pruned["control"]) == [("8",), ("0", "8")]


@pytest.mark.parametrize(
    ("equal", "name"), [("epochs", "random (from scratch)"), ("macs", "random (from scratch, equal macs)")]
)
def test_a_control_from_scratch_is_named_as_such(setting, make, equal, name):
    row = make.second("random", split=(0, 0, 11), start="scratch", equal=equal)
    assert names_of(setting([row])) == [name]


def test_the_controls_from_scratch_are_lines_of_their_own(setting, make):
    scratch = {"split": (0, 0, 11), "start": "scratch"}
    rows = [make.second("random", split=(8, 0, 3)), make.second("random", **scratch)]
    found = setting([make.second("wgsef"), *rows, make.second("random", **scratch, equal="macs")])
    variants = dict(zip(found.tuned["line"], found.tuned["variant"], strict=True))
    assert variants == {
        "wgsef": 0, "random": 0, "random (from scratch)": 1, "random (from scratch, equal macs)": 2,
    }  # fmt: skip


# failures and the k-level


def broken(row, reason="loss is NaN", **cells):
    empty = dict.fromkeys(("test_top1", "val_top1", "group_sparsity", "compression", "mac_speedup", "classes"), "")
    return row | empty | {"status": "failed", "reason": reason} | cells


def test_a_collapsed_trial_counts_as_chance_and_not_as_what_it_reached(setting, make):
    rows = [make.second(seed=0, test_top1=0.9), broken(make.second(seed=1), "collapsed: 0.13", test_top1=0.13)]
    found = setting(rows)
    assert list(found.trials["test_top1"]) == [0.9, 0.1]
    assert list(found.source.everything["test_top1"]) == [0.9, 0.13]
    assert found.remarks == ["1 of 2 trials failed and counts as chance"]


def test_where_the_classes_are_unknown_a_failure_is_left_out(folder, make):
    rows = [make.trial(), broken(make.trial(seed=1)), make.second(dataset="mnist")]
    frame = load(folder(rows))
    assert [len(setting.trials) for setting in frame.settings()] == [1, 1]
    assert frame.source.chance == {"mnist": 0.1}
    mixed = load(folder([*rows, broken(make.second(dataset="mnist", seed=1))]))
    assert mixed.remarks[0] == "2 of 4 trials failed: 1 of them as chance, 1 left out"


def test_a_skipped_trial_stays_skipped(setting, make):
    found = setting([make.second(), make.second(seed=1, status="skipped", test_top1="", classes="")])
    assert len(found.trials) == 1
    assert found.remarks == []


def test_the_k_level_is_as_given_or_as_the_groups_say(setting, make):
    rows = [make.trial(seed=0, k_reached=0, groups_above=3), make.trial(seed=1, groups_at_convergence="[12, 25]")]
    rows += [make.trial(seed=2, groups_at_convergence="[10, 25]"), make.trial(seed=3, groups_at_convergence="")]
    found = setting(rows).trials
    assert list(found["k_reached"])[:3] == [0, 0, 1]
    assert list(found["groups_above"])[:3] == [3, 2, 0]
    assert all(math.isnan(found[column].iloc[3]) for column in ("k_reached", "groups_above"))
