"""The envelope: value, conjugate, dual variable, edge cases and arguments. The prox is in test_envelope_prox.py."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods import envelope

NORMS = torch.tensor([4.0, 3.0, 2.0, 1.0], dtype=torch.float64)
WEIGHTS = torch.tensor([1.0, 4.0, 0.25, 2.0], dtype=torch.float64)

sizes = st.one_of(st.just(0.0), st.sampled_from([1.0, 2.0]), st.floats(1e-3, 10.0), st.floats(1e-30, 1e2))
weight = st.floats(1e-2, 1e2)


@st.composite
def problems(draw, largest=8):
    norms = draw(st.lists(sizes, min_size=1, max_size=largest))
    weights = draw(st.none() | st.lists(weight, min_size=len(norms), max_size=len(norms)))
    k = draw(st.integers(1, len(norms)) | st.floats(0.25, len(norms) + 0.5))
    as_tensor = torch.tensor(norms, dtype=torch.float64)
    return as_tensor, float(k), None if weights is None else torch.tensor(weights, dtype=torch.float64)


def scaled(norms, weights):
    return norms if weights is None else norms * weights.sqrt()


def conjugate_by_definition(norms, k, weights):
    """The support function of the vertices of {0 <= u <= 1, sum u <= k}."""
    z = (norms.square() / (1 if weights is None else weights)).tolist()
    k = min(k, len(z))
    whole, best = math.floor(k), 0.0
    for kept in itertools.combinations(range(len(z)), whole):
        others = [z[i] for i in range(len(z)) if i not in kept]
        best = max(best, sum(z[i] for i in kept) + (k - whole) * max(others, default=0.0))
    return best / 2


def value_by_enumeration(norms, k, weights):
    """min over u of 1/2 sum a^2/u: try every set of groups with u = 1, spread the rest of k over the others."""
    a = [x for x in scaled(norms, weights).tolist() if x > 0]
    if len(a) <= k:
        return sum(x * x for x in a) / 2
    best = math.inf
    for size in range(math.ceil(k)):
        for full in itertools.combinations(range(len(a)), size):
            others = [a[i] for i in range(len(a)) if i not in full]
            tau = sum(others) / (k - size)
            if all(x <= tau * (1 + 1e-9) for x in others):  # u = a / tau <= 1: a feasible point of the minimum
                best = min(best, (sum(a[i] ** 2 for i in full) + sum(others) * tau) / 2)
    return best


@pytest.mark.parametrize(
    ("k", "weights", "expected"),
    [(2, None, 25), (1, None, 50), (3, None, 17), (2.5, None, 20), (2, WEIGHTS, 38.52817459305203)],
)
def test_known_values(k, weights, expected):
    assert envelope.value(NORMS, k, weights).item() == pytest.approx(expected, rel=1e-14)


@given(problems())
def test_value_is_the_minimum_of_the_variational_form(problem):
    expected = value_by_enumeration(*problem)
    assert envelope.value(*problem).item() == pytest.approx(expected, rel=1e-12)


@given(problems())
def test_conjugate_is_the_maximum_over_supports(problem):
    assert envelope.conjugate(*problem).item() == pytest.approx(conjugate_by_definition(*problem), rel=1e-12)


@given(problems())
def test_value_and_its_gradient_meet_in_fenchel_young(problem):
    norms, k, weights = problem
    point = norms.clone().requires_grad_()
    omega = envelope.value(point, k, weights)
    (gradient,) = torch.autograd.grad(omega, point)
    pairing = (gradient * norms).sum()
    total = omega.detach() + envelope.conjugate(gradient, k, weights)
    torch.testing.assert_close(total, pairing, rtol=1e-12, atol=0)
    assert pairing.item() == pytest.approx(2 * omega.item(), rel=1e-12)  # Omega is homogeneous of degree 2


@given(st.lists(st.floats(0.1, 3.0), min_size=2, max_size=6), st.floats(0.3, 5.0))
def test_gradient_is_the_slope_of_the_value(norms, k):
    point = torch.tensor(norms, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(envelope.value(point, k), point)
    step = 1e-6 * torch.eye(len(norms), dtype=torch.float64)
    slope = (envelope.value(point.detach() + step, k) - envelope.value(point.detach() - step, k)) / 2e-6
    torch.testing.assert_close(gradient, slope, rtol=1e-4, atol=1e-4)


def test_gradient_of_the_conjugate_is_shared_by_ties():
    y = torch.tensor([3.0, 2.0, 2.0, 1.0], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(envelope.conjugate(y, 2), y)
    assert gradient.tolist() == [3.0, 1.0, 1.0, 0.0]


@given(problems())
def test_dual_variable_gives_the_gradient(problem):
    norms, k, weights = problem
    a, d = scaled(norms, weights), torch.ones_like(norms) if weights is None else weights
    tau = envelope.dual_variable(norms, k, weights)
    if int((a > 0).sum()) <= k:
        return
    y = torch.maximum(d * norms, tau * d.sqrt())
    omega = envelope.value(norms, k, weights)
    torch.testing.assert_close(omega + envelope.conjugate(y, k, weights), (y * norms).sum(), rtol=1e-12, atol=0)
    assert (a / tau).clamp(max=1).sum().item() == pytest.approx(k, rel=1e-12)


@pytest.mark.parametrize(
    ("norms", "k", "tau"),
    [([4, 3, 2, 1], 2, 5), ([4, 3, 0, 0], 2, 3), ([4, 3, 0, 0], 3, 0), ([4, 3], 0, math.inf), ([0, 0], 0, math.inf)],
)
def test_dual_variable_at_the_edges(norms, k, tau):
    assert envelope.dual_variable(torch.tensor(norms, dtype=torch.float64), k).item() == tau


@given(problems())
def test_value_lies_between_ridge_and_what_it_envelopes(problem):
    norms, k, weights = problem
    ridge = 0.5 * scaled(norms, weights).square().sum()
    omega = envelope.value(norms, k, weights)
    assert omega >= ridge * (1 - 1e-12)
    if int((norms > 0).sum()) <= k:
        torch.testing.assert_close(omega, ridge, rtol=1e-14, atol=0)


@given(problems(), st.floats(0, 1), st.randoms(use_true_random=False))
def test_value_is_convex(problem, share, random):
    norms, k, weights = problem
    other = norms[torch.tensor(random.sample(range(len(norms)), len(norms)))]
    middle = envelope.value(share * norms + (1 - share) * other, k, weights)
    ends = share * envelope.value(norms, k, weights) + (1 - share) * envelope.value(other, k, weights)
    assert middle <= ends * (1 + 1e-12)


def test_special_budgets():
    assert envelope.value(NORMS, 1, WEIGHTS).item() == pytest.approx((NORMS * WEIGHTS.sqrt()).sum().item() ** 2 / 2)
    assert envelope.value(NORMS, 4).item() == envelope.value(NORMS, 1e9).item() == 15
    assert envelope.value(NORMS, 0).item() == math.inf
    assert envelope.value(0 * NORMS, 0).item() == 0
    assert envelope.conjugate(NORMS, 0).item() == 0
    assert envelope.conjugate(NORMS, 9).item() == 15


def test_a_group_without_weight_is_free():
    free = torch.tensor([1.0, 1.0, 1.0, 0.0])
    assert envelope.value(NORMS, 2, free) == envelope.value(NORMS[:3], 2)
    assert envelope.dual_variable(NORMS, 2, free) == envelope.dual_variable(NORMS[:3], 2)
    assert envelope.conjugate(NORMS, 2, free).item() == math.inf
    assert envelope.conjugate(torch.tensor([4.0, 3.0, 2.0, 0.0]), 2, free).item() == 12.5


def test_a_tiny_tail_does_not_cancel():
    norms = torch.tensor([1.0, 1.0, 1e-30], dtype=torch.float64)
    assert envelope.value(norms, 2).item() == pytest.approx(1, rel=1e-15)
    assert envelope.dual_variable(norms, 2).item() == pytest.approx(1, rel=1e-15)
    spread = torch.tensor([1.0] + [1e-30] * 5, dtype=torch.float64)
    assert envelope.dual_variable(spread, 2).item() == pytest.approx(5e-30, rel=1e-14)


@settings(max_examples=25)
@given(st.lists(problems(), min_size=1, max_size=4))
def test_a_padded_batch_is_a_loop(batch):
    m = max(len(norms) for norms, _, _ in batch)
    norms = torch.zeros(len(batch), m, dtype=torch.float64)
    weights = torch.ones_like(norms)
    for row, (t, _, d) in enumerate(batch):
        norms[row, : len(t)] = t
        weights[row, : len(t)] = 1.0 if d is None else d
    k = torch.tensor([k for _, k, _ in batch], dtype=torch.float64)
    for function in (envelope.value, envelope.conjugate, envelope.dual_variable):
        expected = torch.stack([function(*problem) for problem in batch])
        torch.testing.assert_close(function(norms, k, weights), expected, rtol=1e-12, atol=0)


def test_more_than_one_leading_dimension_and_dtype():
    norms = torch.rand(2, 3, 5)
    k = torch.tensor([[1, 2, 3], [4, 5, 0]])
    for function in (envelope.value, envelope.conjugate, envelope.dual_variable):
        result = function(norms, k, torch.rand(5) + 0.1)
        assert result.shape == (2, 3)
        assert result.dtype == torch.float32
    assert torch.equal(envelope.value(norms, k)[1, 0], envelope.value(norms[1, 0], 4))


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
@pytest.mark.parametrize("name", ["norms", "k", "lam", "weights", "tensor k"])
def test_wrong_numbers_are_named(name, bad):
    arguments = {"norms": torch.ones(3), "k": 1.0, "lam": 1.0, "weights": torch.ones(3)}
    key = name.split()[-1]
    number = key in ("k", "lam") and name != "tensor k"
    arguments[key] = bad if number else torch.tensor(bad if key == "k" else [1, bad, 1])
    with pytest.raises(ValueError, match=f"^{key} .*") as error:
        envelope.prox_factors(**arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("norms", {"norms": torch.tensor(1.0)}),
        ("norms", {"norms": torch.ones(3, 0)}),
        ("norms", {"norms": torch.ones(3, dtype=torch.long)}),
        ("norms", {"norms": [1.0, 2.0]}),
        ("k", {"k": torch.ones(3)}),
        ("lam", {"lam": torch.ones(2, 2)}),
        ("weights", {"weights": torch.ones(4)}),
        ("weights", {"weights": torch.ones(2, 3)}),
    ],
)
def test_wrong_shapes_are_named(name, change):
    with pytest.raises(ValueError, match=f"^{name} "):
        envelope.prox_factors(**({"norms": torch.ones(3), "k": 1.0, "lam": 1.0} | change))


def test_factors_of_another_shape_are_named():
    with pytest.raises(ValueError, match=r"^factors .*"):
        envelope.optimality_gap(torch.ones(3), torch.ones(2), 1, 1.0)
