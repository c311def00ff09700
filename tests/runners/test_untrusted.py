"""Files from elsewhere run no code, and lead out of no folder."""

import ast
import json
import os
import pickle
import sys
from pathlib import Path

import pytest
import torch
import yaml

from results.columns import Trial
from results.errors import InputError
from results.reading import read
from runners import doctor, finished
from runners.__main__ import main
from runners.checkpoint import Checkpoint
from runners.networks.pretrained import load_weights
from runners.store import Store
from runners.suite import load
from tests.runners.damage import SUITE, contents

ROOT = Path(__file__).parents[2]
SOURCES = [
    path for part in ("methods", "runners", "results", "analysis") for path in sorted((ROOT / part).rglob("*.py"))
]
OUTSIDE = ["../x", "../../x", "/abs", "..", "a/../../x", "..\\x"]
# calls that run, or may run, what is in a file or a string
FORBIDDEN = {"eval", "exec", "__import__", "os.system", "os.popen", "pickle.load", "pickle.loads", "pickle.Unpickler"}
FORBIDDEN |= {"marshal.loads", "marshal.load", "shelve.open", "joblib.load", "pd.read_pickle", "torch.jit.load"}
FORBIDDEN |= {"yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "yaml.Loader", "yaml.UnsafeLoader"}


# what the tasks of a run tell it, over connections that Ray made, which are pickles throughout
ALLOWED = {("ray_cluster.py", "pickle.loads")}


def calls(path):
    """Yield the calls in a file, each with its name as it is written there."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_runs_what_a_file_says(path):
    for name, keywords in calls(path):
        assert name not in FORBIDDEN or (path.name, name) in ALLOWED
        assert name != "torch.load" or keywords.get("weights_only") == "True"
        assert keywords.get("shell", "False") == "False"
        assert keywords.get("allow_pickle", "False") == "False"


class Bomb:
    """An object whose unpickling makes a folder."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


@pytest.fixture(params=["zip", "bare"])
def bomb(request, tmp_path):
    """Return a function that writes a pickle which must not be loaded, as torch does or bare; checks that none was."""
    marker = tmp_path / "marker"

    def write(path):
        content = {"state": Bomb(marker), "masks": [], "kept": {}, "identity": {}}
        if request.param == "zip":
            torch.save(content, path)
        else:
            path.write_bytes(pickle.dumps(content))

    yield write
    assert not marker.exists()


def test_a_bomb_goes_off_where_it_is_loaded_without_care(tmp_path):
    torch.save(Bomb(tmp_path / "marker"), tmp_path / "a.pt")
    torch.load(tmp_path / "a.pt", weights_only=False)
    assert (tmp_path / "marker").exists(), "so the tests below show something"


def test_pickles_in_a_results_folder_are_not_loaded(root, bomb, make_spec, capsys):
    trial, dense = min((root / "trials").iterdir()), min((root / "dense").iterdir())
    for path in (trial / "checkpoint.pt", trial / "compact.pt", trial / "progress.pt", dense / "network.pt"):
        bomb(path)
    assert {fault.path.name for fault in doctor.examine(root)} == {
        "checkpoint.pt", "compact.pt", "progress.pt", "network.pt"
    }  # fmt: skip
    with pytest.raises(InputError, match=r"checkpoint\.pt: not readable; klevel doctor .* --fix sets it aside"):
        finished.read(trial)
    assert Checkpoint(trial / "progress.pt", {}).phase is None
    code = main(["measure", str(root.parent.parent / "s.yaml"), "--results", str(root.parent), "--device", "cpu"])
    assert code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("klevel: ")


def test_pickles_for_weights_are_not_loaded(bomb, tmp_path):
    bomb(tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"w\.pt: not readable as weights"):
        load_weights(torch.nn.Linear(1, 1), str(tmp_path / "w.pt"), "linear")


def test_a_dense_network_that_is_a_pickle_is_not_loaded(root, bomb):
    store, spec = Store(root.parent, "t"), load(str(root.parent.parent / "s.yaml")).trials[0].dense
    bomb(store.dense(spec) / "network.pt")
    with pytest.raises(InputError, match=r"network\.pt: .*klevel doctor .* --fix sets it aside"):
        store.dense_weights(spec)


@pytest.mark.parametrize("name", [*OUTSIDE, ".", "", "a/b", "reference", "a\nb", "a\0b", "~", 3, None])
def test_the_name_of_a_suite_leads_nowhere(tmp_path, capsys, name):
    (tmp_path / "in").mkdir()
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(SUITE | {"suite": name}))
    for command in ("run", "path", "status"):
        assert main([command, str(tmp_path / "s.yaml"), "--results", str(tmp_path / "in" / "results")]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert len(err.splitlines()) == 1
        assert err.startswith("klevel: s.yaml: suite = ")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["in", "s.yaml"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_the_trial_of_a_row_leads_nowhere(root, name, capsys):
    """Its epochs would be read from there."""
    row = json.loads((min((root / "trials").iterdir()) / "row.json").read_text())
    with pytest.raises(ValueError, match="trial"):
        Trial.model_validate(row | {"trial": name})
    table = (root / "trials.csv").read_text()
    (root / "trials.csv").write_text(table.replace(row["trial"], name))
    for secret in ("x", "trials"):
        (root.parent / secret).mkdir(exist_ok=True)
        (root.parent / secret / "epochs.json").write_text('[{"phase": "secret"}]')
    with pytest.raises(InputError, match=r"row \d, trial: "):
        read(root)
    before = contents(root.parent / "x")
    arguments = [str(root.parent.parent / "s.yaml"), "--results", str(root.parent), "--jobs", "1"]
    assert main(["run", *arguments]) == 0
    assert "kept as trials.csv.broken" in capsys.readouterr().err
    assert contents(root.parent / "x") == before
    assert (root / "trials.csv").read_text() == table
    assert "secret" not in (root / "epochs.csv").read_text()


def test_the_row_of_another_trial_is_not_taken_for_that_of_its_folder(root):
    one, other = sorted((root / "trials").iterdir())
    (one / "row.json").write_bytes((other / "row.json").read_bytes())
    store = Store(root.parent, "t")
    spec = next(spec for spec in load(str(root.parent.parent / "s.yaml")).trials if spec.id == one.name)
    with pytest.raises(InputError, match=r"klevel doctor .* --fix sets it aside"):
        store.row(spec)
    other_spec = next(spec for spec in load(str(root.parent.parent / "s.yaml")).trials if spec.id == other.name)
    assert store.collect([other_spec])["trial"].tolist() == [other.name]
    assert set(read(root)["trial"]) == {one.name, other.name}


def test_a_doctor_imports_nothing_that_a_file_names(root, tmp_path, monkeypatch):
    (tmp_path / "bomb_of_this_test.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'marker')!r})\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = min((root / "trials").iterdir()) / "trial.yaml"
    content, name = yaml.safe_load(path.read_text()), "bomb_of_this_test:build"
    for key in ("architecture", "dataset", "grouping"):
        path.write_text(yaml.safe_dump(content | {key: name}))
        assert [fault.path for fault in doctor.examine(root)] == [path]
    suite = yaml.safe_load((root / "suite.yaml").read_text())
    (root / "suite.yaml").write_text(yaml.safe_dump(suite | {"grid": suite["grid"] | {"architecture": [name]}}))
    list(doctor.examine(root))
    assert not (tmp_path / "marker").exists()
    assert "bomb_of_this_test" not in sys.modules
