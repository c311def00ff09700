"""The shell scripts, in a copy of their own and with fake programs on PATH: nothing real is installed or run."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
SCRIPTS = ["run_all.sh", "run_tests.sh", "setup_env.sh", "pyproject.toml", "constraints.txt", ".ci/run"]

# Stands for every Python here. It is 3.12, or what NAME.version beside it says; that may be "broken" (does not run) or
# "3.12 bare" (has no venv module). `python -m venv` copies it into the new .venv. What is asked of the python there is
# logged to $FAKE/calls and answered from $FAKE/WHAT.code and $FAKE/WHAT.says, WHAT being pip, run, path, ...; it does
# not end while $FAKE/WHAT.slow exists (but after two minutes).
FAKE_PYTHON = r"""#!/bin/sh
name=$(basename "$0") version=3.12
[ ! -f "$0.version" ] || version=$(cat "$0.version")
case "$version" in broken) echo "$name: no such version" >&2; exit 127 ;; esac
answer() {
    echo "$*" >>"$FAKE/calls"
    [ ! -f "$FAKE/$1.says" ] || cat "$FAKE/$1.says"
    beats=0
    while [ -f "$FAKE/$1.slow" ] && [ $beats -lt 240 ]; do
        : >"$FAKE/$1.started"; sleep 0.5; beats=$((beats + 1))
    done
    [ ! -f "$FAKE/$1.code" ] || exit "$(cat "$FAKE/$1.code")"
    exit 0
}
case "$*" in
    *fcntl*) exec "$REAL_PYTHON" "$@" ;;
    *version_info*) echo "${version% bare}"; exit ;;
    *"import venv"*) case "$version" in *bare) exit 1 ;; *) exit ;; esac ;;
    "-I -m venv "*)
        mkdir -p "$4/bin" && cp "$0" "$4/bin/python" && echo "$version" >"$4/bin/python.version"
        answer venv ;;
    "-I -m pip "*) shift 3; answer pip "$@" ;;
    "-m runners path "*) shift 3; echo "results of $*"; answer path "$@" ;;
    "-m runners run "*) shift 3; echo "$KLEVEL_PARENT_PID" >"$FAKE/parent"; answer run "$@" ;;
    "-m "*) shift; answer "$@" ;;
esac
"""
FAKE_DF = """#!/bin/sh
echo 'Filesystem 1024-blocks Used Available Capacity Mounted on'
echo "/dev/my disk 99999999 1 $(cat "$FAKE/free_kb") 99% /my disk 7"
"""


class House:
    """A copy of the scripts, and the fake programs they meet."""

    def __init__(self, folder: Path):
        self.root = folder / "a folder"
        self.fake = folder / "fake"
        self.venv = self.root / ".venv"
        for file in SCRIPTS:
            (self.root / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, self.root / file)
        (self.fake / "bin").mkdir(parents=True)
        (self.fake / "tmp").mkdir()
        for name in ["python3.12", "python3.11", "python3"]:
            self.program(name, FAKE_PYTHON)
        self.program("df", FAKE_DF)
        self.tell(free_kb=9_000_000)
        self.environment = {
            "PATH": f"{self.fake / 'bin'}:{os.environ['PATH']}",
            "FAKE": str(self.fake),
            "REAL_PYTHON": sys.executable,
            "TMPDIR": str(self.fake / "tmp"),
            "HOME": str(folder),
        }

    def program(self, name: str, text: str) -> Path:
        path = self.fake / "bin" / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def tell(self, **answers: object) -> None:
        """tell(pip_code=1) writes the file pip.code for the fake; None removes it."""
        for name, value in answers.items():
            path = self.fake / (name if name == "free_kb" else name.replace("_", ".", 1))
            path.unlink(missing_ok=True)
            if value is not None:
                path.write_text(str(value))

    def pythons(self, **versions: str) -> None:
        """pythons(python3_12="broken"): what the fake of that name says it is."""
        for name, version in versions.items():
            (self.fake / "bin" / f"{name.replace('_', '.')}.version").write_text(version)

    def start(self, script: str, *args: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", str(self.root / script), *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.root,
            env=self.environment | more,
            start_new_session=True,
        )

    def run(self, script: str, *args: str, **more: str) -> tuple[int, str, str]:
        process = self.start(script, *args, **more)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def calls(self) -> list[str]:
        """What the python of .venv was asked since the last look."""
        log = self.fake / "calls"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    def wait_for(self, file: str) -> None:
        deadline = time.monotonic() + 60
        while not (self.fake / file).exists():
            assert time.monotonic() < deadline, f"{file} never came"
            time.sleep(0.02)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def ready(house: House) -> House:
    """A house whose set-up for both scripts is done."""
    assert house.run("run_tests.sh")[0] == 0
    house.calls()
    return house


def assert_failed(result: tuple[int, str, str], *words: str) -> None:
    code, _, err = result
    assert code == 2
    assert len(err.splitlines()) == 1, err
    for word in words:
        assert word in err


# ---- run_all.sh


def test_a_first_call_installs_runs_and_draws_and_a_second_does_not_install(house: House) -> None:
    code, out, err = house.run("run_all.sh")
    assert (code, err) == (0, "")
    assert "once" in out
    pip = "pip install --no-input --disable-pip-version-check --progress-bar off -c constraints.txt"
    run = ["run quick", "path quick", "analysis results of quick"]
    assert house.calls() == ["venv", f"{pip} setuptools", f"{pip} --no-build-isolation -e .", *run]
    assert not list((house.fake / "tmp").iterdir()), "the log of a good set-up is removed"

    assert house.run("run_all.sh") == (0, "", "")
    assert house.calls() == run


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ([], "quick"),
        (["fashion"], "fashion"),
        (["--jobs", "1"], "quick --jobs 1"),
        (["fashion", "--jobs", "2", "--set", "keep=[0.25]"], "fashion --jobs 2 --set keep=[0.25]"),
        (["my suites/a b.yaml", "--results", "x y"], "my suites/a b.yaml --results x y"),
        (["quick", "--set", "name=*"], "quick --set name=*"),
    ],
)
def test_arguments_are_passed_through(ready: House, given: list[str], passed: str) -> None:
    assert ready.run("run_all.sh", *given)[0] == 0
    assert ready.calls() == [f"run {passed}", f"path {passed}", f"analysis results of {passed}"]


@pytest.mark.parametrize(
    ("answers", "args", "code", "last"),
    [
        ({"run_code": 0}, [], 0, "analysis"),
        ({"run_code": 1}, [], 1, "analysis"),
        ({"run_code": 2}, [], 2, "run"),
        ({"run_code": 130}, [], 130, "run"),
        ({"run_code": 0}, ["--dry-run"], 0, "run"),
        ({"path_code": 2}, [], 2, "path"),
        ({"analysis_code": 3}, [], 3, "analysis"),
        ({"run_code": 1, "analysis_code": 3}, [], 1, "analysis"),
    ],
)
def test_exit_codes_and_whether_it_draws(
    ready: House, answers: dict[str, int], args: list[str], code: int, last: str
) -> None:
    ready.tell(**answers)
    assert ready.run("run_all.sh", *args)[0] == code
    assert ready.calls()[-1].split()[0] == last


def test_the_run_is_told_the_process_of_the_script(ready: House) -> None:
    process = ready.start("run_all.sh")
    process.communicate(timeout=60)
    assert (ready.fake / "parent").read_text().strip() == str(process.pid)


def test_from_another_folder_results_stay_at_home(ready: House, tmp_path: Path) -> None:
    call = ["bash", str(ready.root / "run_all.sh")]
    subprocess.run(call, cwd=tmp_path, env=ready.environment, check=True, capture_output=True)
    assert ready.calls()[0] == f"run quick --results {ready.root}/results"
    subprocess.run([*call, "--results=here"], cwd=tmp_path, env=ready.environment, check=True)
    assert ready.calls()[0] == "run quick --results=here"


@pytest.mark.parametrize(
    ("script", "args"),
    [("run_all.sh", ["--help"]), ("run_all.sh", ["quick", "-h"]), ("run_tests.sh", ["--help"])],
)
def test_help_needs_no_set_up(house: House, script: str, args: list[str]) -> None:
    code, out, err = house.run(script, *args)
    assert (code, err) == (0, "")
    assert f"./{script} [" in out
    assert house.calls() == []
    assert not house.venv.exists()


def test_an_empty_suite_is_refused(house: House) -> None:
    assert_failed(house.run("run_all.sh", ""), "SUITE is empty")
    assert not house.venv.exists()


# ---- run_tests.sh


def test_all_checks_run_with_coverage_and_without_it_for_given_tests(house: House) -> None:
    code, out, _ = house.run("run_tests.sh")
    assert code == 0
    assert out.splitlines()[-1] == "run_tests.sh: all passed"
    calls = house.calls()
    assert calls[2].endswith("-e .[dev]")
    assert calls[3:6] == ["ruff check .", "ruff format --check .", "mypy"]
    assert calls[6] == "pytest -n 2 --cov=methods --cov=runners --cov-report=term --cov-fail-under=90"
    house.run("run_tests.sh", "tests/methods", "-k", "a b")
    assert house.calls()[-1] == "pytest tests/methods -k a b"


def test_a_failed_check_does_not_hide_the_others(ready: House) -> None:
    ready.tell(ruff_code=1, pytest_code=5)
    code, out, _ = ready.run("run_tests.sh")
    assert code == 1
    assert out.splitlines()[-1] == "run_tests.sh: failed: ruff check, ruff format, pytest"
    assert len(ready.calls()) == 4


def test_ci_runs_the_tests(ready: House) -> None:
    ready.tell(mypy_code=1)
    code, out, _ = ready.run(".ci/run")
    assert code == 1
    assert out.splitlines()[-1] == "run_tests.sh: failed: mypy"


# ---- when the set-up has something to do


def installs(house: House, script: str = "run_all.sh", **more: str) -> list[str]:
    """What a call installs, in short: venv, and the project as '.' or '.[dev]'."""
    code, _, err = house.run(script, **more)
    assert (code, err) == (0, "")
    calls = [call.split() for call in house.calls()]
    return [call[-1] for call in calls if call[0] == "venv" or (call[0] == "pip" and "-e" in call)]


def test_dev_serves_both_and_run_is_completed_by_dev(house: House) -> None:
    assert installs(house, "run_all.sh") == ["venv", "."]
    assert installs(house, "run_tests.sh") == [".[dev]"]
    assert installs(house, "run_tests.sh") == []
    assert installs(house, "run_all.sh") == []


@pytest.mark.parametrize("file", ["pyproject.toml", "constraints.txt"])
def test_a_changed_file_updates_in_place(ready: House, file: str) -> None:
    with (ready.root / file).open("a") as text:
        text.write("# changed\n")
    assert installs(ready) == ["."]
    assert installs(ready) == []


def test_a_moved_folder_is_updated(ready: House) -> None:
    ready.root = ready.root.rename(ready.root.with_name("moved"))
    assert installs(ready) == ["."]


def test_another_python_by_name_makes_it_again(ready: House) -> None:
    ready.pythons(python3_11="3.11")
    assert installs(ready, PYTHON="python3.12") == []
    assert installs(ready, PYTHON="python3.11") == ["venv", "."]
    assert installs(ready, PYTHON="python3.11") == []
    assert installs(ready) == []


@pytest.mark.parametrize("half", ["empty", "no stamp", "killed", "link to nowhere"])
def test_a_half_venv_is_healed(house: House, half: str) -> None:
    if half == "link to nowhere":
        house.venv.symlink_to("/nowhere/at/all")
    else:
        (house.venv / "bin").mkdir(parents=True)
    if half == "killed":
        shutil.copy(house.fake / "bin/python3.12", house.venv / "bin/python")
        (house.venv / ".klevel-unfinished").touch()
        (house.venv / "rubbish").touch()
    assert installs(house) == ["venv", "."]
    assert not (house.venv / "rubbish").exists()
    assert installs(house) == []


def made_by_hand(house: House, version: str) -> Path:
    (house.venv / "bin").mkdir(parents=True)
    shutil.copy(house.fake / "bin/python3.12", house.venv / "bin/python")
    (house.venv / "bin/python.version").write_text(version)
    treasure = house.venv / "treasure"
    treasure.touch()
    return treasure


def test_a_venv_made_by_hand_is_completed_not_replaced(house: House) -> None:
    treasure = made_by_hand(house, "3.11")
    assert installs(house) == ["."]
    assert treasure.exists()


def test_a_venv_made_by_hand_with_another_python_is_left_alone(house: House) -> None:
    treasure = made_by_hand(house, "3.13")
    assert_failed(house.run("run_all.sh"), "made by hand with Python 3.13", "remove it")
    assert treasure.exists()


# ---- when it cannot be set up

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
    house.tell(free_kb=1024 * 700)
    assert_failed(house.run("run_all.sh"), "700 MB free", "3000 MB are needed")
    assert house.calls() == []
    assert not house.venv.exists()
    house.tell(free_kb="no number")  # a df that nobody foresaw does not stop the set-up
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


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
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
    first.kill()
    first.communicate(timeout=10)
    assert (house.venv / ".klevel-unfinished").exists()
    house.calls()
    second = house.start("run_all.sh")
    assert "waiting" in second.stdout.readline()  # for the pip that outlived its script
    house.tell(pip_slow=None)
    second.communicate(timeout=30)
    assert second.returncode == 0
    assert house.calls()[0] == "venv"


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


# ---- constraints.txt


def pins() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    parts = [re.fullmatch(r"([\w.-]+)==([\w.]+)", line) for line in lines]  # no local suffix such as +cpu
    assert all(parts), "constraints.txt holds lines NAME==VERSION only"
    return {canonicalize_name(part[1]): part[2] for part in parts if part}


def test_everything_that_gets_installed_is_pinned_as_the_project_allows() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = pins()
    todo = [Requirement(text) for text in project["dependencies"] + project["optional-dependencies"]["dev"]]
    seen = set()
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        if name.startswith(("nvidia-", "cuda-", "triton")):
            continue  # a GPU build of torch pins its own
        assert name in pinned, f"{requirement} is not in constraints.txt"
        assert requirement.specifier.contains(pinned[name], prereleases=True), f"{name}: {pinned[name]}"
        if name not in seen:
            seen.add(name)
            try:
                todo += [Requirement(text) for text in requires(name) or []]
            except PackageNotFoundError:
                continue
