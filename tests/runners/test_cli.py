"""The command line: exit codes, and one line for whatever is wrong."""

import contextlib
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from methods import METHODS
from runners import commands, data, tasks
from runners.__main__ import main
from runners.datasets import DATASETS, Images
from runners.executors import Slots
from runners.leases import Leases
from runners.networks.architectures import ARCHITECTURES
from runners.networks.groupings import GROUPINGS
from runners.registry import OWN
from runners.store import Store
from runners.suite import load
from runners.suite_files import names

ROOT = Path(__file__).parents[2]


@pytest.fixture
def suite(suite_file):
    return suite_file()


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


@pytest.fixture
def klevel(capsys, results):
    """Call the command line; return its exit code, what it put out, and the lines on stderr."""

    def call(*arguments, at_results=True):
        where = ["--results", str(results)] if at_results else []
        code = main([*map(str, arguments), *where])
        out, err = capsys.readouterr()
        return code, out, err.splitlines()

    return call


def test_a_run_says_what_was_done_and_where(klevel, suite, results):
    code, out, _ = klevel("run", suite, "--jobs", 1)
    assert code == 0
    assert out == f"2 done, 0 failed, 0 skipped -> {results}/t/trials.csv\n"
    assert len(pd.read_csv(results / "t" / "trials.csv")) == 2


def test_a_failure_gives_code_1_and_says_where_its_log_is(klevel, suite, results, monkeypatch):
    monkeypatch.setattr(tasks, "run_trial", lambda spec, bench: 1 / 0)
    code, out, err = klevel("run", suite, "--jobs", 1)
    assert code == 1
    assert out.startswith("0 done, 2 failed, 0 skipped")
    first = load(suite).trials[0].id
    assert err[-1] == f"first failure: {results}/t/trials/{first}/log.txt: ZeroDivisionError: division by zero"
    assert (results / "t" / "trials" / first / "log.txt").is_file()
    assert klevel("run", suite, "--jobs", 1)[0] == 1, "a suite with failures stays one"


def test_retry_runs_what_failed(klevel, suite, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "run_trial", lambda spec, bench: 1 / 0)
        klevel("run", suite, "--jobs", 1)
    assert klevel("run", suite, "--jobs", 1, "--retry")[0] == 0


def test_a_dry_run_lists_what_is_missing_and_touches_nothing(klevel, suite, results):
    code, out, err = klevel("run", suite, "--dry-run")
    assert (code, err) == (0, [])
    assert out.splitlines()[2].split() == ["2", "magnitude", "lenet5", "digits", "filter", "0.5", "0-1", "2"]
    assert "dense networks: 2, shared by these trials; 0 of them are there already\n" in out
    assert out.endswith("dense networks included: 4; time: no epoch of these was measured here yet\n")
    assert not results.exists()
    klevel("run", suite, "--jobs", 1, "--limit", 1)
    out = klevel("run", suite, "--dry-run", "--jobs", 1)[1]
    assert re.search(r"\ndense networks: 1, .*\ntrials: 1; .* included: 2; time: 0:0\d with 1 at a time\n$", out)
    klevel("run", suite, "--jobs", 1)
    assert klevel("run", suite, "--dry-run") == (0, "nothing is missing\n", [])


def test_status_counts(klevel, suite, monkeypatch):
    none = ["t: 2 trials: 0 done, 0 running, 0 failed, 0 skipped, 2 open"]
    none += ["nothing runs, time left unknown with 1 at a time", ""]
    assert klevel("status", suite) == (0, "\n".join(none), [])
    klevel("run", suite, "--jobs", 1, "--limit", 1)
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "run_trial", lambda spec, bench: 1 / 0)
        klevel("run", suite, "--jobs", 1)
    said = klevel("status", suite)[1].splitlines()
    assert said[0] == "t: 2 trials: 1 done, 0 running, 1 failed, 0 skipped, 0 open"
    assert said[1:] == [f"{load(suite).trials[1].id} failed: ZeroDivisionError: division by zero"]
    assert "0 skipped, 1 open\n" in klevel("status", suite, "--set", "seed=[7]")[1]


def test_a_part_of_a_suite_leaves_the_rest_as_it_is(klevel, suite, results):
    klevel("run", suite, "--jobs", 1)
    before = {p.name: p.read_bytes() for p in (results / "t").glob("*.*")}
    for part in (["--limit", 1], ["--set", "seed=[1]"], ["--only", "magnitude", "--limit", 1]):
        code, out, _ = klevel("run", suite, "--jobs", 1, *part)
        assert (code, out) == (0, f"1 done, 0 failed, 0 skipped -> {results}/t/trials.csv\n")
        assert {p.name: p.read_bytes() for p in (results / "t").glob("*.*")} == before
    klevel("run", suite, "--jobs", 1, "--limit", 1, "--only-these")
    assert len(pd.read_csv(results / "t" / "trials.csv")) == 1
    code, _, err = klevel("run", suite, "--only", "magnitud")
    assert (code, len(err)) == (2, 1)
    assert "did you mean magnitude?" in err[0]


def test_only_runs_a_method_that_the_suite_does_not_name(klevel, suite, results):
    assert klevel("run", suite, "--jobs", 1, "--only", "random")[1].startswith("2 done")
    table = pd.read_csv(results / "t" / "trials.csv")
    assert table[["method", "keep", "seed"]].values.tolist() == [["random", 0.5, 0], ["random", 0.5, 1]]


def test_status_tells_what_other_code_made_and_what_is_published(klevel, suite, results, monkeypatch):
    klevel("run", suite, "--jobs", 1)
    reference = results.parent / "reference"
    assert klevel("publish", suite, "--reference", reference, "--force", "a test")[0] == 0
    said = klevel("status", suite, "--reference", reference)[1].splitlines()
    assert said[1:] == [f"{reference}/t: 2 trials, 2 of these"]
    monkeypatch.setattr("runners.run.code_of", lambda kind: "0123456789ab")
    said = klevel("status", suite, "--reference", reference)[1]
    assert "2 made by other code of magnitude than that of today: run --changed takes them again" in said


def test_overrides_reach_the_run(klevel, suite, results):
    klevel("run", suite, "--jobs", 1, "--set", "seed=[5]", "--set", "keep=[0.25]", "--set", "train_images=30")
    table = pd.read_csv(results / "t" / "trials.csv")
    assert table[["seed", "keep", "train_images"]].values.tolist() == [[5, 0.25, 30]]


def test_a_results_folder_tells_its_suite_and_the_machine(klevel, suite, results, monkeypatch):
    klevel("run", suite, "--jobs", 1, "--set", "seed=[5]", "--set", "keep=[0.25]")
    written = results / "t" / "suite.yaml"
    assert [t.id for t in load(str(written)).trials] == list(pd.read_csv(results / "t" / "trials.csv")["trial"])
    machines = json.loads((results / "t" / "environment.json").read_text())
    assert [m["torch"] for m in machines] == [torch.__version__]
    klevel("run", suite, "--jobs", 1, "--set", "seed=[5]", "--set", "keep=[0.25]")
    assert json.loads((results / "t" / "environment.json").read_text()) == machines
    monkeypatch.setattr("runners.run.machine", lambda: {"processor": "another"})
    klevel("run", suite, "--jobs", 1, "--set", "seed=[5]", "--set", "keep=[0.25]")
    assert json.loads((results / "t" / "environment.json").read_text()) == machines, "nothing ran on the other"
    klevel("measure", suite, "--device", "cpu", "--set", "seed=[5]", "--set", "keep=[0.25]")
    assert json.loads((results / "t" / "environment.json").read_text()) == [*machines, {"processor": "another"}]


def test_path_is_the_results_folder_whatever_options_of_run_follow(klevel, suite, results):
    assert klevel("path", suite) == (0, f"{results}/t\n", [])
    assert klevel("path", suite, "--jobs", 2, "--set", "keep=[0.5]", "--dry-run")[:2] == (0, f"{results}/t\n")


def test_measure_takes_the_latencies_anew(klevel, suite, results):
    klevel("run", suite, "--jobs", 1)
    rows = [Store(results, "t").row(t) for t in load(suite).trials]
    code, out, _ = klevel("measure", suite, "--device", "cpu")
    assert (code, out) == (0, f"2 measured -> {results}/t/trials.csv\n")
    again = [Store(results, "t").row(t) for t in load(suite).trials]
    assert [r.test_top1 for r in again] == [r.test_top1 for r in rows]
    assert [r.speedup_b1 for r in again] != [r.speedup_b1 for r in rows]


@pytest.mark.parametrize(
    ("kind", "entries"),
    [
        ("methods", sorted(METHODS)),
        ("architectures", [*ARCHITECTURES, "timm/NAME", "torchvision/NAME", OWN]),
        ("datasets", [*DATASETS, OWN]),
        ("groupings", [*GROUPINGS, OWN]),
        ("suites", names()),
    ],
)
def test_list_names_everything_with_a_line_of_help(klevel, kind, entries):
    code, out, err = klevel("list", kind, at_results=False)
    assert (code, err) == (0, [])
    assert [line.split()[0] for line in out.splitlines()] == list(entries)
    assert all(len(line.split()) > 1 for line in out.splitlines()), "each has help"


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (["run", "quikc"], ["quikc: no such suite", "did you mean quick?"]),
        (["run", "SUITE", "--set", "keep=2"], ["s.yaml: grid: keep = 2"]),
        (["run", "SUITE", "--set", "train_images=5000"], ["train_images = 5000", "digits allows 10 to 1293"]),
        (["run", "SUITE", "--jobs", "0"], ["--jobs", "1"]),
        (["run", "SUITE", "--jobs", "many"], ["--jobs", "integer"]),
        (["run", "SUITE", "--limit", "0"], ["--limit", "1"]),
        (["run", "SUITE", "--device", "gpu"], ["--device gpu", "cuda"]),
        (["run", "SUITE", "--nonsense"], ["--nonsense"]),
        (["run"], ["SUITE"]),
        (["status", "quikc"], ["no such suite"]),
        (["log", "0123"], ["0123: no such trial"]),
        (["path", "quikc"], ["no such suite"]),
        (["measure", "SUITE"], ["no trial of the suite is done"]),
        (["measure", "SUITE", "--device", "gpu"], ["--device gpu"]),
        (["rum", "SUITE"], ["rum"]),
    ],
    ids=" ".join,
)
def test_wrong_input_gives_code_2_and_one_line(klevel, suite, results, arguments, fragments):
    arguments = [suite if a == "SUITE" else a for a in arguments]
    code, out, err = klevel(*arguments, at_results=arguments[0] != "rum")
    assert (code, out, len(err)) == (2, "", 1), err
    assert err[0].startswith("klevel: ")
    assert [f for f in fragments if f not in err[0]] == []
    assert list(results.rglob("row.json")) == []


@pytest.mark.parametrize("kind", [["method"], []], ids=str)
def test_a_wrong_kind_to_list(klevel, kind):
    code, _, err = klevel("list", *kind, at_results=False)
    assert (code, len(err)) == (2, 1)
    assert "methods" in err[0]


def test_a_dataset_that_is_not_there_stops_before_any_work(klevel, suite_file, results, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KLEVEL_DATA", str(tmp_path / "none"))
    code, out, err = klevel("run", suite_file(dataset=["digits", "mnist"]), "--jobs", 1)
    assert (code, out, len(err)) == (2, "", 1)
    assert err[0].startswith("klevel: MNIST is not there")
    assert list(results.rglob("row.json")) == []


@pytest.fixture
def arrays(monkeypatch, tmp_path):
    """A dataset of a user's own, in a file that is not there any more once a suite was run on it."""

    def read():
        with np.load(Path(os.environ["KLEVEL_DATA"]) / "arrays.npz") as file:
            images, labels = torch.from_numpy(file["images"]), torch.from_numpy(file["labels"])
        return Images(images, labels, images, labels, classes=2)

    file = tmp_path / "data" / "arrays.npz"
    file.parent.mkdir()
    rng = np.random.default_rng(0)
    np.savez(file, images=rng.integers(0, 256, (60, 1, 28, 28), dtype=np.uint8), labels=np.arange(60) % 2)
    monkeypatch.setenv("KLEVEL_DATA", str(file.parent))
    monkeypatch.setitem(DATASETS._entries, "arrays", read)
    data._source_dataset.cache_clear()
    yield file
    data._source_dataset.cache_clear()


def test_each_command_that_needs_data_says_which_and_where_it_is_looked_for(klevel, suite_file, arrays, tmp_path):
    suite = suite_file(dataset=["arrays"])
    assert klevel("run", suite, "--jobs", 1)[0] == 0
    arrays.unlink()
    data._source_dataset.cache_clear()
    trial = load(suite).trials[0].id
    for arguments in (
        ["measure", suite],
        ["export", trial, tmp_path / "deploy"],
        ["run", suite, "--jobs", 1, "--force"],
    ):
        code, out, err = klevel(*arguments)
        assert (code, out) == (2, "")
        line = f"klevel: dataset arrays: {arrays}: No such file or directory; set KLEVEL_DATA=DIR to the folder of its "
        assert len(err) == 1
        assert err[0].startswith(line)


def test_results_that_cannot_be_written_give_one_line(klevel, suite, results):
    results.write_text("a file")
    code, _, err = klevel("run", suite, "--jobs", 1)
    assert (code, len(err)) == (2, 1)
    assert str(results) in err[0]


def test_times_are_not_taken_while_another_run_is_at_work(klevel, suite, results):
    with contextlib.closing(Leases(Store(results, "t").leases)) as other:
        assert other.claim("0123456789ab")
        code, _, err = klevel("measure", suite)
    assert (code, len(err)) == (2, 1)
    assert f"process {os.getpid()} of " in err[0]
    assert "is at work here" in err[0]


def test_an_interruption_says_how_to_go_on(klevel, suite, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "run_trials", interrupted)
    assert klevel("run", suite) == (130, "", ["klevel: stopped; call again to go on"])


COMMANDS = ["run", "list", "status", "log", "measure", "export", "collect", "publish", "path", "doctor"]
COMMANDS += ["bench", "draw", "compare", "import"]


def module(*arguments, **environment):
    """Call python -m runners in a process of its own; return what it put out and the modules that it imported."""
    code = "import sys, runpy, atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
    code += "runpy.run_module('runners', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout, {name.partition(".")[0] for name in done.stderr.split()}


HEAVY = {"torch", "torchvision", "torch_pruning", "sklearn", "scipy", "pandas", "numpy", "matplotlib"}
HEAVY |= {"seaborn", "joblib", "pebble", "pydantic", "rich", "tqdm", "yaml"}
OF_TYPER = {"pydantic"}  # by which newer versions of it validate arguments


@pytest.mark.parametrize(
    ("arguments", "may"),
    [
        (["--help"], set()),
        (["run", "--help"], OF_TYPER),
        (["compare", "--help"], OF_TYPER),
        (["--version"], set()),
        (["list", "suites"], OF_TYPER),
        (["path", "quick"], OF_TYPER | {"yaml"}),
        (["list", "methods"], OF_TYPER | {"torch", "numpy", "tqdm", "yaml"}),
        (["list", "datasets"], OF_TYPER | {"torch", "numpy", "tqdm", "yaml"}),
        (["draw", "--help"], HEAVY - {"torch", "torchvision", "torch_pruning", "sklearn"}),
    ],
    ids=lambda value: " ".join(sorted(value) if isinstance(value, set) else value),
)
def test_what_is_not_needed_is_not_imported(arguments, may):
    out, imported = module(*arguments)
    assert out
    assert imported & HEAVY <= may


@pytest.mark.slow
def test_a_run_of_what_is_done_imports_nothing_that_trains(root):
    out, imported = module(
        "run", str(root.parent.parent / "s.yaml"), "--results", str(root.parent), "--jobs", "1", "--device", "cpu"
    )
    assert " 0 failed" in out
    assert imported & {"torchvision", "timm", "sklearn", "scipy", "joblib", "matplotlib", "seaborn", "ray"} == set()


@pytest.mark.parametrize("words", [[], *([command] for command in COMMANDS)], ids=" ".join)
def test_help_says_klevel_and_is_cut_nowhere(klevel, monkeypatch, words):
    monkeypatch.setenv("COLUMNS", "80")
    for option in ("-h", "--help"):
        code, out, err = klevel(*words, option, at_results=False)
        assert (code, err) == (0, [])
        assert out.startswith(f"Usage: {' '.join(['klevel', *words])} [OPTIONS] ")
        assert not [line for line in out.splitlines()[1:] if line.endswith("...") or len(line) > 80]


def test_help_names_every_command(klevel):
    out = klevel("--help", at_results=False)[1]
    assert "Compare ways to prune neural networks by groups." in out
    assert re.findall(r"^  (\w+)  ", out.partition("Commands:")[2], re.MULTILINE) == COMMANDS


def test_version(klevel):
    assert klevel("--version", at_results=False) == (0, f"klevel {version('klevel')}\n", [])


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("klevel li", ["list"]),
        ("klevel run qu", ["quick"]),
        ("klevel list me", ["methods"]),
        ("klevel draw --st", ["--style"]),
    ],
)
def test_a_shell_can_complete(words, offered):
    out, imported = module(_KLEVEL_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(words.count(" ")))
    assert out.split() == offered
    assert imported & HEAVY <= OF_TYPER


def test_the_script_of_completion_is_shown():
    out, _ = module("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert "complete -o default -F _klevel_completion klevel" in out


def test_results_are_drawn_compared_and_imported_by_the_same_command(klevel, tmp_path):
    reference = ROOT / "results" / "reference" / "quick"
    output = ["--output", tmp_path / "drawn", "--only", "accuracy"]
    code, out, err = klevel("draw", reference, *output, at_results=False)
    assert (code, err) == (0, [])
    assert "written:" in out
    assert list((tmp_path / "drawn" / "tables").iterdir())
    assert klevel("compare", reference, reference, at_results=False)[::2] == (0, [])
    for arguments, line in (
        (["draw", tmp_path / "none"], f"klevel: {tmp_path}/none is not a folder"),
        (["draw", reference, "--only", "pie"], "klevel: --only 'pie' is unknown"),
        (["draw"], "klevel: Missing argument 'RESULTS_DIR'; see klevel draw --help"),
        (["compare", tmp_path / "a"], "klevel: Missing argument 'B'; see klevel compare --help"),
        (["import", "torch-pruning", tmp_path / "no.txt"], f"klevel: {tmp_path}/no.txt"),
    ):
        code, out, err = klevel(*arguments, at_results=False)
        assert (code, out, len(err)) == (2, "", 1)
        assert err[0].startswith(line)


def test_as_many_trials_run_at_a_time_as_the_process_may_use_cpus(klevel, suite, monkeypatch):
    asked = []

    def run(context, trials, slots, *rest):
        asked.append(slots.number)
        return pd.DataFrame({"status": []})

    monkeypatch.setattr(commands, "run_trials", run)
    for cpus, threads in ((1, 1), (3, 1), (3, 2)):
        monkeypatch.setattr("joblib.cpu_count", lambda cpus=cpus: cpus)
        klevel("run", suite, "--threads", threads, "--device", "cpu")
    assert asked == [1, 3, 1]


def test_devices_have_jobs_of_their_own(klevel, suite, monkeypatch):
    asked = []

    def run(context, trials, slots, *rest):
        asked.append(slots)
        return pd.DataFrame({"status": []})

    monkeypatch.setattr(commands, "run_trials", run)
    klevel("run", suite, "--devices", "cpu,meta", "--per-device", 3, "--trial-timeout", 60)
    klevel("run", suite, "--devices", "cpu, cpu")
    assert asked == [Slots(["cpu", "meta"], 3, 60), Slots(["cpu"], 1)]
    for options, wrong in (
        (["--devices", "cpu,cuda:77"], "--device cuda:77"),
        (["--devices", "cpu", "--jobs", 2], "--jobs 2"),
        (["--per-device", 2], "--per-device 2"),
    ):
        code, _, err = klevel("run", suite, *options)
        assert (code, len(err)) == (2, 1)
        assert wrong in err[0]


@pytest.mark.parametrize("shard", ["0/2", "3/2", "2", "a/b", "1/0", "-1/2", "1/2/3", ""])
def test_a_shard_that_is_none_gives_one_line(klevel, suite, shard):
    code, _, err = klevel("run", suite, f"--shard={shard}")
    assert (code, len(err)) == (2, 1)
    assert "1/8" in err[0]
