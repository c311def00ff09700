"""Factors of problems: by a level where weights are equal, together where they are not, and as exact either way."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.envelope import optimality_gap, prox_factors
from methods.problems import Problem, debiased_factors, envelope_factors
from tests.methods.test_elementwise import SIZE, START

NORMS = st.lists(SIZE, min_size=2, max_size=40).map(lambda x: torch.tensor(x, dtype=torch.float64))
ONE = torch.ones(1, dtype=torch.float64)


@given(norms=NORMS, share=st.floats(0.1, 1), c=st.floats(-4, 4).map(lambda e: 10.0**e), start=st.tuples(START, START))
def test_every_start_gives_the_prox(norms, share, c, start):
    k = max(1, round(share * len(norms)))
    factors = envelope_factors([Problem(norms, ONE, k, level=list(start))], [k], [c])[0]
    assert abs(optimality_gap(norms, factors, k, c).item()) < 1e-10
    expected = prox_factors(norms, k, c)
    torch.testing.assert_close(factors, expected, rtol=1e-9, atol=1e-11 / (1 + c))
    assert torch.equal(factors < 1e-14, expected < 1e-14) or c < 1


@given(norms=NORMS, start=st.tuples(START, START))
def test_the_start_changes_no_digit_that_counts(norms, start):
    cold, warm = (Problem(norms, ONE, 1, level=level) for level in ([math.nan, math.nan], list(start)))
    one, other = (envelope_factors([p], [0.4 * len(norms)], [0.3])[0] for p in (cold, warm))
    torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("compute", [envelope_factors, debiased_factors])
@pytest.mark.parametrize("weights", [ONE, torch.tensor([0.5, 1.0, 2.0, 1.0, 4.0], dtype=torch.float64)])
@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("strength", [0.2, 3.0])
def test_a_strength_may_stay_on_its_device(compute, weights, others, strength):
    norms = torch.tensor([5.0, 4.0, 3.0, 1.0, 0.5], dtype=torch.float64)
    problems = [Problem(norms, weights, 2)] + others * [Problem(norms[:3], ONE, 1)]
    budgets = [float(p.k) for p in problems]
    expected = compute(problems, budgets, [strength] * len(problems))
    given = [torch.tensor(strength, dtype=torch.float64)] + others * [strength]
    for found, wanted in zip(compute(problems, budgets, given), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-11)
