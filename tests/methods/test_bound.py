"""The strength from the data."""

import pytest
import torch

from methods import WGSEF, Budget, Family, GroupLasso, Groups
from methods.bound import WINDOW


def groups_of(*lists):
    weights = [torch.tensor([[n, 0.0] for n in norms], requires_grad=True) for norms in lists]
    return Groups([Family(f"f{i}", [(w, (0,))]) for i, w in enumerate(weights)])


def give(groups, *gradients):
    for parameter, norms in zip(groups.parameters(), gradients, strict=True):
        parameter.grad = torch.tensor([[0.0, n] for n in norms])


def test_it_is_the_largest_mean_gradient_of_the_losers_over_the_pull():
    groups = groups_of([4.0, 3.0, 2.0, 1.0])
    method = WGSEF(groups, Budget.of(groups, 0.5))
    give(groups, [9.0, 9.0, 1.0, 2.0])
    method.after_step(0.1, WINDOW / 2)
    assert groups.norms()[0].tolist() == [4.0, 3.0, 2.0, 1.0], "nothing is shrunk while gradients are measured"
    give(groups, [9.0, 9.0, 3.0, 1.0])  # mean of the losers: 2, 1.5
    method.after_step(0.1, WINDOW)
    give(groups, [0.0, 0.0, 100.0, 0.0])
    method.after_step(0.0, 2 * WINDOW)
    # the step behind the window is the first that is not measured; tau = (4 + 3 + 2 + 1) / 2 = 5, none is saturated
    assert method.diagnostics()["lam"] == pytest.approx(2 / 5)


def test_each_family_has_its_own_and_the_lasso_pulls_by_size():
    groups = groups_of([4.0, 3.0], [1.0, 2.0])
    method = GroupLasso(groups, Budget.of(groups, 0.5))
    give(groups, [5.0, 3.0], [1.0, 7.0])
    method.after_step(0.0, 1.0)
    assert method.diagnostics()["lam"] == pytest.approx((3 + 1) / 2 / 2**0.5)


def test_over_the_network_there_is_one():
    groups = groups_of([4.0, 3.0], [1.0, 2.0])
    method = GroupLasso(groups, Budget.of(groups, 0.5, "network"))
    give(groups, [5.0, 3.0], [1.0, 7.0])
    method.after_step(0.0, 1.0)
    assert method.diagnostics()["lam"] == pytest.approx(3 / 2**0.5), "kept: 4 and the floor 2"


def test_without_gradients_it_says_so():
    groups = groups_of([4.0, 3.0])
    with pytest.raises(ValueError, match="clear them after after_step"):
        WGSEF(groups, Budget.of(groups, 0.5)).after_step(0.1, 0.5)
