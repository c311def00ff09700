"""The machine and the version that a row was measured with."""

import re
import subprocess
from pathlib import Path

import pytest
import torch

from runners import environment


@pytest.fixture
def uncached():
    environment.commit.cache_clear()
    yield
    environment.commit.cache_clear()


@pytest.mark.parametrize(("changed", "mark"), [("", ""), (" M runners/run.py\n", "+")])
def test_the_commit_says_whether_files_differ_from_it(uncached, monkeypatch, changed, mark):
    def git(command, **_):
        return subprocess.CompletedProcess(command, 0, stdout="0123456789\n" if "rev-parse" in command else changed)

    monkeypatch.setattr(subprocess, "run", git)
    assert environment.commit() == "0123456789" + mark


def test_outside_of_git_there_is_no_commit(uncached, monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "runners" / "environment.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert environment.commit() is None


def test_the_commit_of_this_repository(uncached):
    assert environment.commit() is None or re.fullmatch(r"[0-9a-f]{10}\+?", environment.commit())


def test_auto_is_cuda_where_it_is():
    assert environment.choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert environment.choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:99", ""])
def test_a_device_that_is_not_here_is_refused_in_one_line(name):
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        environment.choose_device(name)


def test_without_a_parent_named_nothing_is_watched(monkeypatch):
    watched = []
    monkeypatch.setattr(environment, "_watch", watched.append)
    for value in ("", "shell"):
        monkeypatch.setenv("KLEVEL_PARENT_PID", value)
        environment.die_with_parent()
    environment.die_with_main_process()
    assert watched == []


def test_the_machine_says_what_a_reader_of_timings_wants_to_know():
    machine = environment.machine()
    assert machine["torch"] == torch.__version__
    assert machine["processor"]
    assert isinstance(machine["cores"], int)


def test_a_processor_without_proc_is_named_by_python(monkeypatch):
    monkeypatch.setattr(environment, "CPUINFO", Path("/nowhere/cpuinfo"))
    monkeypatch.setattr(environment.platform, "processor", lambda: "a processor")
    assert environment.machine()["processor"] == "a processor"
