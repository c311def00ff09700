"""Many families solved at once must agree with one after the other."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods import batched, envelope
from methods import envelope_search as search
from methods.batched import prox_factors_of, value_of

DTYPES = [torch.float64, torch.float64, torch.float32]
exponent = st.floats(-30, 2).map(lambda e: 10.0**e)
size = st.sampled_from([0.0, 1.0, 1.0, 2.0]) | st.floats(1e-2, 10.0) | exponent


@st.composite
def networks(draw):
    """Families of random shapes: norms, budgets, strengths, and weights or None."""
    weighted = draw(st.booleans())
    norms, budgets, strengths, weights = [], [], [], []
    for _ in range(draw(st.integers(1, 6))):
        m, rows = draw(st.sampled_from([1, 2, 3, 5, 5, 17, 64])), draw(st.sampled_from([None, None, 1, 3]))
        shape = (m,) if rows is None else (rows, m)
        count = m * (rows or 1)
        values = draw(st.lists(size, min_size=count, max_size=count))
        norms.append(torch.tensor(values, dtype=torch.float64).view(shape).to(draw(st.sampled_from(DTYPES))))
        budgets.append(float(draw(st.integers(0, m + 1) | st.floats(0, m))))
        strengths.append(draw(st.sampled_from([0.0, 1e-3, 1.0, 1e4])))
        weights.append(torch.tensor(draw(st.lists(st.sampled_from([0.0, 0.3, 1.0, 4.0]), min_size=m, max_size=m))))
    return norms, budgets, strengths, weights if weighted else None


def loop(norms, budgets, strengths, weights):
    weights = weights or [None] * len(norms)
    return [envelope.prox_factors(*family) for family in zip(norms, budgets, strengths, weights, strict=True)]


@pytest.mark.parametrize("worth", [0, 100, 1 << 30])
@settings(max_examples=100)
@given(network=networks())
@pytest.mark.slow
def test_agrees_with_the_loop(network, worth):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batched, "MOST_PADDING", worth)
        results = prox_factors_of(*network)
    for got, expected, norms, lam in zip(results, loop(*network), network[0], network[2], strict=True):
        assert got.shape == norms.shape
        assert got.dtype == norms.dtype
        if worth == 0:  # no padding
            assert torch.equal(got, expected)
        else:  # the absolute part: a group that only just enters is a difference, see test_envelope_prox
            rtol = 1e-12 if norms.dtype == torch.float64 else 1e-6
            torch.testing.assert_close(got, expected, rtol=rtol, atol=1e-13 / (1 + lam))


@settings(max_examples=100)
@given(networks())
@pytest.mark.slow
def test_value_is_the_sum_of_the_families(network):
    norms, budgets, _, weights = network
    families = zip(norms, budgets, weights or [None] * len(norms), strict=True)
    expected = sum(envelope.value(n.double(), k, d).sum() for n, k, d in families)
    total = value_of(norms, budgets, weights)
    assert total.dtype == torch.float64
    assert total.shape == ()
    torch.testing.assert_close(total, expected, rtol=1e-12, atol=0)


def test_value_is_differentiable():
    norms = [torch.rand(n, dtype=torch.float64, requires_grad=True) for n in ((7,), (5,), (3, 5))]
    budgets = [2.0, 1.5, 2.0]
    gradients = torch.autograd.grad(value_of(norms, budgets), norms)
    loop_total = sum(envelope.value(n, k).sum() for n, k in zip(norms, budgets, strict=True))
    for got, expected in zip(gradients, torch.autograd.grad(loop_total, norms), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=0)


def test_known_factors():
    norms = [torch.tensor([4.0, 3.0, 2.0, 1.0], dtype=torch.float64), torch.ones(1)]
    four, one = prox_factors_of(norms, [2, 1], [1, 1])
    torch.testing.assert_close(four * norms[0], torch.tensor([2, 4 / 3, 1 / 3, 0], dtype=torch.float64))
    assert one.tolist() == [0.5]
    assert value_of(norms, [2, 1]).item() == pytest.approx(25.5)


def batches(*shapes):
    return batched._batches([torch.ones(shape) for shape in shapes])


def test_which_families_are_solved_together():
    assert batches(64, 512, 64, 512) == [[1, 3, 0, 2]]
    few, many = 100, 5 * batched.MOST_PADDING
    assert batches(few, many, few, many) == [[1, 3], [0, 2]]
    assert batches((1000, 4), (10, 8), (1000, 4)) == [[1], [0, 2]], "padding 2,000 rows is not worth it"
    assert batches((10, 4), 8) == [[1, 0]]
    long = search.LARGE + 1
    assert batches(long, 500, long, (2, long)) == [[0], [2], [3], [1]], "a long vector is eliminated alone"


def test_long_and_short_vectors_side_by_side():
    norms = [torch.rand(m, generator=torch.Generator().manual_seed(m)) for m in (search.LARGE + 1000, 500)]
    network = norms, [1000.0, 50.0], [0.1, 0.1], None
    for got, expected in zip(prox_factors_of(*network), loop(*network), strict=True):
        assert torch.equal(got, expected)


def test_no_family_is_no_problem():
    assert prox_factors_of([], [], []) == []
    assert value_of([], []).item() == 0


ONES = torch.ones(3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([ONES, -ONES], [1, 1], [1, 1]), "norms"),
        (([ONES, ONES * torch.nan], [1, 1], [1, 1]), "norms"),
        (([ONES, torch.ones(0)], [1, 1], [1, 1]), "norms"),
        (([ONES, torch.ones(3).long()], [1, 1], [1, 1]), "norms"),
        (([ONES, torch.tensor(1.0)], [1, 1], [1, 1]), "norms"),
        (([ONES, ONES], [1], [1, 1]), "budgets"),
        (([ONES, ONES], [1, -1], [1, 1]), "budgets"),
        (([ONES, ONES], [1, float("nan")], [1, 1]), "budgets"),
        (([ONES, ONES], [1, 1], [1, 1, 1]), "strengths"),
        (([ONES, ONES], [1, 1], [1, float("inf")]), "strengths"),
        (([ONES, ONES], [1, 1], [1, 1], [ONES]), "weights"),
        (([ONES, ONES], [1, 1], [1, 1], [ONES, torch.ones(2)]), "weights"),
        (([ONES, ONES], [1, 1], [1, 1], [ONES, -ONES]), "weights"),
    ],
)
def test_wrong_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        prox_factors_of(*arguments)
