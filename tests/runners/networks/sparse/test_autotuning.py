"""What is taken when the times are known."""

import pytest
import torch
from torch import nn

from runners.networks.sparse.autotuning import agrees, choose_fastest, time_interleaved
from runners.networks.sparse.candidates import candidates


def clock(**seconds):
    """Times by name, whatever the functions do; they are called once."""

    def read(functions):
        for function in functions.values():
            function()
        return {name: seconds[name] for name in functions}

    return read


@pytest.fixture
def layer(prune):
    torch.manual_seed(0)
    return prune(nn.Conv2d(8, 8, 3), "block", 0.1)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"masked": 1.0, "positions": 2.0, "csr": 2.0, "bsr": 2.0}, "masked"),
        ({"masked": 1.0, "positions": 0.5, "csr": 0.7, "bsr": 0.6}, "positions"),
        ({"masked": 1.0, "positions": 0.8, "csr": 0.5, "bsr": 2.0}, "csr"),
        ({"masked": 1.0, "positions": 2.0, "csr": 0.5, "bsr": 0.3}, "bsr"),
        ({"masked": 1.0, "positions": 0.95, "csr": 0.92, "bsr": 1.0}, "masked"),
        ({"masked": 1.0, "positions": 2.0, "csr": 0.5, "bsr": 0.48}, "csr"),
    ],
)
def test_the_fastest_is_taken_where_it_is_clearly_faster_than_what_is_simpler(layer, times, expected):
    found = candidates(layer)
    assert list(found) == ["positions", "csr", "bsr"]
    assert choose_fastest(layer, found, torch.randn(2, 8, 5, 5), clock(**times)) == expected


def test_what_computes_something_else_is_passed_over_however_fast(layer):
    found = candidates(layer)
    with torch.no_grad():
        found["csr"].product.values[0] += 0.01
    assert not agrees(layer, found["csr"], torch.randn(1, 8, 5, 5))
    times = {"masked": 1.0, "positions": 1.0, "csr": 0.01, "bsr": 1.0}
    assert choose_fastest(layer, found, torch.randn(2, 8, 5, 5), clock(**times)) == "masked"


def test_what_the_device_cannot_run_is_passed_over(layer):
    class Unsupported(nn.Module):
        def forward(self, values):
            raise NotImplementedError("no such product")

    assert choose_fastest(layer, {"csr": Unsupported()}, torch.randn(1, 8, 5, 5), clock()) == "masked"


def test_an_error_of_tf32_is_no_agreement(layer):
    class Rounded(nn.Module):
        """The same with 10 bits of mantissa."""

        def forward(self, values):
            return nn.functional.conv2d(_tf32(values), _tf32(layer.weight), layer.bias)

    assert agrees(layer, layer, torch.randn(1, 8, 5, 5))
    assert not agrees(layer, Rounded(), torch.randn(1, 8, 5, 5))


def _tf32(values):
    return (values.view(torch.int32) & ~0x1FFF).view(torch.float32)


def test_without_candidates_nothing_is_timed(layer):
    def refuse(functions):
        raise AssertionError("nothing to compare")

    assert choose_fastest(layer, {}, torch.randn(1, 8, 5, 5), refuse) == "masked"


def test_times_are_taken_in_turns_and_the_hopeless_are_left_out(monkeypatch):
    now, calls = 0.0, []

    def function(name, seconds):
        def call():
            nonlocal now
            calls.append(name)
            now += seconds

        return call

    monkeypatch.setattr("runners.networks.clock.timer", lambda: now)
    times = time_interleaved({"a": function("a", 0.004), "b": function("b", 0.003), "slow": function("slow", 0.5)})
    assert times == pytest.approx({"a": 0.004, "b": 0.003, "slow": 0.5})
    assert calls.count("slow") == 3
    contest = calls[9:]
    assert contest[:4] == ["a", "b", "b", "a"]
    assert 3 <= contest.count("a") == contest.count("b") <= 9
