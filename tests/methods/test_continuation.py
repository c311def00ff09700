"""How `lam: auto` gets to leave exactly n groups: against the prox that it claims to be."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.continuation import ANNEALED, boundary, envelope_leaving, groups_left, lasso_leaving
from methods.envelope import optimality_gap, prox_factors
from methods.problems import Problem

ONE = torch.ones(1, dtype=torch.float64)
NORMS = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]) | st.floats(1e-6, 1e3), min_size=2, max_size=12)
STRENGTHS = st.floats(-6, 4).map(lambda exponent: 10.0**exponent)


def problem(norms, k=1, weights=None, floor=None):
    d = ONE if weights is None else torch.tensor(weights, dtype=torch.float64)
    return Problem(torch.tensor(norms, dtype=torch.float64), d, k, floor)


@st.composite
def problems(draw):
    norms = draw(NORMS)
    weights = draw(st.none() | st.lists(st.floats(1e-2, 1e2), min_size=len(norms), max_size=len(norms)))
    count = draw(st.integers(1, len(norms)))
    return problem(norms, count, weights), count


def test_groups_left_falls_from_m_to_k():
    p = problem([1.0] * 10, k=2)
    assert groups_left(p, 0.0) == 10
    assert groups_left(p, ANNEALED / 2) == pytest.approx(2 + 8 / 2)
    assert groups_left(p, ANNEALED / 2, power=3) == pytest.approx(2 + 8 / 8)
    assert groups_left(p, ANNEALED) == groups_left(p, 1.0) == 2


def test_boundary_where_groups_tie():
    kept, level = boundary(torch.tensor([3.0, 1.0, 2.0, 2.0, 0.5]), 2)
    assert kept.tolist() == [True, False, True, False, False], "of equal ones the first"
    assert level.item() == 1.0, "below those that are kept, so that they are not shrunk to nothing"
    assert boundary(torch.tensor([3.0, 1.0]), 2)[1].item() == 0.0


@given(problems(), STRENGTHS)
def test_the_envelope_leaves_exactly_so_many(case, strength):
    p, count = case
    factors, _ = envelope_leaving(p, count, strength)
    assert ((factors >= 0) & (factors <= 1)).all()
    assert int((factors > 0).sum()) == min(count, int((p.norms > 0).sum()))
    assert (factors[p.norms == 0] == 0).all()


@given(problems(), STRENGTHS)
def test_it_is_the_prox_of_the_envelope_at_the_budget_that_it_names(case, strength):
    p, count = case
    factors, budget = envelope_leaving(p, count, strength)
    w = p.importance[p.norms > 0]
    if len(w.unique()) < len(w):
        return  # where groups tie at the boundary no prox leaves exactly that many
    assert 0 <= budget.item() <= count + 1e-9
    expected = prox_factors(p.norms, budget, strength, p.weights)
    torch.testing.assert_close(factors, expected, rtol=1e-6, atol=1e-9)
    if strength > 1e-3:
        assert optimality_gap(p.norms, factors, budget, strength, p.weights).item() < 1e-6


def test_a_larger_budget_would_leave_more():
    p = problem([4.0, 3.0, 2.0, 1.9, 1.0])
    _, budget = envelope_leaving(p, 3, 0.5)
    assert int((prox_factors(p.norms, budget, 0.5) > 1e-12).sum()) == 3
    assert int((prox_factors(p.norms, budget * 1.01, 0.5) > 1e-12).sum()) == 4


def test_where_the_others_are_small_the_budget_is_the_count_and_survivors_only_decay():
    factors, budget = envelope_leaving(problem([4.0, 3.0, 1e-4, 1e-5]), 2, 0.01)
    assert budget.item() == 2.0
    assert factors.tolist() == pytest.approx([1 / 1.01, 1 / 1.01, 0, 0])


def test_rows_are_problems_of_their_own():
    rows = torch.tensor([[4.0, 3.0, 2.0, 1.0], [1.0, 5.0, 2.0, 3.0]], dtype=torch.float64)
    together, budgets = envelope_leaving(Problem(rows, ONE, 2), 2, 0.3)
    for row, factors, budget in zip(rows, together, budgets, strict=True):
        alone, one = envelope_leaving(Problem(row, ONE, 2), 2, 0.3)
        assert torch.equal(alone, factors)
        assert torch.equal(one, budget)


def test_the_floor_is_kept_and_counts():
    floor = torch.tensor([True, False, False, False])
    p = problem([1e-3, 4.0, 3.0, 2.0], k=2, floor=floor)
    for factors in (envelope_leaving(p, 2, 0.1)[0], lasso_leaving(p, 2)[0]):
        assert (factors > 0).tolist() == [True, True, False, False]
    assert envelope_leaving(p, 2, 0.1)[0][0].item() == pytest.approx(1 / 1.1), "it decays as the survivors do"


@given(problems())
def test_the_lasso_soft_thresholds_at_the_highest_that_has_to_go(case):
    p, count = case
    factors, strength = lasso_leaving(p, count)
    assert int((factors > 0).sum()) == min(count, int((p.norms > 0).sum()))
    threshold = strength * p.weights.sqrt()
    left = factors > 0
    torch.testing.assert_close((factors * p.norms)[left], (p.norms - threshold)[left], rtol=1e-6, atol=1e-9)
