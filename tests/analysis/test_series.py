import pytest

from analysis.load import load
from analysis.series import dense_series, devices, pruned_series, repeated


@pytest.fixture
def setting(folder):
    def only(rows):
        (found,) = load(folder(rows)).settings()
        return found

    return only


def labels(setting, timing=False):
    return [series.label for series in pruned_series(setting, timing)]


def test_a_grouping_is_named_where_it_is_not_the_usual_one(setting, make):
    found = setting(make.suite())
    assert labels(found) == ["group_lasso", "l1_filter", "magnitude (element)", "wgsef", "random"]
    assert [len(series.rows) for series in pruned_series(found)] == [9] * 5


def test_hyperparameters_are_named_where_a_method_occurs_with_several(setting, make):
    rows = [make.trial("wgsef", hyperparameters=h) for h in ('{"a": 1, "lam": 0.1}', '{"a": 1, "lam": 0.01}')]
    rows.append(make.trial("group_lasso", hyperparameters='{"lam": 0.01}'))
    assert labels(setting(rows)) == ["group_lasso", "wgsef (lam=0.01)", "wgsef (lam=0.1)"]


def test_the_order_of_hyperparameters_does_not_matter(setting, make):
    rows = [make.trial(seed=i, hyperparameters=h) for i, h in enumerate(('{"a": 1, "b": 2}', '{"b": 2, "a": 1}'))]
    assert labels(setting(rows)) == ["wgsef"]


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("scope", ("layer", "layer", "network"), ["wgsef", "wgsef (network scope)"]),
        ("start", ("dense", "dense", "scratch"), ["wgsef (from dense)", "wgsef (from scratch)"]),
        ("train_images", (600, 600, 6000), ["wgsef (train_images=600)", "wgsef (train_images=6000)"]),
        ("finetune_epochs", (3, 3, ""), ["wgsef (finetune_epochs unknown)", "wgsef (finetune_epochs=3)"]),
    ],
)
def test_different_experiments_are_never_averaged(setting, make, column, values, expected):
    rows = [make.trial(seed=i % 2, trial=i, **{column: value}) for i, value in enumerate(values)]
    assert labels(setting(rows)) == expected


def test_timings_of_different_devices_stay_apart_and_accuracies_do_not(setting, make):
    found = setting([make.trial(), make.trial(seed=1, device="cuda")])
    assert labels(found) == ["wgsef"]
    assert labels(found, timing=True) == ["wgsef (cpu)", "wgsef (cuda)"]
    assert devices(found.pruned) == "cpu, 2 threads; cuda, 2 threads"


def test_dense_networks_of_two_recipes_are_two(setting, make):
    found = setting([make.trial("dense"), make.trial("dense", dense_epochs=20, trial="b")])
    assert [s.label for s in dense_series(found)] == ["dense (dense_epochs=20)", "dense (dense_epochs=8)"]


def test_dense_rows_of_two_groupings_are_one(setting, make):
    found = setting([make.trial("dense"), make.trial("dense", grouping="element")])
    assert [s.label for s in dense_series(found)] == ["dense"]


def test_trials_that_nothing_tells_apart_are_reported(setting, make):
    (line,) = repeated(setting([make.trial(trial="a"), make.trial(trial="b"), make.trial(seed=1)]))
    assert "a, b" in line
    assert "keep 0.5, seed 0" in line


def test_two_suites_are_never_averaged(folder, make):
    rows = [make.trial(seed=0, suite=name, trial=name, test_top1=top1) for name, top1 in (("a", 0.5), ("b", 0.9))]
    (setting,) = load(folder(rows)).settings()
    assert [series.label for series in pruned_series(setting)] == ["wgsef (suite=a)", "wgsef (suite=b)"]
    assert repeated(setting) == []
