"""When it cannot be set up: one line, and nothing half done."""

import os
import signal
from pathlib import Path

import pytest

from tests.setup.house import House, assert_failed, installs

OLD = {"python3_12": "broken", "python3_11": "broken", "python3": "3.9"}


@pytest.mark.parametrize(
    ("versions", "chosen"),
    [
        ({}, "python3.12"),
        ({"python3_12": "broken"}, "python3.11"),  # a pyenv shim
        ({"python3_12": "3.12 bare"}, "python3.11"),
        ({"python3_12": "broken", "python3_11": "broken"}, "python3"),
    ],
)
def test_the_first_python_that_fits_is_taken(house: House, versions: dict[str, str], chosen: str) -> None:
    house.pythons(**versions)
    code, out, _ = house.run("run_all.sh")
    assert code == 0
    assert f"with {chosen}," in out


@pytest.mark.parametrize(
    ("versions", "python", "words"),
    [
        (OLD, None, ["3.11 or 3.12", "python3.12: does not run", "python3: 3.9", "PYTHON=/path"]),
        ({}, "/no/such/python", ["/no/such/python: not found", "PYTHON=/path"]),
        ({"python3": "3.13"}, "python3", ["python3: 3.13"]),
        (
            {"python3_12": "3.12 bare", "python3_11": "broken", "python3": "broken"},
            None,
            ["python3.12 has no venv", "python3.12-venv"],
        ),
    ],
)
def test_no_python_that_fits(house: House, versions: dict[str, str], python: str | None, words: list[str]) -> None:
    house.pythons(**versions)
    more = {"PYTHON": python} if python else {}
    assert_failed(house.run("run_all.sh", **more), *words)
    assert not house.venv.exists()


def test_a_full_disk_is_seen_before(house: House) -> None:
    house.tell(free_mb=700)
    assert_failed(house.run("run_all.sh"), "700 MB free", "3000 MB are needed")
    assert house.calls() == []
    assert not house.venv.exists()
    house.tell(free_mb=3000)
    assert house.run("run_all.sh")[0] == 0


UNREACHABLE = """Looking in indexes: http://mirror.test/simple
WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by 'NewConnectionError('<pip._vendor at 0x1>: \
Failed to establish a new connection: [Errno 111] Connection refused')': /simple/setuptools/
ERROR: ResolutionImpossible: for help visit https://pip.pypa.io"""
NO_SUCH_PIN = """WARNING: Retrying (Retry(total=4, connect=None)) after connection broken by 'ReadTimeoutError()'
The conflict is caused by:
    klevel 0.1.0 depends on typer>=0.15
    The user requested (constraint) typer==99.1
ERROR: ResolutionImpossible: for help visit https://pip.pypa.io"""
NO_SUCH_PACKAGE = "ERROR: No matching distribution found for nonsense==1"
NO_SPACE = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (UNREACHABLE, ["cannot reach", "http://mirror.test/simple", "Connection refused"]),
        (NO_SUCH_PIN, ["lacks a pinned version", "typer==99.1", "constraints.txt"]),
        (NO_SUCH_PACKAGE, ["lacks a pinned version", "nonsense==1"]),
        (NO_SPACE, ["the disk is full"]),
        ("noise\nERROR: something new\nmore noise", ["something new"]),
        ("no error word", ["no error word"]),
    ],
)
def test_a_failed_pip_is_told_in_one_line_and_leaves_nothing(house: House, says: str, words: list[str]) -> None:
    house.tell(pip_code=1, pip_says=says + "\n")
    result = house.run("run_all.sh")
    assert_failed(result, *words, "full log: ")
    log = Path(result[2].split("full log: ")[1].strip())
    assert log.read_text().strip() == says
    assert not house.venv.exists()
    house.tell(pip_code=None, pip_says=None)
    house.calls()
    assert installs(house) == ["venv", "."]


@pytest.mark.parametrize(("begun", "stays"), [("Collecting torch", True), ("Installing collected packages", False)])
def test_a_failed_update_keeps_what_pip_did_not_touch(ready: House, begun: str, stays: bool) -> None:
    (ready.root / "pyproject.toml").write_text("# changed\n")
    ready.tell(pip_code=1, pip_says=f"{begun}\nERROR: no\n")
    assert_failed(ready.run("run_all.sh"), "no; full log")
    assert ready.venv.exists() == stays
    ready.tell(pip_code=None, pip_says=None)
    ready.calls()
    assert installs(ready) == (["."] if stays else ["venv", "."])


# ---- interrupted, and two at once


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_an_interrupted_set_up_leaves_nothing(house: House, sent: signal.Signals, code: int) -> None:
    house.tell(pip_slow=True)
    process = house.start("run_all.sh")
    house.wait_for("pip.started")
    process.send_signal(sent)
    out_err = process.communicate(timeout=60)  # and at once, not when pip is done
    assert process.returncode == code
    assert "interrupted" in out_err[1]
    assert not house.venv.exists()
    assert not list((house.fake / "tmp").iterdir())


def test_a_killed_set_up_is_healed(house: House) -> None:
    house.tell(pip_slow=True)
    first = house.start("run_all.sh")
    house.wait_for("pip.started")
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate(timeout=10)
    assert (house.venv / ".klevel-unfinished").exists()
    house.calls()
    second = house.start("run_all.sh")
    assert "waiting" in second.stdout.readline()  # for the pip that outlived its set-up
    house.tell(pip_slow=None)
    second.communicate(timeout=30)
    assert second.returncode == 0
    assert house.calls()[0] == "venv"


def test_a_set_up_whose_script_alone_was_killed_goes_on(house: House) -> None:
    house.tell(pip_slow=True)
    first = house.start("run_all.sh")
    house.wait_for("pip.started")
    first.kill()
    second = house.start("run_all.sh")
    assert "waiting" in second.stdout.readline()
    house.tell(pip_slow=None)
    assert second.communicate(timeout=30) == ("", "")
    assert second.returncode == 0
    first.communicate(timeout=10)
    calls = house.calls()
    assert [calls.count(call) for call in ("venv", "run quick")] == [1, 1]


def test_two_at_once_set_up_once(house: House) -> None:
    house.tell(pip_slow=True)
    first = house.start("run_all.sh")
    house.wait_for("pip.started")
    second = house.start("run_all.sh", "fashion")
    assert "waiting" in second.stdout.readline()
    house.tell(pip_slow=None)
    (out1, err1), (out2, err2) = first.communicate(timeout=30), second.communicate(timeout=30)
    assert (first.returncode, second.returncode, err1, err2) == (0, 0, "", "")
    assert "once" in out1
    assert out2 == ""
    calls = house.calls()
    assert calls.count("venv") == 1
    assert {"run quick", "run fashion"} <= set(calls)
