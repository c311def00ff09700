"""When the set-up has something to do, and what it leaves alone."""

import shutil
from pathlib import Path

import pytest

from tests.setup.house import House, assert_failed, installs


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
