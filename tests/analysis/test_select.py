"""The one rule of the best on validation, and the strengths that it chooses among."""

import json

import pytest

from analysis.select import strength, tried_said

KEEPS = (0.5, 0.25)


def lam(value, **more):
    return json.dumps({"lam": value} | more)


def tops(frame, method="wgsef"):
    rows = frame.tuned
    return sorted(rows["test_top1"][rows["method"] == method])


def said(frame):
    return tried_said(frame.tuned, "per keep")


def splits(make):
    """gmp with two splits of which each is best at one keep; wgsef with one configuration."""
    rows = []
    for keep in KEEPS:
        for split, better in (((8, 0, 3), 0.5), ((2, 6, 3), 0.25)):
            cells = {"val_top1": 0.95 if keep == better else 0.8, "test_top1": 0.9 if keep == better else 0.99}
            own = json.dumps({"finetune_epochs": split[2]})
            rows.append(make.second("gmp", keep, 0, split, hyperparameters=own, **cells))
        rows.append(make.second("wgsef", keep, hyperparameters=lam("bound"), test_top1=0.85))
    return rows


def test_the_best_configuration_is_chosen_for_each_keep_split_and_all(setting, make):
    found = setting(splits(make))
    assert tops(found, "gmp") == [0.9, 0.9]
    assert set(found.tuned["line"]) == {"gmp", "wgsef"}
    assert said(found) == "Configurations tried, best on validation per keep (of equals the milder): gmp 2, wgsef 1"
    gmp = found.tuned[found.tuned["method"] == "gmp"].sort_values("keep")
    assert list(gmp["chosen"]) == ["epochs 2+6+3", "epochs 8+0+3"]


def test_a_method_may_be_best_on_the_mean_over_seeds_alone(setting, make):
    rows = [make.second(hyperparameters=lam(1), seed=s, val_top1=v, test_top1=0.5) for s, v in enumerate((0.9, 0.5))]
    rows += [make.second(hyperparameters=lam("bound"), seed=s, val_top1=0.8, test_top1=0.6) for s in range(2)]
    assert tops(setting(rows)) == [0.6, 0.6]


def test_of_equals_the_milder_is_chosen_whatever_the_order_of_the_rows(setting, make):
    rows = [make.second(hyperparameters=lam(v), val_top1=0.9, test_top1=v / 100) for v in (10, 3, 30)]
    assert tops(setting(rows)) == tops(setting(rows[::-1])) == [0.03]
    rows[1] |= {"val_top1": 0.9 - 1e-15}
    assert tops(setting(rows)) == [0.03], "sums in another order are no difference"


def test_only_what_had_as_many_epochs_competes(setting, make):
    rows = [make.second(split=split, val_top1=v) for split, v in (((0, 8, 3), 0.9), ((0, 20, 3), 0.99))]
    found = setting([*rows, make.second(split=(4, 4, 3), val_top1=0.8)])
    assert sorted(found.tuned["epochs"]) == [11, 23]
    assert sorted(found.tuned["panel"]) == ["11 epochs", "23 epochs"]
    assert said(found).endswith("wgsef 1 to 2")


def test_without_validation_nothing_is_chosen_and_nothing_is_best(setting, make):
    found = setting([row | {"val_top1": ""} for row in splits(make)])
    assert len(found.tuned) == len(found.pruned)
    assert said(found) == ""
    assert set(found.pruned["method"][found.pruned["best"]]) == {"wgsef"}


def test_a_failure_costs_in_the_choice(setting, make):
    lost = {"status": "failed", "test_top1": "", "val_top1": ""}
    lucky = [make.second(hyperparameters=lam(1), seed=s, val_top1=0.99, test_top1=0.99) for s in (0, 1)]
    safe = [make.second(hyperparameters=lam(2), seed=s, val_top1=0.8, test_top1=0.8) for s in (0, 1)]
    assert tops(setting([lucky[0], lucky[1] | lost, *safe])) == [0.8, 0.8]


def strengths(make, **cells):
    """Nine strengths of wgsef, and auto: at keep 0.5 the best on validation is lam = 3, at keep 0.1 it is lam = 7."""
    rows = []
    for keep, top in ((0.5, 3), (0.1, 7)):
        for value in range(9):
            given = {"hyperparameters": lam(value), "val_top1": 0.9 - 0.01 * abs(value - top)}
            rows.append(make.trial("wgsef", keep, **given | {"test_top1": value / 10} | cells))
        rows.append(make.trial("wgsef", keep, hyperparameters=lam("auto"), val_top1=0.1, test_top1=0.95))
    return rows


def test_under_protocol_1_the_best_of_the_fixed_strengths_and_auto_are_lines(setting, make):
    found = setting(strengths(make))
    top = found.tuned.groupby("line")["test_top1"].agg(list)
    assert dict(top) == {"wgsef (lam=auto)": [0.95, 0.95], "wgsef (lam=tuned)": [0.3, 0.7]}
    assert len(set(found.tabled["experiment"])) == 10, "a table has all of them"
    untold = setting(strengths(make, val_top1=""))
    assert len(set(untold.tuned["line"])) == 10, "validation does not tell"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ('{"lam": 0.1}', 0.1), ('{"lam": 0}', 0), ('{"lam": "auto"}', "auto"), ('{"lam": "bound"}', "bound"),
        ('{"lam": -1}', None), ('{"lam": true}', None), ('{"lam": "other"}', None), ("{}", None), ("[]", None),
        (None, None), ('{"lam": 1' + "0" * 400 + "}", None),
    ],
)  # fmt: skip
def test_a_strength_is_a_number_or_a_word(cell, expected):
    assert strength(cell) == expected


def test_a_trial_without_lam_is_auto_if_its_method_has_a_number_elsewhere(setting, make):
    rows = [make.trial(hyperparameters=h, trial=str(i)) for i, h in enumerate(("{}", lam(1), lam("bound", a=2)))]
    found = setting([*rows, make.trial("l1_filter")]).trials
    assert list(found["strength"]) == ["auto", "fixed", "bound", ""]
    assert list(found["rest"]) == ["", "", "a=2", ""]
