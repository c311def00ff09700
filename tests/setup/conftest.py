"""Fixtures of the set-up tests."""

from pathlib import Path

import pytest

from tests.setup.house import House


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def ready(house: House) -> House:
    """A house whose set-up for both scripts is done."""
    assert house.run("run_tests.sh")[0] == 0
    house.calls()
    return house
