"""What the user of a drawing chooses."""

import pytest

from analysis.frame import load
from analysis.options import Condition, Options, listed, parsed
from results.errors import InputError


@pytest.fixture
def trials(folder, make):
    """Two settings, the second of one seed and without wgsef; a keep that one method alone has."""
    rows = make.suite(keeps=(0.5, 0.1))
    rows += [make.trial(method, 0.5, dataset="mnist") for method in ("dense", "random")]
    rows += [make.trial("random", 0.3, scope="network", lr=0.1, hyperparameters='{"lam": 0.5}')]
    return load(folder(rows)).source.everything


def left(trials, **options):
    """The methods, keeps and datasets that are left."""
    chosen = parsed(**options).select(trials)
    assert list(chosen.index) == list(range(len(chosen)))
    return set(zip(chosen["method"], chosen["keep"], chosen["dataset"], strict=True))


def test_without_a_choice_all_is_left(trials):
    assert Options().select(trials) is trials
    assert parsed(labels=["wgsef=Ours"], title=False).select(trials) is trials


def test_the_dense_control_stays_where_what_it_controls_does(trials):
    both = {("dense", 1.0, "digits"), ("dense", 1.0, "mnist")}
    assert left(trials, methods=["random"], keep=["0.5"]) == both | {("random", 0.5, d) for d in ("digits", "mnist")}
    assert left(trials, methods=["wgsef"], keep=["0.1"]) == {("dense", 1.0, "digits"), ("wgsef", 0.1, "digits")}
    assert left(trials, methods=["dense"]) == both


@pytest.mark.parametrize("where", ["scope=network", 'hyperparameters={"lam": 0.5}', "keep=0.3", "keep=.30"])
def test_a_condition_on_pruning_leaves_the_control(trials, where):
    assert left(trials, where=[where]) == {("dense", 1.0, "digits"), ("random", 0.3, "digits")}


def test_a_condition_on_what_the_control_shares_holds_for_it_as_well(trials):
    chosen = parsed(where=["seed=1", "seed=2", "dataset=digits"]).select(trials)
    assert set(chosen["seed"]) == {1, 2}
    assert set(chosen["dataset"]) == {"digits"}
    assert "dense" in set(chosen["method"])
    assert left(trials, where=["lr=0.1"]) == {("random", 0.3, "digits")}, "that has no control"


def test_the_empty_value_is_an_empty_cell(trials):
    assert ("random", 0.3, "digits") not in left(trials, where=["lr="])


def test_lists_are_found_as_they_stand_in_the_file(trials):
    assert {keep for _, keep, _ in left(trials, where=["groups_target=[10, 25]"])} == {0.5, 1.0}


def test_only_dense_networks_can_be_chosen_among(folder, make):
    trials = load(folder([make.trial("dense", seed=seed) for seed in range(2)])).source.everything
    assert len(parsed(where=["seed=1"]).select(trials)) == 1
    with pytest.raises(InputError, match=r"--keep 0\.5: no trial has it; known: 1"):
        parsed(keep=["0.5"]).select(trials)


def test_a_column_of_the_contract_that_the_file_lacks_is_no_column(folder, make):
    columns = [column for column in make.COLUMNS if column != "precision"]
    trials = load(folder(make.suite(seeds=1), columns=columns)).source.everything
    for column in ("precision", "configuration"):  # the latter is derived, not written
        with pytest.raises(InputError, match=f"--where {column}: no such column of trials.csv here"):
            parsed(where=[f"{column}=x"]).select(trials)


def test_many_values_are_counted_not_named(folder, make):
    trials = load(folder([make.trial(seed=seed, test_top1=0.9) for seed in range(40)])).source.everything
    with pytest.raises(InputError, match=r"--where trial=x: no trial has it; there are \d+ others"):
        parsed(where=["trial=x"]).select(trials)


def test_texts_become_options():
    found = parsed(["a,b", "a"], [" .25"], ["scope=layer", "lr="], ["a=A = B (ours)"], title=False)
    assert found == Options(
        (
            Condition("--methods a", "method", "a"),
            Condition("--methods b", "method", "b"),
            Condition("--keep .25", "keep", 0.25),
            Condition("--where scope=layer", "scope", "layer"),
            Condition("--where lr=", "lr", None),
        ),
        {"a": "A = B (ours)"},
        title=False,
    )
    assert listed(["", " a , b ", "b"]) == ("a", "b")
