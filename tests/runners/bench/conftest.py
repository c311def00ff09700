"""A clock that does not depend on the machine: every call of it is a second later."""

import itertools

import pytest

from runners.bench import clock


@pytest.fixture
def seconds(monkeypatch):
    """Let a second pass whenever the clock is asked: a call takes one, and a contest has no more rounds than asked."""
    count = itertools.count()
    monkeypatch.setattr(clock.clock, "timer", lambda: float(next(count)))
