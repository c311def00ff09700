"""The source of functions of a user's own is a part of what a trial is."""

import importlib
import sys

import pytest

from results.reading import read
from runners.executors import Slots
from runners.run import run
from runners.sources import sources_of
from runners.store import Store
from runners.tasks import RunContext

NET = """
import torch.nn as nn
from own_parts import activation

def small(channels, size, classes):
    return nn.Sequential(nn.Conv2d(channels, 6, 3, stride=4), activation(), nn.Flatten(), nn.Linear(294, classes))
"""
PARTS = """
import torch.nn as nn
activation = nn.ReLU
"""
GROUPS = """
from runners.networks.groupings import GROUPINGS

def mine(network, example):
    return GROUPINGS["filter"](network, example)
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write modules, as an editor would between two calls of klevel."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    names = set()

    def edit(**modules):
        for name, text in modules.items():
            (folder / f"{name}.py").write_text(text)
            names.add(name)
        for name in names:
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        sys.path_importer_cache.clear()

    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    yield edit
    sys.dont_write_bytecode = before
    for name in names:
        sys.modules.pop(name, None)


def test_an_edit_of_the_module_or_of_one_beside_it_is_another_source(write):
    write(own_net=NET, own_parts=PARTS, own_other="x = 1")
    first = sources_of("own_net:small", "digits", None, "torchvision/resnet18")
    assert list(first) == ["own_net:small"]
    write()
    assert sources_of("own_net:small") == first, "the same, once more"
    write(own_other="x = 2")
    assert sources_of("own_net:small") == first, "it does not import that"
    write(own_net=NET + "# a comment\n")
    second = sources_of("own_net:small")
    write(own_parts=PARTS.replace("ReLU", "Tanh"))
    third = sources_of("own_net:small")
    assert len({tuple(s.items()) for s in (first, second, third)}) == 3


def test_what_cannot_be_imported_is_for_others_to_refuse(write):
    write(own_net=NET)  # without the module that it imports
    assert sources_of("own_net:small", "own_absent:x", "own_net:", ":", 3) == {}


def test_klevels_own_modules_and_installed_ones_are_no_part(write, monkeypatch):
    """Their versions are other columns; an update of torch makes no new trials."""
    write(own_groups=GROUPS)
    first = sources_of("own_groups:mine")
    import runners.networks.groupings as ours

    monkeypatch.setattr(ours, "__file__", __file__)
    write()
    assert sources_of("own_groups:mine") == first


def test_an_edit_makes_new_trials_and_says_so_and_rows_are_told_apart(write, make_spec, tmp_path, capsys):
    context = RunContext(tmp_path, "t", "cpu", 1)
    write(own_net=NET, own_parts=PARTS, own_groups=GROUPS)
    own = {"architecture": "own_net:small", "grouping": "own_groups:mine"}
    before = make_spec(**own)
    assert run(context, [before], Slots(["cpu"]))["reason"].tolist() == [None]
    write(own_parts=PARTS.replace("ReLU", "Tanh"))
    after = make_spec(**own)
    assert after.id != before.id
    assert after.dense.id != before.dense.id
    capsys.readouterr()
    assert run(context, [after], Slots(["cpu"]))["status"].tolist() == ["done"]
    said = [line for line in capsys.readouterr().err.splitlines() if "was edited" in line]
    assert len(said) == 1
    assert said[0].startswith("own_net:small was edited: 1 rows")
    rows = read(Store(tmp_path, "t").root)
    assert rows["own_code"].nunique() == 2
    assert rows["own_grouping_code"].nunique() == 1
    write(own_groups=GROUPS + "\n")
    only_groups = make_spec(**own)
    assert only_groups.id != after.id
    assert only_groups.dense.id == after.dense.id, "groups are no part of a dense network"


def test_a_spec_that_is_read_keeps_the_source_that_it_was_made_of(write, make_spec):
    write(own_net=NET, own_parts=PARTS)
    spec = make_spec(architecture="own_net:small")
    content = spec.model_dump(mode="json", exclude_none=True)
    write(own_net=NET + "\n")
    assert type(spec).model_validate(content).id == spec.id
    assert make_spec(architecture="own_net:small").id != spec.id


def test_ids_are_computed_anew_for_a_changed_copy(make_spec):
    spec = make_spec()
    assert spec.id == make_spec().id
    assert spec.dense.id == make_spec().dense.id
    changed = spec.model_copy(update={"seed": 7})
    assert changed.id == make_spec(seed=7).id != spec.id
    assert changed.dense.id == make_spec(seed=7).dense.id != spec.dense.id


def test_what_a_grouping_of_ones_own_raises_names_it(write, make_spec, tmp_path):
    write(own_groups="def mine(network, example):\n    return {}['no such layer']\n")
    table = run(RunContext(tmp_path, "t", "cpu", 1), [make_spec(grouping="own_groups:mine")], Slots(["cpu"]))
    assert table["status"].tolist() == ["failed"]
    assert "grouping own_groups:mine: raises KeyError: 'no such layer'" in table["reason"][0]
    assert not (tmp_path / "t" / "dense").exists(), "before any training"
