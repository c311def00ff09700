"""Each method against its formula, on numbers small enough to do by hand."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods import METHODS
from methods.envelope import optimality_gap, prox_factors
from methods.groups import Budget, Family, Groups
from methods.proximal import ramp_up


def groups_with(*norm_lists, extra=None):
    """One family per list; group j is the row (norm, 0), plus a bias where asked for."""
    families = []
    for i, norms in enumerate(norm_lists):
        weight = torch.tensor([[n, 0.0] for n in norms])
        members = [(weight, (0,))] + ([(torch.full((len(norms),), extra), (0,))] if extra is not None else [])
        families.append(Family(f"f{i}", members))
    return Groups(families)


def make(name, groups, keep=0.5, scope="layer", **hyper):
    return METHODS[name](groups, Budget.of(groups, keep, scope), **hyper)


def test_group_lasso_soft_thresholds_by_the_size_of_a_group():
    groups = groups_with([3.0, 1.0, 0.2])
    make("group_lasso", groups, lam=2.0).after_step(0.25, 1.0)
    shrink = 0.25 * 2.0 * 2**0.5  # lr lam sqrt(p), two parameters a group
    assert groups.norms()[0].tolist() == pytest.approx([3 - shrink, 1 - shrink, 0.0])
    assert groups.nonzero() == [2]


def test_wgsef_is_the_prox_of_each_family():
    groups = groups_with([4.0, 3.0, 2.0, 1.0], [1.0, 2.0])
    method = make("wgsef", groups, lam=4.0)
    before = groups.norms()
    method.after_step(0.25, 1.0)  # strength lr lam = 1
    assert groups.norms()[0].tolist() == pytest.approx([2, 4 / 3, 1 / 3, 0])  # golden vector, k = 2, lam = 1
    for old, new, k in zip(before, groups.norms(), (2, 1), strict=True):
        assert optimality_gap(old, new / old, k, 1.0).item() == pytest.approx(0, abs=1e-6)  # float32 parameters


def test_wgsef_over_the_network_is_one_problem_without_the_largest_of_each_family():
    groups = groups_with([4.0, 1.0, 2.0], [3.0, 2.5])
    make("wgsef", groups, keep=0.6, scope="network", lam=1.0).after_step(1.0, 1.0)
    others = prox_factors(torch.tensor([1.0, 2.0, 2.5], dtype=torch.float64), 1, 1.0)  # k = 3, two of them the floor
    expected = torch.tensor([2.0, others[0], 2 * others[1], 1.5, 2.5 * others[2]], dtype=torch.float64)
    torch.testing.assert_close(torch.cat(groups.norms()), expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", ["gmp", "wgsef_dc", "wgsef_split", "group_lasso_k"])
def test_over_the_network_no_family_loses_its_last_group(name):
    groups = groups_with([1e-3, 2e-3], [5.0, 6.0, 7.0, 8.0])
    make(name, groups, keep=0.5, scope="network").after_step(0.1, 1.0)
    assert groups.nonzero() == [1, 2]


@pytest.mark.parametrize("name", ["wgsef", "group_lasso"])
def test_strength_ramps_up_and_is_reported(name):
    method = make(name, groups_with([1.0, 2.0]), lam=0.8, ramp=0.5)
    seen = []
    for progress in (0.25, 0.5, 1.0):
        method.after_step(0.0, progress)
        seen.append(method.diagnostics()["lam"])
    assert seen == pytest.approx([0.2, 0.8, 0.8])


@pytest.mark.parametrize(
    ("progress", "length", "expected"), [(0.1, 0.0, 1), (0.25, 0.5, 0.25), (0.5, 0.5, 1), (1, 1, 1)]
)
def test_ramp(progress, length, expected):
    assert ramp_up(progress, length) == expected


def test_l1_filter_sums_absolute_weights_and_not_the_bias():
    weight = torch.tensor([[1.0, -1.0, 1.0], [2.0, 0.0, 0.0]])
    groups = Groups([Family("f", [(weight, (0,)), (torch.tensor([0.0, 50.0]), (0,))])])
    assert make("l1_filter", groups).scores()[0].tolist() == [3.0, 2.0]


def test_magnitude_ranks_by_the_euclidean_norm_of_the_group():
    assert make("magnitude", groups_with([3.0, 0.0], extra=4.0)).scores()[0].tolist() == [5.0, 4.0]


def test_random_draws_from_the_seed():
    method = make("random", groups_with([1.0] * 50))
    torch.manual_seed(1)
    first = method.scores()[0]
    torch.manual_seed(1)
    assert torch.equal(method.scores()[0], first)
    assert not torch.equal(method.scores()[0], first)
    assert len(first.unique()) == 50


def test_wgsef_dc_undoes_the_decay_of_the_plain_prox():
    groups = groups_with([4.0, 3.0, 2.0, 1.0])
    make("wgsef_dc", groups, lam=2.0).after_step(0.25, 1.0)  # g = lr lam = 1/2, which is c = g / (1 - g) = 1
    plain = [0.5, 4 / 9, 1 / 6, 0]  # golden vector of the prox: norms 2, 4/3, 1/3, 0
    assert groups.norms()[0].tolist() == pytest.approx(
        [t * min(1, 2 * s) for t, s in zip([4, 3, 2, 1], plain, strict=True)]
    )


def test_the_step_of_wgsef_is_not_that_of_the_group_lasso():
    """Where k < m the large groups only decay, and the middle ones shrink by a constant: no threshold does both."""
    groups = groups_with([8.0, 4.0, 3.0, 0.5])
    before = groups.norms()[0]
    make("wgsef", groups, lam=0.4).after_step(0.5, 1.0)
    after = groups.norms()[0]
    assert (after / before)[0].item() == pytest.approx(1 / 1.2), "saturated: 1 / (1 + lr lam)"
    lost = before - after
    assert lost[1].item() == pytest.approx(lost[2].item(), abs=1e-6), "soft-thresholded"
    assert lost[0] > 1.2 * lost[1], "which for the group lasso would be equal"


def test_gmp_is_a_hard_choice_along_a_cubic():
    groups = groups_with([float(n) for n in range(1, 11)])
    method = make("gmp", groups, keep=0.2, anneal=0.5)
    method.after_step(0.1, 0.25)  # 2 + 8 / 8
    assert groups.norms()[0].tolist() == [0.0] * 7 + [8.0, 9.0, 10.0]
    method.after_step(0.1, 0.5)
    assert groups.norms()[0].tolist() == [0.0] * 8 + [9.0, 10.0]


def test_wgsef_split_shrinks_the_losers_and_lets_them_come_back():
    groups = groups_with([4.0, 1.0, 0.5])
    method = make("wgsef_split", groups, keep=0.34, power=1.0, anneal=0.5)
    method.after_step(0.1, 0.05)
    norms = groups.norms()[0]
    assert norms[0].item() == 4.0
    assert norms[1:].tolist() == pytest.approx([0.9, 0.45])
    groups.families[0].members[0][0][2, 0] = 9.0  # what its gradient might have done
    method.after_step(0.1, 0.5)
    assert groups.norms()[0].tolist() == [0.0, 0.0, 9.0]


def test_wgsef_dc_with_a_strong_lam_is_hard_thresholding():
    groups = groups_with([4.0, 3.0, 2.0, 1.0])
    make("wgsef_dc", groups, lam=100.0).after_step(1.0, 1.0)
    assert groups.norms()[0].tolist() == pytest.approx([4.0, 3.0, 0.0, 0.0])


@pytest.mark.parametrize("name", ["gmp", "wgsef_dc", "wgsef_split", "group_lasso_k"])
@pytest.mark.parametrize("scope", ["layer", "network"])
@settings(max_examples=25, deadline=None)
@given(
    norms=st.lists(st.sampled_from([0.5, 1.0, 1.0, 2.0]) | st.floats(1e-3, 1e3), min_size=12, max_size=12),
    keep=st.sampled_from([0.05, 0.1, 0.25, 0.5]),
)
def test_schedules_reach_exactly_k_whatever_the_norms(name, scope, norms, keep):
    groups = groups_with(norms[:8], norms[8:])
    method = make(name, groups, keep=keep, scope=scope)
    generator = torch.Generator().manual_seed(0)
    for step in range(1, 21):
        for family in groups:  # what an optimiser does: every group moves, zero ones come back
            family.members[0][0].add_(0.05 * torch.randn(family.members[0][0].shape, generator=generator))
        method.after_step(0.1, step / 20)
    left = groups.nonzero()
    assert (left if scope == "layer" else [sum(left)]) == method.budget.targets(groups)
    assert min(left) >= 1


def test_wgsef_dc_leaves_the_survivors_as_they_are():
    groups = groups_with([4.0, 3.0, 2.0, 1.0])
    make("wgsef_dc", groups).after_step(0.1, 1.0)
    assert groups.norms()[0].tolist() == [4.0, 3.0, 0.0, 0.0]


def test_after_the_hard_choice_there_is_no_strength_to_tell():
    method = make("wgsef_dc", groups_with([4.0, 3.0, 2.0, 1.0]))
    method.after_step(0.1, 0.5)
    assert method.diagnostics()["lam"] > 0
    method.after_step(0.1, 0.7)
    assert set(method.diagnostics()) == {"regulariser"}
    assert method.groups.nonzero() == [2]
