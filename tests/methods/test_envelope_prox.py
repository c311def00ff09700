"""The proximal operator of the envelope, and the search behind it."""

import itertools
import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods import envelope

NORMS = torch.tensor([4.0, 3.0, 2.0, 1.0], dtype=torch.float64)
WEIGHTS = torch.tensor([1.0, 4.0, 0.25, 2.0], dtype=torch.float64)

# zeros, ties, ordinary norms, and the norms of dying groups
size = st.sampled_from([0.0, 1.0, 1.0, 2.0]) | st.floats(1e-2, 10.0) | st.floats(-30, 2).map(lambda e: 10.0**e)
strength = st.floats(-2, 4).map(lambda e: 10.0**e)


@st.composite
def problems(draw, largest=12, weighted=True):
    norms = draw(st.lists(size, min_size=1, max_size=largest))
    weights = None
    if weighted and draw(st.booleans()):
        weights = draw(st.lists(st.floats(1e-2, 1e2), min_size=len(norms), max_size=len(norms)))
        weights = torch.tensor(weights, dtype=torch.float64)
    k = draw(st.integers(1, len(norms)) | st.floats(0.25, len(norms) + 0.5))
    return torch.tensor(norms, dtype=torch.float64), float(k), draw(strength), weights


def exact_factors(norms, k, lam):
    """Factors for d = 1 in rational arithmetic: walk up the breakpoints until S reaches k. No rounding at all."""
    t, c, k = [Fraction(x) for x in norms.tolist()], Fraction(lam), Fraction(k)
    if sum(x > 0 for x in t) <= k:
        return [float(1 / (1 + c)) if x > 0 else 0.0 for x in t]

    def heights(alpha):  # alpha stands for alpha sqrt(c), which is rational where sqrt(c) is not
        return [min(max(alpha * x - c, Fraction(0)), Fraction(1)) for x in t]

    points = sorted({p / x for x in t if x > 0 for p in (c, 1 + c)})
    last = next(i for i, p in enumerate(points) if sum(heights(p)) >= k)
    low, high = points[last - 1], points[last]
    at_low, at_high = sum(heights(low)), sum(heights(high))
    u = heights(low + (high - low) * (k - at_low) / (at_high - at_low))
    return [float(x / (x + c)) for x in u]


@pytest.mark.parametrize(
    ("k", "lam", "weights", "expected"),
    [
        (2, 1, None, [2, 4 / 3, 1 / 3, 0]),
        (1, 1, None, [5 / 3, 2 / 3, 0, 0]),
        (3, 0.5, None, [8 / 3, 2, 1.25, 0.25]),
        (2.5, 1, None, [2, 1.5, 2 / 3, 0]),
        (2, 0.5, WEIGHTS, [8 / 3, 0.76, 1.44, 0]),
    ],
)
def test_known_points(k, lam, weights, expected):
    x = envelope.prox_factors(NORMS, k, lam, weights) * NORMS
    torch.testing.assert_close(x, torch.tensor(expected, dtype=torch.float64), rtol=1e-14, atol=0)


@settings(max_examples=200)
@given(problems())
def test_fenchel_young_certifies_the_prox(problem):
    norms, k, lam, weights = problem
    factors = envelope.prox_factors(norms, k, lam, weights)
    assert abs(envelope.optimality_gap(norms, factors, k, lam, weights).item()) < 1e-10


def test_fenchel_young_certifies_many_hard_problems():
    generator = torch.Generator().manual_seed(0)
    for m in range(2, 34):
        exponent = 32 * torch.rand(100, m, generator=generator, dtype=torch.float64) - 30
        dead = torch.rand(100, m, generator=generator) < 0.5
        norms = torch.where(dead, 10**exponent, exponent.abs() / 30)
        k = (m * torch.rand(100, generator=generator, dtype=torch.float64)).ceil()
        lam = 10 ** (6 * torch.rand(100, generator=generator, dtype=torch.float64) - 2)
        factors = envelope.prox_factors(norms, k, lam)
        assert envelope.optimality_gap(norms, factors, k, lam).abs().max() < 1e-10


def test_certificate_rejects_what_is_not_the_prox():
    factors = envelope.prox_factors(NORMS, 2, 1)
    for j in range(4):
        wrong = factors.clone()
        wrong[j] += 0.01
        assert envelope.optimality_gap(NORMS, wrong, 2, 1) > 1e-6
    assert envelope.optimality_gap(NORMS, torch.ones(4), 2, 0).item() == 0
    assert envelope.optimality_gap(NORMS, factors, 2, 0).item() == math.inf
    assert envelope.optimality_gap(0 * NORMS, factors, 2, 1).item() == 0


@settings(max_examples=150)
@given(problems(weighted=False), st.floats(-12, 20).map(lambda e: 10.0**e))
def test_agrees_with_exact_arithmetic(problem, lam):
    norms, k, _, _ = problem
    factors = envelope.prox_factors(norms, k, lam)
    expected = torch.tensor(exact_factors(norms, k, lam), dtype=torch.float64)
    assert torch.equal(factors == 0, expected == 0) or lam < 1e-3
    # absolute to the factor 1/(1 + c) of a survivor: what a group that only just enters may lose
    torch.testing.assert_close(factors, expected, rtol=1e-12, atol=1e-13 / (1 + lam))


@settings(max_examples=30)
@given(problems(largest=5))
def test_beats_every_partition_into_saturated_linear_and_zero(problem):
    norms, k, lam, weights = problem
    d = torch.ones_like(norms) if weights is None else weights
    c = lam * d
    factors = envelope.prox_factors(norms, k, lam, weights)

    rivals = []
    for labels in itertools.product("ulz", repeat=len(norms)):
        ones = torch.tensor([x == "u" for x in labels])
        linear = torch.tensor([x == "l" for x in labels]) & (norms > 0)
        room, b = k - ones.sum(), c.sqrt() * norms
        if linear.any() and room > 0:
            alpha = (room + c[linear].sum()) / b[linear].sum()
            u = torch.where(ones, 1.0, torch.where(linear, (alpha * b - c).clamp(0, 1), 0.0))
            rivals.append(u / (u + c))
    every = torch.stack([factors, *rivals])
    moved = 0.5 * ((1 - every) * norms).square().sum(-1)
    objective = lam * envelope.value(every * norms, k, weights) + moved
    assert objective[0] <= objective.min() * (1 + 1e-12)


@settings(max_examples=100)
@given(problems(), st.randoms(use_true_random=False))
def test_is_firmly_non_expansive(problem, random):
    t, k, lam, weights = problem
    other = t[torch.tensor(random.sample(range(len(t)), len(t)))] * random.uniform(0.5, 2)
    x = t * envelope.prox_factors(t, k, lam, weights)
    y = other * envelope.prox_factors(other, k, lam, weights)
    moved = (x - y).square().sum()
    assert moved <= ((x - y) * (t - other)).sum() + 1e-12 * moved + 1e-14 * t.max().square()


@given(problems())
def test_moreau_identity(problem):
    """(t - x) / lam is the prox of f* / lam at t / lam: no other y has a smaller f*(y) / lam + |y - t/lam|^2 / 2."""
    t, k, lam, weights = problem
    y = t * (1 - envelope.prox_factors(t, k, lam, weights)) / lam

    def objective(z):
        return envelope.conjugate(z, k, weights) / lam + 0.5 * (z - t / lam).square().sum(-1)

    scale = (t / lam).max()
    steps = torch.cat([torch.eye(len(t)), -torch.eye(len(t)), torch.ones(1, len(t)), -torch.ones(1, len(t))])
    for length in (1e-1, 1e-3):
        tried = (y + length * scale * steps).clamp(min=0)
        assert (objective(tried) >= objective(y) * (1 - 1e-11)).all()


@given(problems())
def test_order_zeros_and_survivors(problem):
    norms, k, lam, weights = problem
    factors = envelope.prox_factors(norms, k, lam, weights)
    assert ((factors >= 0) & (factors <= 1)).all()
    assert (factors[norms == 0] == 0).all()
    assert int((factors > 0).sum()) >= min(math.floor(k), int((norms > 0).sum()))
    if weights is None:
        order = norms.argsort()
        assert (factors[order].diff() >= 0).all()
        for norm in norms.unique():
            assert len(factors[norms == norm].unique()) == 1  # ties are equal to the last bit


@given(problems(), st.floats(-30, 30).map(lambda e: 2.0 ** round(e)))
def test_factors_do_not_depend_on_the_unit(problem, unit):
    norms, k, lam, weights = problem
    before = envelope.prox_factors(norms, k, lam, weights)
    torch.testing.assert_close(envelope.prox_factors(unit * norms, k, lam, weights), before, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("lam", [2.0, 1e3, 1e10, 1e20, 1e300])
def test_strong_lam_is_exactly_the_top_k_mask(lam):
    norms = torch.tensor([1.0, 5.0, 2.0, 1e-30, 0.5], dtype=torch.float64)  # lam >= t_(k+1) / (t_(k) - t_(k+1)) = 1
    expected = torch.tensor([0, 1 / (1 + lam), 1 / (1 + lam), 0, 0], dtype=torch.float64)
    assert torch.equal(envelope.prox_factors(norms, 2, lam), expected)
    assert int((envelope.prox_factors(norms, 2, 0.99) > 0).sum()) == 3


@pytest.mark.parametrize("lam", [1e8, 1e13, 1e20, 1e200])
def test_ties_at_the_budget_share_it_even_for_huge_lam(lam):
    norms = torch.tensor([2.0, 1.0, 1.0, 1.0, 0.5], dtype=torch.float64)
    u = torch.tensor([1, 1 / 3, 1 / 3, 1 / 3, 0], dtype=torch.float64)
    torch.testing.assert_close(envelope.prox_factors(norms, 2, lam), u / (u + lam), rtol=1e-12, atol=0)


def test_near_ties_do_not_cancel_for_large_lam():
    lam, norms = 1e13, torch.tensor([1 + 2e-14, 1.0], dtype=torch.float64)
    factors = envelope.prox_factors(norms, 1, lam)
    expected = torch.tensor(exact_factors(norms, 1, lam), dtype=torch.float64)
    assert 0.5 < lam * factors[0] < 0.7
    torch.testing.assert_close(factors, expected, rtol=1e-10, atol=0)


def test_heavy_groups_leave_by_norm_over_root_weight():
    norms, weights = torch.tensor([3.0, 2.0, 1.0]), torch.tensor([9.0, 1.0, 1e-4])
    factors = envelope.prox_factors(norms, 2, 1e12, weights)
    assert (factors > 0).tolist() == [False, True, True]


def test_extreme_norms_in_one_vector():
    norms = torch.tensor([1e30, 1e-30, 1.0, 1e15, 1e-15], dtype=torch.float64)
    for k, lam in itertools.product((1, 2, 2.5, 4), (1e-3, 1.0, 1e6)):
        expected = torch.tensor(exact_factors(norms, k, lam), dtype=torch.float64)
        torch.testing.assert_close(envelope.prox_factors(norms, k, lam), expected, rtol=1e-13, atol=0)


def test_trivial_cases():
    zeros, half = torch.zeros(4, dtype=torch.float64), torch.full((4,), 0.5, dtype=torch.float64)
    assert torch.equal(envelope.prox_factors(NORMS, 0, 1), zeros)
    assert torch.equal(envelope.prox_factors(NORMS, 2, 0), 2 * half)
    assert torch.equal(envelope.prox_factors(NORMS, 4, 1), half)
    assert torch.equal(envelope.prox_factors(NORMS, 1e6, 1), half)
    assert torch.equal(envelope.prox_factors(zeros, 2, 1), zeros)
    sparse = torch.tensor([0.0, 3.0, 0.0, 1e-30])
    assert envelope.prox_factors(sparse, 2, 1).tolist() == [0, 0.5, 0, 0.5]
    assert envelope.prox_factors(sparse, 2, 0).tolist() == [0, 1, 0, 1]


def test_groups_without_weight_are_kept_and_use_no_budget():
    weights = torch.tensor([0.0, 1, 1, 1], dtype=torch.float64)
    factors = envelope.prox_factors(NORMS, 1, 1, weights)
    assert factors[0] == 1
    assert torch.equal(factors[1:], envelope.prox_factors(NORMS[1:], 1, 1))
    assert envelope.prox_factors(NORMS, 3, 1, weights).tolist() == [1, 0.5, 0.5, 0.5]
    assert not envelope.prox_factors(NORMS, 0, 1, weights).any()


@settings(max_examples=30)
@given(st.lists(problems(), min_size=1, max_size=5))
def test_a_padded_batch_is_a_loop(batch):
    m = max(len(norms) for norms, *_ in batch)
    norms = torch.zeros(len(batch), m, dtype=torch.float64)
    weights = torch.ones_like(norms)
    for row, (t, _, _, d) in enumerate(batch):
        norms[row, : len(t)] = t
        weights[row, : len(t)] = 1.0 if d is None else d
    k, lam = (torch.tensor([p[i] for p in batch], dtype=torch.float64) for i in (1, 2))
    together = envelope.prox_factors(norms, k, lam, weights)
    for row, problem in enumerate(batch):
        alone = envelope.prox_factors(*problem)
        torch.testing.assert_close(together[row, : len(alone)], alone, rtol=1e-12, atol=1e-300)
        assert not together[row, len(alone) :].any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_works_in_float64_and_returns_the_input_type(dtype):
    norms = NORMS.to(dtype).requires_grad_()
    factors = envelope.prox_factors(norms, 2, 1)
    assert factors.dtype == dtype
    assert not factors.requires_grad
    assert torch.equal(factors, envelope.prox_factors(NORMS, 2, 1).to(dtype))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_nothing_waits_for_an_accelerator():
    norms, k = torch.rand(8, 100, device="cuda"), torch.arange(8, device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        factors, omega = envelope.prox_factors(norms, k, 0.1), envelope.value(norms, k)
        envelope.prox_factors(norms - 1, k, 0.1)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(factors.cpu(), envelope.prox_factors(norms.cpu(), k.cpu(), 0.1))
    torch.testing.assert_close(omega.cpu(), envelope.value(norms.cpu(), k.cpu()))
