"""An export, loaded back: with how little, and what is said of one that is damaged."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from results.errors import InputError
from runners.networks.export.deployed import load, read_plan
from runners.networks.export.writing import NetworkPair, plan_with_origins, write

ROOT = Path(__file__).parents[4]
# what trains, prunes, reads data or runs suites; and what only these need
NOT_NEEDED = ["methods", "torch_pruning", "sklearn", "pandas", "pydantic", "typer", "onnx", "onnxruntime"]
NOT_NEEDED += [f"runners.{m}" for m in ("data", "datasets", "export", "finished", "spec", "store", "suite", "training")]
NOT_NEEDED += ["runners.trial", "runners.networks.compaction", "runners.networks.groupings"]


@pytest.fixture
def folder(prune, tmp_path):
    network, _, masks, example, realised = prune("resnet20", "filter", 0.4)
    pair = NetworkPair(network, realised.network.eval())
    plan = {"format": 1, "architecture": {"name": "resnet20", "channels": 1, "size": 28, "classes": 10}}
    write(pair, plan | plan_with_origins(pair, masks, "filter", example), tmp_path)
    torch.save((example, realised.network(example).detach()), tmp_path / "expected.pt")
    return tmp_path


@pytest.mark.slow
def test_it_loads_without_what_trains(folder):
    code = """
import sys, torch
from runners.networks.export.deployed import load
example, expected = torch.load(sys.argv[1] + "/expected.pt", weights_only=True)
torch.set_num_threads(1)
with torch.no_grad():
    assert torch.equal(load(sys.argv[1])(example), expected)
print(*sys.modules)
"""
    process = subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    assert sorted(set(NOT_NEEDED) & set(process.stdout.split())) == []


def test_it_is_ready_to_use(folder):
    network = load(str(folder))
    assert not any(m.training for m in network.modules())
    assert all(p.requires_grad for p in network.parameters()), "it may be trained on"
    assert read_plan(folder)["tensors"]["conv1.weight"]["dense_shape"] == [16, 1, 3, 3]


def test_weights_with_code_in_them_are_refused(folder):
    torch.save(NetworkPair(None, None), folder / "network.pt")
    with pytest.raises(InputError, match=r"network\.pt: not the weights of plan\.json beside it"):
        load(folder)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("plan.json", None, "no export of klevel: plan.json is not there"),
        ("plan.json", "{", "plan.json: not JSON"),
        ("plan.json", "[]", "not a plan of format 1"),
        ("plan.json", '{"format": 2}', "not a plan of format 1"),
        ("network.pt", "?", "network.pt: not the weights"),
    ],
)
def test_a_damaged_export_gives_one_line(folder, name, text, words):
    (folder / name).unlink() if text is None else (folder / name).write_text(text)
    with pytest.raises(InputError) as error:
        load(folder)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_weights_that_are_gone(folder):
    (folder / "network.pt").unlink()
    with pytest.raises(FileNotFoundError):
        load(folder)


def test_weights_of_another_export_do_not_fit(folder):
    plan = json.loads((folder / "plan.json").read_text())
    plan["tensors"]["conv1.weight"]["shape"][0] += 1
    (folder / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(InputError, match=r"network\.pt: not the weights .* size mismatch for conv1\.weight"):
        load(folder)
