"""What cannot be pruned is known before any training; and nothing else is kept from it."""

import pytest

from methods import METHODS
from runners import run
from runners.executors import Slots
from runners.networks.groupings import GROUPINGS
from runners.rehearsal import rehearsals
from runners.spec import DenseSpec
from runners.tasks import RunContext

LINEAR = "tests.runners.user_networks:linear"  # nothing to divide


@pytest.fixture
def table_of(tmp_path):
    """Return the rows of a run of these trials."""
    return lambda *specs: run.run(RunContext(tmp_path, "t", "cpu", 1), specs, Slots(["cpu"])).set_index("trial")


def test_nothing_is_trained_where_nothing_can_be_divided(table_of, performed, make_spec, tmp_path):
    specs = [make_spec(keep=keep, seed=seed, architecture=LINEAR) for keep in (0.5, 0.25) for seed in (0, 1)]
    table = table_of(*specs)
    assert table["status"].tolist() == ["skipped"] * 4
    assert table["reason"].str.startswith("the grouping found").all()
    assert performed == []
    assert not (tmp_path / "t" / "dense").exists()


def test_the_dense_control_is_trained_all_the_same(table_of, performed, make_spec):
    specs = [make_spec(m, architecture=LINEAR) for m in ("dense", "magnitude")]
    table = table_of(*specs)
    assert table["status"].to_dict() == {specs[0].id: "done", specs[1].id: "skipped"}
    assert performed == [specs[0].dense, specs[0]]


def test_what_a_grouping_raises_is_one_line_before_any_training(table_of, performed, make_spec, monkeypatch, capsys):
    def breaks(network, example):
        raise KeyError("a name\nof two lines")

    monkeypatch.setitem(GROUPINGS._entries, "filter", breaks)
    spec, other = make_spec(), make_spec(grouping="neuron")
    table = table_of(spec, other)
    assert table["status"].to_dict() == {spec.id: "failed", other.id: "done"}
    assert table["reason"][spec.id] == r"KeyError: 'a name\nof two lines'"
    assert f"trial {spec.id} failed: KeyError" in capsys.readouterr().err
    assert performed == [other.dense, other]


def test_trials_alike_are_rehearsed_once(make_spec):
    specs = [make_spec(m, keep=k, seed=s) for m in METHODS for k in (0.5, 0.25) for s in (0, 1)]
    found = rehearsals([*specs, make_spec(grouping="neuron")])
    assert [r.trials[0].grouping for r in found] == ["filter", "neuron"]
    assert len(found[0].trials) == len(specs) - 4, "but not of the dense control"


def test_a_network_that_cannot_be_built_fails_as_its_dense_network_does(table_of, performed, make_spec):
    spec = make_spec(architecture="tests.runners.user_networks:entropy_init")
    table = table_of(spec)
    assert table["reason"][spec.id].startswith("its dense network failed: ")
    assert [type(t) for t in performed] == [DenseSpec]
