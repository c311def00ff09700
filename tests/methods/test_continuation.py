"""How a schedule gets to leave exactly n groups."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.continuation import ANNEALED, boundary, budget_left, groups_left, lasso_leaving
from methods.groups import Budget, Family, Groups
from methods.problems import Problem

ONE = torch.ones(1, dtype=torch.float64)
NORMS = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]) | st.floats(1e-6, 1e3), min_size=2, max_size=12)


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
    assert groups_left(p, 0.6, length=0.9) == pytest.approx(2 + 8 / 3)


def test_boundary_where_groups_tie():
    kept, level = boundary(torch.tensor([3.0, 1.0, 2.0, 2.0, 0.5]), 2)
    assert kept.tolist() == [True, False, True, False, False], "of equal ones the first"
    assert level.item() == 1.0, "below those that are kept, so that they are not shrunk to nothing"
    assert boundary(torch.tensor([3.0, 1.0]), 2)[1].item() == 0.0


@pytest.mark.parametrize("scope", ["layer", "network"])
def test_a_budget_falls_as_the_cubic_and_ends_at_k(scope):
    groups = Groups([Family("a", [(torch.randn(10, 2), (0,))]), Family("b", [(torch.randn(20, 2), (0,))])])
    budget = Budget.of(groups, 0.2, scope)
    assert budget_left(groups, budget, 0.0, 0.5).targets(groups) == ([10, 20] if scope == "layer" else [30])
    assert budget_left(groups, budget, 0.25, 0.5).targets(groups) == ([3, 6] if scope == "layer" else [9])
    assert budget_left(groups, budget, 0.5, 0.5) == budget


def test_the_floor_is_kept_and_counts():
    floor = torch.tensor([True, False, False, False])
    p = problem([1e-3, 4.0, 3.0, 2.0], k=2, floor=floor)
    assert (lasso_leaving(p, 2)[0] > 0).tolist() == [True, True, False, False]


@given(problems())
def test_the_lasso_soft_thresholds_at_the_highest_that_has_to_go(case):
    p, count = case
    factors, strength = lasso_leaving(p, count)
    assert int((factors > 0).sum()) == min(count, int((p.norms > 0).sum()))
    threshold = strength * p.weights.sqrt()
    left = factors > 0
    torch.testing.assert_close((factors * p.norms)[left], (p.norms - threshold)[left], rtol=1e-6, atol=1e-9)
