"""What the README says works when pasted."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.frame import load
from analysis.plot.style import drawn
from methods import METHODS, Method
from runners import suite, trial
from runners.__main__ import main
from runners.datasets import DATASETS
from runners.networks.architectures import ARCHITECTURES

ROOT = Path(__file__).parents[1]
LENET = ARCHITECTURES["lenet5"]
README = (ROOT / "README.md").read_text(encoding="utf-8")


SETTINGS = ("architecture=mlp", "train_images=40", "keep=0.1", "seed=0", "dense_epochs=1", "sparsify_epochs=1")
TINY = [option for s in (*SETTINGS, "finetune_epochs=1") for option in ("--set", s)] + ["--jobs", "1"]


@pytest.fixture(autouse=True)
def nothing_collapses(monkeypatch):
    """So few steps teach a network little."""
    monkeypatch.setattr(trial, "MARGIN", -1.0)


def block(language, word):
    """The block of code in this language that holds this word."""
    found = [b for b in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if word in b]
    assert len(found) == 1
    return found[0]


def commands(start):
    lines = [line.strip() for line in README.splitlines() if line.startswith("    ")]
    return [shlex.split(line, comments=True) for line in lines if line.startswith(start)]


def test_the_method_becomes_part_of_a_suite(monkeypatch, tmp_path):
    names = {}
    exec(compile(block("python", "class Smallest"), "smallest.py", "exec"), names)
    method = names["Smallest"]
    assert issubclass(method, Method)
    monkeypatch.setitem(METHODS, method.name, method)
    assert main(["run", "quick", "--set", "method=[smallest]", *TINY, "--results", str(tmp_path)]) == 0
    assert "smallest" in (tmp_path / "quick" / "trials.csv").read_text()


def test_pruning_works_in_a_loop_of_ones_own():
    network, images = LENET(1, 28, 10), torch.randn(4, 1, 28, 28)
    names = {"network": network, "images": images, "lr": 0.1, "step": 1, "steps": 1}
    names["optimizer"] = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    exec(compile(block("python", "pruner.after_step"), "loop.py", "exec"), names)
    assert names["groups"].nonzero() == names["pruner"].budget.targets(names["groups"])


@pytest.mark.slow
def test_an_exported_network_is_read_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "quick", "--set", "method=[magnitude]", *TINY]) == 0
    trial = next((tmp_path / "results" / "quick" / "trials").iterdir()).name
    command = next(c[1:] for c in commands(".venv/bin/klevel") if c[1] == "export")
    assert main([trial if word == "ID" else word for word in command]) == 0
    names = {}
    exec(compile(block("python", "from runners.networks.export.deployed import"), "load.py", "exec"), names)
    assert names["scores"].shape == (5, 10)


def test_the_dataset_is_read(monkeypatch, tmp_path):
    sizes = {"x_train": (30, 3, 8, 8), "x_test": (10, 3, 8, 8), "y_train": (30,), "y_test": (10,)}
    np.savez(
        tmp_path / "arrays.npz",
        **{n: (np.arange(np.prod(s)) % 2).reshape(s).astype(np.uint8) for n, s in sizes.items()},
    )
    monkeypatch.setenv("KLEVEL_DATA", str(tmp_path))
    monkeypatch.setattr(DATASETS, "_entries", dict(DATASETS._entries))
    exec(compile(block("python", "npz"), "arrays.py", "exec"), {})
    images = DATASETS["arrays"]()
    assert images.train_images.shape == (30, 3, 8, 8)
    assert images.classes == 2


def test_the_suite_loads(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(block("yaml", "suite: mine"))
    loaded = suite.load(str(file))
    assert len(loaded.trials) == 3 + 2 * 3 * (1 + 2 + 2)  # dense once a seed; the others per keep


OF_ANALYSIS = ("draw", "compare", "import")


@pytest.mark.parametrize("command", [c for c in commands(".venv/bin/klevel") if c[1] not in OF_ANALYSIS], ids=" ".join)
def test_the_commands_of_klevel_are_understood(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    expected = 2 if command[1] in ("measure", "export", "doctor", "bench") else 0  # none is in an empty folder
    assert main(command[1:]) == expected
    output = capsys.readouterr()
    assert output.err.count("\n") == 1 if expected else output.out


@pytest.mark.parametrize("command", [c for c in commands(".venv/bin/klevel") if c[1] in OF_ANALYSIS], ids=" ".join)
def test_the_commands_that_read_results_are_understood(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    arguments = ["results/reference/quick" if a == "results/quick" else a for a in command[1:]]  # without a run before
    if arguments[0] == "import":
        assert main(arguments) == 2, "there are no such logs here"
        assert capsys.readouterr().err.startswith("klevel: run/cifar10/prune")
        return
    if arguments[0] == "draw":
        arguments = [a if not a.startswith("/tmp/") else str(tmp_path) for a in arguments]
        arguments += [] if "--only" in arguments else ["--only", "k_level"]
        arguments += [] if "--output" in arguments else ["--output", str(tmp_path)]
    assert main(arguments) == 0
    assert capsys.readouterr().out


def test_the_figure_is_drawn():
    names = {}
    exec(compile(block("python", "peak_memory"), "peak_memory.py", "exec"), names)
    for setting in load(ROOT / "results" / "reference" / "quick").settings():
        with drawn():
            assert names["FIGURE"](setting).axes[0].get_ylabel() == "peak_mb"


@pytest.mark.parametrize("command", commands("./run_all.sh"), ids=" ".join)
def test_the_options_of_run_all_are_those_of_run(command, tmp_path, capsys):
    options = [o for o in command[1:] if o != "--help"]
    options = options if options and not options[0].startswith("-") else ["quick", *options]
    assert main(["run", *options, "--dry-run", "--results", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("\n") >= 3


def test_the_files_it_points_to_are_there():
    for target in re.findall(r"\[[^\]\"]+\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
