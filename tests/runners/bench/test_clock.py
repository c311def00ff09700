"""Turns and rounds."""

import itertools

import pytest

from runners.bench import clock


def test_all_take_a_turn_in_each_round_and_the_order_turns_around(seconds):
    called = []
    times = clock.rounds({name: lambda name=name: called.append(name) for name in "ab"}, 3)
    assert called == [*"ab", *"ab", *"ba", *"ab"], "once before anything is timed, and the order turns around"
    assert times == {"a": [1.0] * 3, "b": [1.0] * 3}


def test_what_is_called_before_is_not_timed(monkeypatch):
    now = itertools.count()
    monkeypatch.setattr("runners.networks.clock.timer", lambda: float(next(now)))
    times = clock.rounds({"a": lambda: None}, 2, before=lambda: [next(now) for _ in range(100)])
    assert times["a"] == [1.0, 1.0]


def test_a_quick_function_fills_its_turn(monkeypatch):
    now, calls = itertools.count(), []
    monkeypatch.setattr("runners.networks.clock.timer", lambda: next(now) * clock.BLOCK_SECONDS / 10)
    monkeypatch.setattr(clock, "SECONDS", 0)
    clock.rounds({"a": lambda: calls.append(1)}, 3)
    assert len(calls) == 2 + 3 * 10


def test_a_short_contest_has_more_rounds(monkeypatch):
    now = itertools.count()
    monkeypatch.setattr("runners.networks.clock.timer", lambda: next(now) * 1e-6)
    assert len(clock.rounds({"a": lambda: None}, 3)["a"]) == clock.MOST_ROUNDS


def test_a_ratio_is_taken_round_by_round():
    times = {"a": [2.0, 20.0, 3.0], "b": [1.0, 10.0, 1.0]}
    assert clock.ratio(times, "a", "b") == clock.Spread(2.0, 2.0, 2.5, 3)


@pytest.mark.parametrize("value", [0.5, 3.0])
def test_one_round_has_no_quartiles(value):
    assert clock.spread([value]) == (value, value, value, 1)
