"""What the scripts run and pass on, once set up; nothing real is installed or run."""

import subprocess
from pathlib import Path

import pytest

from tests.setup.house import House, assert_failed


def test_a_first_call_installs_runs_and_draws_and_a_second_does_not_install(house: House) -> None:
    code, out, err = house.run("run_all.sh")
    assert (code, err) == (0, "")
    assert "once" in out
    pip = "pip install --no-input --disable-pip-version-check --progress-bar off -c constraints.txt"
    run = ["run quick", "path quick", "draw results of quick"]
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
    assert ready.calls() == [f"run {passed}", f"path {passed}", f"draw results of {passed}"]


@pytest.mark.parametrize(
    ("answers", "args", "code", "last"),
    [
        ({"run_code": 0}, [], 0, "draw"),
        ({"run_code": 1}, [], 1, "draw"),
        ({"run_code": 2}, [], 2, "run"),
        ({"run_code": 130}, [], 130, "run"),
        ({"run_code": 0}, ["--dry-run"], 0, "run"),
        ({"path_code": 2}, [], 2, "path"),
        ({"draw_code": 3}, [], 3, "draw"),
        ({"run_code": 1, "draw_code": 3}, [], 1, "draw"),
    ],
)
def test_exit_codes_and_whether_it_draws(
    ready: House, answers: dict[str, int], args: list[str], code: int, last: str
) -> None:
    ready.tell(**answers)
    assert ready.run("run_all.sh", *args)[0] == code
    assert ready.calls()[-1].split()[0] == last


def test_a_run_can_be_drawn_together_with_what_is_published(ready: House) -> None:
    assert ready.run("run_all.sh", "fashion", "--only", "mine", "--with-reference")[0] == 0
    folder = "results of fashion --only mine"
    reference = f"{ready.root}/results/reference/{folder}"
    calls = ready.calls()
    assert (calls[0], calls[-1]) == ("run fashion --only mine", f"draw {folder} {reference} --output {folder}")


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
    assert calls[6] == "pytest -n 2 --dist worksteal --cov=methods --cov=runners --cov-report=term --cov-fail-under=90"
    house.run("run_tests.sh", "tests/methods", "-k", "a b")
    assert house.calls()[-1] == "pytest tests/methods -k a b"
    house.run("run_tests.sh", "--quick")
    assert house.calls()[-1] == "pytest -n 2 --dist worksteal --quick"


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
