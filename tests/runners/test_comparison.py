"""Two networks that should compute the same: how far apart they may be."""

import math

import pytest
import torch
from torch import nn

from runners.networks.comparison import ATOL, RTOL, Difference, compare_outputs, difference

X = torch.tensor([[1.0, -2.0], [3.0, 4.0]])


class Gives(nn.Module):
    """Gives what it is made with, whatever it is given."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, x):
        assert not self.training
        return self.output


def compared(one, other):
    return compare_outputs(Gives(one), Gives(other), X)


def test_the_limit_grows_with_the_largest_output():
    assert compared(X, X) == Difference(0.0, ATOL + 4 * RTOL)
    assert compared(X, X + 4e-4).ok
    assert not compared(X, X + 6e-4).ok
    assert compared(1000 * X, 1000 * X + 0.3).ok
    assert not compared(0 * X, 0 * X + 1.1e-4).ok
    assert not compared(X, 1e6 * X).ok, "it is the output of the masked network that counts"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_never_agrees(value):
    bad = X.clone()
    bad[1, 0] = value
    for pair in ((X, bad), (bad, X), (bad, bad), ((bad, X), (bad, X)), ((X, bad), (X, X))):
        assert not compared(*pair).ok


@pytest.mark.parametrize("wrap", [list, tuple, lambda parts: dict(zip("ab", parts, strict=True))])
def test_every_tensor_of_an_output_has_its_own_limit(wrap):
    loud, low = 1e4 * X, X / 10
    assert compared(wrap([loud, low]), wrap([loud + 1, low])).ok
    found = compared(wrap([loud, low]), wrap([loud + 1, low + 0.5]))
    assert not found.ok
    assert found.largest == pytest.approx(0.5)
    assert found.allowed == pytest.approx(ATOL + 0.4 * RTOL)


def test_other_shapes_and_numbers_of_outputs_never_agree():
    for other in (X[:1], X.flatten(), (X, X), None):
        assert difference(Gives(X), Gives(other), X) == math.inf


def test_whole_numbers_truth_values_and_nothing_are_compared():
    assert compared((X > 0, X.long(), None, 3, X[:0]), (X > 0, X.long(), None, 3, X[:0])).ok
    assert compared(X > 0, X < 0) == Difference(1.0, ATOL + RTOL)


def test_difference_is_the_largest_of_an_output_in_evaluation_mode():
    networks = [nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 2)) for _ in range(2)]
    networks[1].load_state_dict(networks[0].state_dict())
    with torch.no_grad():
        networks[1][1].bias[1] += 2
    assert difference(*networks, X) == pytest.approx(2.0)
