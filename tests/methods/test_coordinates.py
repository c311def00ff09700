"""The prox in a metric that differs within groups: against its definition, and against the plain one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.coordinates import Points, envelope_prox, lasso_prox, scatter_, values_of
from methods.envelope import prox_factors, value
from methods.members import Member


def points(seed, m=5, e=3, spread=3.0, weights=None):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(m, e, dtype=torch.float64, generator=generator)
    metric = 10 ** (spread * torch.rand(m, e, dtype=torch.float64, generator=generator) - spread / 2)
    return Points(values, metric, torch.ones(m, dtype=torch.float64) if weights is None else weights)


def envelope_objective(point, k, strength):
    def at(x):
        distance = 0.5 * (point.metric * (x - point.values).square()).sum((-2, -1))
        return distance + strength * value(x.norm(dim=-1), k, point.weights)

    return at


def lasso_objective(point, strength):
    def at(x):
        distance = 0.5 * (point.metric * (x - point.values).square()).sum((-2, -1))
        return distance + strength * (point.weights.sqrt() * x.norm(dim=-1)).sum(-1)

    return at


def nothing_near_is_better(objective, x, seed):
    noise = torch.randn(3, 40, *x.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    others = x + torch.tensor([1e-1, 1e-3, 1e-5], dtype=torch.float64).view(3, 1, 1, 1) * noise
    least = objective(x) - 1e-12
    return all(bool((objective(near) >= least).all()) for near in (others, torch.where(x == 0, 0.0, others)))


@settings(deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 2, 2.5, 4]), st.floats(-3, 2))
def test_the_envelope_is_minimised(seed, k, exponent):
    point, strength = points(seed), 10.0**exponent
    (x,) = envelope_prox([point], k, strength)
    assert nothing_near_is_better(envelope_objective(point, k, strength), x, seed)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.floats(-3, 1))
def test_the_group_lasso_is_minimised(seed, exponent):
    weights = torch.tensor([1.0, 4.0, 0.25, 2.0, 3.0], dtype=torch.float64)
    point, strength = points(seed, weights=weights), 10.0**exponent
    x = lasso_prox(point, strength)
    assert nothing_near_is_better(lasso_objective(point, strength), x, seed)


@pytest.mark.parametrize("k", [1, 2, 3.5])
@pytest.mark.parametrize("strength", [1e-3, 0.3, 5.0])
def test_in_a_uniform_metric_it_is_the_plain_prox(k, strength):
    point = points(0, m=8)
    point = point._replace(metric=torch.full_like(point.metric, 0.25))
    norms = point.values.norm(dim=1)
    expected = point.values * prox_factors(norms, k, strength / 0.25)[:, None]
    torch.testing.assert_close(envelope_prox([point], k, strength)[0], expected, rtol=1e-9, atol=1e-12)


def test_families_of_one_problem_share_the_budget():
    whole = points(3, m=6)
    parts = [Points(*(t[s] for t in whole[:3])) for s in (slice(0, 2), slice(2, 6))]
    torch.testing.assert_close(torch.cat(envelope_prox(parts, 2, 0.5)), envelope_prox([whole], 2, 0.5)[0])


def test_rows_are_problems_of_their_own():
    whole = points(4, m=6)
    both = envelope_prox([whole], 1, 0.5, (2, 3))[0]
    for rows in (slice(0, 3), slice(3, 6)):
        alone = envelope_prox([Points(*(t[rows] for t in whole[:3]))], 1, 0.5)[0]
        torch.testing.assert_close(both[rows], alone)


def test_zero_groups_stay_zero_the_floor_is_kept_and_few_groups_only_decay():
    point = points(5)
    point = point._replace(values=point.values * torch.tensor([[1.0], [0.0], [1.0], [1.0], [1e-20]]))
    assert envelope_prox([point], 2, 0.7)[0][1].eq(0).all()
    floor = torch.tensor([False, False, False, False, True])
    (x,) = envelope_prox([point._replace(floor=floor)], 1, 0.7)
    assert x.ne(0).any(1).tolist() == floor.tolist(), "the floor takes the whole budget"
    (x,) = envelope_prox([point], 4, 0.7)
    torch.testing.assert_close(x, point.metric * point.values / (point.metric + 0.7))
    assert envelope_prox([point], 2, 0.0)[0] is point.values
    assert lasso_prox(point, 0.0) is point.values


def test_values_go_back_to_where_they_came_from():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(6, 4, 3, 3, generator=generator).to(memory_format=torch.channels_last)
    members = [
        Member(weight, (1,)),
        Member(torch.randn(8, generator=generator), (0,), places=torch.tensor([[0, 1], [2, 3], [6, 7], [4, 5]])),
    ]
    before = [m.parameter.clone() for m in members]
    values = values_of(members)
    scatter_(members, values * 2)
    for member, old in zip(members, before, strict=True):
        torch.testing.assert_close(member.parameter, old * 2)
