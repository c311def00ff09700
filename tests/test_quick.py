"""The option `--quick`: one case of every test, and none that is marked slow."""

from types import SimpleNamespace

from tests.conftest import pytest_collection_modifyitems


def chosen(quick):
    def item(name, *marks):
        return SimpleNamespace(nodeid=name, get_closest_marker=lambda mark: mark in marks, add_marker=lambda mark: None)

    left = []
    hook = SimpleNamespace(pytest_deselected=lambda items: left.extend(items))
    config = SimpleNamespace(getoption=lambda name: quick, hook=hook)
    items = [
        item("a.py::one[x]"),
        item("a.py::one[y]"),
        item("b.py::one[x]"),
        item("b.py::two", "slow"),
        item("b.py::three"),
    ]
    found = list(items)
    pytest_collection_modifyitems(config, found)
    assert sorted(i.nodeid for i in [*found, *left]) == sorted(i.nodeid for i in items)
    return [i.nodeid for i in found]


def test_the_first_case_of_every_test_is_run_unless_it_is_slow():
    assert chosen(quick=True) == ["a.py::one[x]", "b.py::one[x]", "b.py::three"]


def test_all_are_run_otherwise():
    assert len(chosen(quick=False)) == 5
