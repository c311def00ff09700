"""A trial, exported: what is written is what was trained, in torch and in ONNX; and what is refused."""

import json
import shutil
import sys

import onnx
import onnxruntime
import pytest
import torch
import yaml

from runners import export as exporting
from runners.__main__ import main
from runners.export import FILES, NetworkPair, onnx_file, plan_with_origins, write
from runners.networks.architectures import ARCHITECTURES
from runners.networks.export.deployed import load
from runners.networks.groupings import GROUPINGS
from runners.tasks import RunContext, perform
from runners.training import evaluate
from tests.runners.networks.pairs import DEEPER
from tests.runners.user_networks import RESIDUAL


@pytest.fixture(scope="module")
def trials(tmp_path_factory, make_spec):
    """The results folder of trials: one that is compact, one masked, one failed, one of a network without groups."""
    context = RunContext(tmp_path_factory.mktemp("exported") / "results", "t", "cpu", 1)
    specs = [make_spec(keep=0.5), make_spec(grouping="element", keep=0.4), make_spec(recipe={"finetune_lr": 1e30})]
    specs.append(make_spec("dense", architecture="tests.runners.user_networks:linear"))
    for spec in [*{s.dense.id: s.dense for s in specs}.values(), *specs]:
        perform(context, spec, lambda news: None)
    return context.results, [s.id for s in specs]


@pytest.fixture
def klevel_export(trials, capsys):
    """Call the command; return its exit code, what it put out, and the lines on stderr."""

    def call(trial, folder, results=trials[0]):
        code = main(["export", str(trial), str(folder), "--results", str(results)])
        out, err = capsys.readouterr()
        return code, out, err.splitlines()

    return call


@pytest.fixture
def without_onnx(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)


def folder_of(trials, which):
    return trials[0] / "t" / "trials" / trials[1][which]


@pytest.mark.parametrize("which", [0, 1], ids=["compact", "masked"])
@pytest.mark.slow
def test_a_trial_is_written_and_works_as_it_was_measured(trials, klevel_export, tmp_path, digits, which):
    code, out, err = klevel_export(trials[1][which], tmp_path / "new" / "out")
    trial, written = folder_of(trials, which), tmp_path / "new" / "out"
    row, plan = (json.loads(p.read_text()) for p in (trial / "row.json", written / "plan.json"))
    assert (code, err) == (0, [])
    assert out.startswith(f"{row['params']} parameters -> {written}\nONNX Runtime and torch differ by ")
    assert {p.name for p in written.iterdir()} == FILES
    assert {p.name for p in written.parent.iterdir()} == {"out"}
    network = load(written)
    assert evaluate(network, digits, digits.test).top1 == row["test_top1"]
    kept = torch.load(trial / "compact.pt", weights_only=True)["state"]
    assert all(torch.equal(kept[n], t) for n, t in network.state_dict().items())
    assert plan["trial"].items() <= row.items()
    assert bool(plan["tensors"]) == (row["realisation"] == "compact")
    assert_onnx_agrees(network, written / "network.onnx", digits.example(64))
    images = digits.test.images[:3]
    mean, std = (torch.tensor(plan["normalisation"][k]).view(-1, 1, 1) for k in ("mean", "std"))
    assert torch.equal((images.float() - mean) / std, digits.normalise(images))
    assert list(images.shape[1:]) == plan["input"]


def assert_onnx_agrees(network, path, images):
    assert onnx.load(path).opset_import[0].version >= 17
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for n in (1, 3, len(images)):
        with torch.no_grad():
            expected = network(images[:n])
        found = torch.from_numpy(session.run(None, {"images": images[:n].numpy()})[0])
        assert float((found - expected).abs().max()) <= 1e-4


def exported(prune, folder, architecture, grouping, keep=0.5):
    """Write a pruned network whose survivors were trained since; return it as masked, compact and plan."""
    network, _, masks, example, realised = prune(architecture, grouping, keep)
    before = {n: t.clone() for n, t in realised.network.state_dict().items()}
    with torch.no_grad():
        for parameter in realised.network.parameters():
            parameter.mul_(1.01)
    pair = NetworkPair(network.eval(), realised.network.eval())
    plan = {"format": 1, "architecture": {"name": architecture, "channels": 1, "size": 28, "classes": 10}}
    plan |= plan_with_origins(pair, masks, grouping, example)
    write(pair, plan, folder)
    return pair, before, json.loads((folder / "plan.json").read_text()), example


@pytest.mark.parametrize("architecture", [a for a in ARCHITECTURES if a not in DEEPER])
@pytest.mark.slow
def test_every_architecture_loads_back_the_same_and_knows_its_indices(prune, tmp_path, architecture):
    pair, before, plan, example = exported(prune, tmp_path, architecture, "filter")
    network = load(tmp_path)
    with torch.no_grad():
        assert torch.equal(network(example[:2]), pair.compact(example[:2]))
    assert_slices(pair.masked.state_dict(), before, plan["tensors"])


def assert_slices(dense, compact, tensors):
    """Every tensor of the compact network, before it was fine-tuned, is that of the dense one at the kept indices."""
    assert tensors
    for name, values in compact.items():
        expected = dense[tensors[name]["of"] if name in tensors else name]
        if name in tensors:
            assert tensors[name]["shape"] == list(values.shape)
            assert tensors[name]["dense_shape"] == list(expected.shape)
            for dim, kept in enumerate(tensors[name]["kept"]):
                expected = expected if kept is None else expected.index_select(dim, torch.tensor(kept))
        assert torch.equal(values, expected)


@pytest.mark.parametrize("grouping", [g for g in GROUPINGS if g != "filter"])
def test_every_grouping_loads_back_the_same(prune, tmp_path, grouping):
    network = RESIDUAL if grouping == "depth" else "lenet5"
    pair, _, _, example = exported(prune, tmp_path, network, grouping)
    with torch.no_grad():
        assert torch.equal(load(tmp_path)(example), pair.compact(example))


@pytest.mark.slow
def test_a_transformer_whose_stream_is_narrower_loads_back_the_same(prune, tmp_path):
    pair, before, plan, example = exported(prune, tmp_path, "vit_tiny", "coupled")
    with torch.no_grad():
        assert torch.equal(load(tmp_path)(example), pair.compact(example))
    kinds = [entry["as"] for entry in plan["modules"].values() if entry.get("kind") == "counted_norm"]
    assert kinds == [{"count": 192, "dim": -1, "eps": kinds[0]["eps"], "affine": [True, True]}] * 25
    assert plan["tensors"]["norm.weight"]["shape"] == [96]
    assert_slices(pair.masked.state_dict(), before, plan["tensors"])
    assert onnx_file.write(pair.compact, example, tmp_path / "network.onnx") <= 1e-4


@pytest.mark.slow
def test_onnx_of_a_residual_network_whose_shortcuts_pick_channels(prune, tmp_path):
    pair, _, plan, example = exported(prune, tmp_path, "resnet20", "filter", keep=0.3)
    assert "shortcut" in [entry.get("kind") for entry in plan["modules"].values()]
    images = example.repeat(2, 1, 1, 1)
    assert onnx_file.write(pair.compact, images, tmp_path / "network.onnx") <= 1e-4
    assert_onnx_agrees(load(tmp_path), tmp_path / "network.onnx", images)


def test_the_beginning_of_an_id_or_a_folder_name_a_trial(trials, klevel_export, tmp_path, without_onnx):
    for i, trial in enumerate((trials[1][0][:6], folder_of(trials, 0))):
        assert klevel_export(trial, tmp_path / str(i))[0] == 0
    shutil.copytree(folder_of(trials, 0), tmp_path / "elsewhere")
    assert klevel_export(tmp_path / "elsewhere", tmp_path / "2", tmp_path / "none")[0] == 0
    assert len({(tmp_path / str(i) / "network.pt").read_bytes() for i in range(3)}) == 1


def test_without_its_packages_all_but_onnx_is_written(trials, klevel_export, tmp_path, without_onnx):
    code, out, err = klevel_export(trials[1][0], tmp_path / "out")
    assert (code, len(out.splitlines())) == (0, 1)
    assert err == ["klevel: no network.onnx: it needs pip install onnxruntime"]
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"network.pt", "plan.json"}
    assert load(tmp_path / "out").training is False


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("_difference", lambda *_: float("nan"), "ONNX Runtime and torch differ by nan, more than 0.0001"),
        ("_export", lambda *_: 1 / 0, "torch cannot export this network to ONNX: ZeroDivisionError"),
    ],
)
def test_an_onnx_file_that_is_wrong_is_not_left_behind(
    trials, klevel_export, tmp_path, monkeypatch, name, value, words
):
    monkeypatch.setattr(onnx_file, name, value)
    if name == "_difference":
        monkeypatch.setattr(onnx_file, "_export", lambda network, images, path: path.touch())
    code, out, err = klevel_export(trials[1][0], tmp_path / "out")
    assert (code, len(out.splitlines()), len(err)) == (1, 1, 1)
    assert words in err[0]
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"network.pt", "plan.json"}


def test_an_earlier_export_is_replaced_and_anything_else_stays(trials, klevel_export, tmp_path, without_onnx):
    out = tmp_path / "out"
    out.mkdir()
    assert klevel_export(trials[1][1], out)[0] == 0, "an empty folder will do"
    (out / "network.onnx").write_text("of the earlier one")
    assert klevel_export(trials[1][0], out)[0] == 0
    assert {p.name for p in out.iterdir()} == {"network.pt", "plan.json"}
    assert load(out).state_dict()["0.weight"].shape[0] == 3
    (out / "mine.txt").write_text("treasure")
    before = {p: p.read_bytes() for p in out.iterdir()}
    code, _, err = klevel_export(trials[1][1], out)
    assert (code, len(err)) == (2, 1)
    assert "is not empty and no earlier export (it holds mine.txt)" in err[0]
    assert {p: p.read_bytes() for p in out.iterdir()} == before


def test_what_does_not_load_back_the_same_replaces_nothing(trials, klevel_export, tmp_path, monkeypatch, without_onnx):
    out = tmp_path / "out"
    klevel_export(trials[1][0], out)
    before = {p: p.read_bytes() for p in out.iterdir()}
    monkeypatch.setattr(exporting, "difference", lambda *_: float("nan"))
    code, _, err = klevel_export(trials[1][1], out)
    assert (code, len(err)) == (1, 1)
    assert "is not the one that was read" in err[0]
    assert {p: p.read_bytes() for p in out.iterdir()} == before
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_that_is_a_file(trials, klevel_export, tmp_path):
    (tmp_path / "file").touch()
    code, _, err = klevel_export(trials[1][0], tmp_path / "file")
    assert (code, len(err)) == (2, 1)
    assert "is a file" in err[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: (f / "row.json").unlink(), "has not finished"),
        (lambda f: (f / "row.json").write_text("{"), "row.json: not the row"),
        (lambda f: (f / "compact.pt").unlink(), "compact.pt: is not there any more"),
        (lambda f: (f / "checkpoint.pt").write_text("?"), "checkpoint.pt: not readable"),
        (lambda f: (f / "trial.yaml").write_text("[1]"), "trial.yaml: not the trial"),
        (lambda f: (f / "trial.yaml").write_text(""), "trial.yaml: not the trial"),
        (lambda f: respell(f / "trial.yaml", architecture="lenet6"), "did you mean lenet5?"),
    ],
)
def test_a_damaged_trial_gives_one_line(trials, klevel_export, tmp_path, change, words):
    trial = tmp_path / "trial"
    shutil.copytree(folder_of(trials, 0), trial)
    change(trial)
    code, out, err = klevel_export(trial, tmp_path / "out")
    assert (code, out, len(err)) == (2, "", 1)
    assert words in err[0]
    assert not (tmp_path / "out").exists()


def respell(path, **changes):
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))


def test_a_trial_that_failed_says_why(trials, klevel_export, tmp_path):
    code, _, err = klevel_export(trials[1][2], tmp_path / "out")
    assert (code, len(err)) == (2, 1)
    assert "this trial failed, it has no network: Diverged" in err[0]


def test_a_network_without_groups_is_written_whole(trials, klevel_export, tmp_path, without_onnx):
    assert klevel_export(trials[1][3], tmp_path / "out")[0] == 0
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    assert (plan["modules"], plan["tensors"]) == ({}, {})
    kept = torch.load(folder_of(trials, 3) / "compact.pt", weights_only=True)["state"]
    assert all(torch.equal(kept[n], t) for n, t in load(tmp_path / "out").state_dict().items())


@pytest.mark.parametrize(
    ("trial", "words"),
    [
        ("no/such/folder", "neither the folder of a trial nor an id"),
        ("0123456789abc", "neither the folder of a trial nor an id"),
        ("000000000000", "no such trial in"),
        ("", "neither the folder of a trial nor an id"),
    ],
)
def test_a_trial_that_is_not_there(klevel_export, tmp_path, trial, words):
    code, _, err = klevel_export(trial, tmp_path / "out")
    assert (code, len(err)) == (2, 1)
    assert words in err[0]
    assert "SUITE/trials.csv lists them" in err[0]


def test_a_trial_of_two_suites_is_asked_for_by_its_folder(trials, klevel_export, tmp_path):
    for suite in "abcd":
        shutil.copytree(trials[0] / "t", tmp_path / "results" / suite)
    code, _, err = klevel_export(trials[1][0], tmp_path / "out", tmp_path / "results")
    assert (code, len(err)) == (2, 1)
    assert f"{tmp_path}/results/a/trials/{trials[1][0]}" in err[0]
    assert "and 1 more" not in err[0]
    assert "1 more; give one of these folders" in err[0]


def test_a_trial_whose_networks_are_not_here_is_known_from_the_table(trials, klevel_export, tmp_path):
    table = tmp_path / "results" / "fashion" / "trials.csv"
    table.parent.mkdir(parents=True)
    table.write_text("protocol,suite,trial,status\n1,fashion,abcdef012345,done\n")
    code, _, err = klevel_export("abcdef", tmp_path / "out", tmp_path / "results")
    assert (code, len(err)) == (2, 1)
    assert f"{table} has it, but its networks are not here; klevel run fashion makes them" in err[0]
