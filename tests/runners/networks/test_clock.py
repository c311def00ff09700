"""The clock that times functions in turns, with a clock that only their calls move."""

import pytest

from runners.networks import clock


@pytest.fixture
def timed(monkeypatch):
    """Return a function that takes as long as it is told, and the names of those that were called."""
    now, calls = [0.0], []
    monkeypatch.setattr(clock, "timer", lambda: now[0])

    def make(name, takes):
        def call():
            calls.append(name)
            now[0] += takes

        return call

    return make, calls


def test_calls_before_the_block_do_not_count(timed):
    make, calls = timed
    assert clock.seconds(make("a", 0.5), 4, warm=3) == 0.5
    assert calls == ["a"] * 7


def test_functions_are_timed_in_turns_until_it_is_enough(timed):
    make, calls = timed
    functions = {"a": make("a", 0.25), "b": make("b", 2.0)}
    times = clock.in_turns(functions, {"a": 2, "b": 1}, lambda found: len(found["b"]) == 3, warm=1)
    assert times == {"a": [0.25] * 3, "b": [2.0] * 3}
    a, b = ["a"] * 3, ["b"] * 2
    assert calls == [*a, *b, *b, *a, *a, *b], "the order turns around"


def test_what_is_called_before_is_not_timed(timed):
    make, calls = timed
    times = clock.in_turns({"a": make("a", 1.0)}, {"a": 2}, lambda found: len(found["a"]) == 2, before=make("b", 9.0))
    assert times == {"a": [1.0, 1.0]}
    assert calls == ["b", "a"] * 4


def test_nothing_is_timed_where_it_is_enough_already(timed):
    make, calls = timed
    assert clock.in_turns({"a": make("a", 1.0)}, {"a": 1}, lambda found: True) == {"a": []}
    assert calls == []
