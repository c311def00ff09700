"""What the proximal methods share: strengths and weights per family, the metric of Adam, the value they report."""

import copy
from functools import partial

import pytest
import torch

from methods import METHODS, GroupLasso
from methods.batched import value_of
from methods.envelope import prox_factors, value
from methods.groups import Budget, Family, Groups
from methods.metric import metrics
from methods.wgsef import WGSEF
from methods.wgsef_dc import WGSEFDC

NORMS = [4.0, 3.0, 2.0, 1.0]


def groups_of(*lists, width=1):
    weights = [torch.tensor([[n] + [0.0] * (width - 1) for n in norms], requires_grad=True) for norms in lists]
    return Groups([Family(f"f{i}", [(w, (0,))]) for i, w in enumerate(weights)])


def test_each_family_may_have_a_strength_of_its_own():
    groups = groups_of(NORMS, NORMS)
    WGSEF(groups, Budget.of(groups, 0.5), lam=(1.0, 0.1), ramp=0.0).after_step(1.0, 1.0)
    t = torch.tensor(NORMS, dtype=torch.float64)
    for norms, lam in zip(groups.norms(), (1.0, 0.1), strict=True):
        torch.testing.assert_close(norms, t * prox_factors(t, 2, lam), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "d"),
    [("uniform", [1.0] * 4), ("size", [3.0] * 4), ((2.0,), [2.0] * 4), (((1.0, 4.0, 0.25, 2.0),), [1, 4, 0.25, 2])],
)
def test_weights_are_uniform_by_size_or_given(weights, d):
    groups = groups_of(NORMS, width=3)
    method = WGSEF(groups, Budget.of(groups, 0.5), lam=0.5, ramp=0.0, weights=weights)
    t, d = torch.tensor(NORMS, dtype=torch.float64), torch.tensor(d, dtype=torch.float64)
    torch.testing.assert_close(method.scores()[0], t / d.sqrt())
    method.after_step(1.0, 1.0)
    torch.testing.assert_close(groups.norms()[0], t * prox_factors(t, 2, 0.5, d), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"lam": (1.0,)}, "lam"),
        ({"weights": (1.0,)}, "weights: 1 for 2 families"),
        ({"weights": (1.0, (1.0, 2.0, 3.0))}, "weights: 3 for the 4 groups of family f1"),
    ],
)
def test_what_does_not_fit_the_families_is_refused(arguments, says):
    groups = groups_of(NORMS, NORMS)
    with pytest.raises(ValueError, match=says):
        WGSEF(groups, Budget.of(groups, 0.5), **arguments)


def test_a_strength_per_family_has_no_meaning_over_the_network():
    groups = groups_of(NORMS, NORMS)
    with pytest.raises(ValueError, match="scope layer"):
        WGSEF(groups, Budget.of(groups, 0.5, "network"), lam=(1.0, 2.0))


def test_the_value_that_is_reported():
    groups = groups_of(NORMS, [1.0, 2.0])
    budget, t = Budget.of(groups, 0.5), [torch.tensor(x, dtype=torch.float64) for x in (NORMS, [1.0, 2.0])]
    omega = value(t[0], 2).item() + value(t[1], 1).item()
    ridge = 0.5 * sum(float(x.square().sum()) for x in t)
    assert WGSEF(groups, budget).diagnostics()["regulariser"] == pytest.approx(omega)
    assert WGSEFDC(groups, budget).diagnostics()["regulariser"] == pytest.approx(omega - ridge)
    assert GroupLasso(groups, budget).diagnostics()["regulariser"] == pytest.approx(13.0)
    groups.scale_(budget.select(groups.norms()))
    assert WGSEFDC(groups, budget).diagnostics()["regulariser"] == pytest.approx(0), "no gap at the k-level"


def adam_step(groups, weight_decay=0.0, steps=3):
    """An AdamW that has taken some steps, and what it divides by, from its definition."""
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(groups.parameters(), lr=0.01, betas=(0.9, 0.99), eps=1e-3, weight_decay=weight_decay)
    seconds = [torch.zeros_like(p) for p in groups.parameters()]
    for _ in range(steps):
        for p, v in zip(groups.parameters(), seconds, strict=True):
            p.grad = torch.randn(p.shape, generator=generator)
            v.mul_(0.99).addcmul_(p.grad, p.grad, value=0.01)
        optimizer.step()
    return optimizer, [(v / (1 - 0.99**steps)).sqrt() + 1e-3 for v in seconds]


def test_the_metric_is_what_the_optimiser_divides_by():
    groups = groups_of(NORMS, width=3)
    optimizer, (divisor,) = adam_step(groups)

    def metric(optimizer):
        return metrics(groups, optimizer)[0]

    torch.testing.assert_close(metric(optimizer), divisor.double(), rtol=1e-6, atol=0)
    parameters = groups.parameters()
    assert metric(torch.optim.AdamW(parameters)) == 1.0, "before its first step"
    assert metric(None) == metric(torch.optim.SGD(parameters, lr=0.1)) == 1.0
    assert metric(torch.optim.SGD(parameters, lr=0.1, momentum=0.9)) == pytest.approx(0.1)
    dampened = torch.optim.SGD(parameters, lr=0.1, momentum=0.9, dampening=0.5)
    assert metric(dampened) == pytest.approx(0.2)


@pytest.mark.parametrize("scope", ["layer", "network"])
@pytest.mark.parametrize("cls", [WGSEF, GroupLasso])
def test_with_adam_what_is_projected_away_is_what_the_prox_removes_first(cls, scope):
    groups = groups_of([0.9, 0.5, 0.3, 0.2, 0.1], width=4)
    optimizer, (divisor,) = adam_step(groups)
    method = cls(groups, Budget.of(groups, 0.4, scope), lam=0.0)
    method.attach(optimizer)
    order = method.scores()[0].argsort().tolist()
    expected = (divisor * groups.parameters()[0]).norm(dim=1).argsort().tolist()
    assert order == expected
    gone = []
    for lam in torch.logspace(-4, 1, 400).tolist():
        twin = copy.deepcopy(groups)
        state = dict(zip(twin.parameters(), (optimizer.state[p] for p in groups.parameters()), strict=True))
        again = cls(twin, Budget.of(twin, 0.4, scope), lam=lam)
        stand_in = torch.optim.AdamW(twin.parameters(), lr=0.01, betas=(0.9, 0.99), eps=1e-3)
        stand_in.state.update(state)
        again.attach(stand_in)
        again.after_step(1.0, 1.0)
        gone += [j for j in (twin.norms()[0] == 0).nonzero().flatten().tolist() if j not in gone]
    assert len(gone) >= 3
    assert gone == order[: len(gone)]


def test_the_debiased_step_with_unequal_weights_is_the_prox_of_the_gap():
    d = (1.0, 4.0, 0.25, 2.0)
    groups = groups_of(NORMS)
    method = WGSEFDC(groups, Budget.of(groups, 0.5), lam=0.2, weights=(d,))
    weights, before = torch.tensor(d, dtype=torch.float64), groups.norms()[0]

    def objective(norms):
        gap = value_of([norms], [2], [weights]) - 0.5 * (weights * norms.square()).sum()
        return float(0.5 * (norms - before).square().sum() + 0.2 * gap)

    method.after_step(1.0, 1.0)
    after = groups.norms()[0]
    best, generator = objective(after), torch.Generator().manual_seed(0)
    for scale in (1.0, 1e-1, 1e-2, 1e-3):
        for _ in range(200):
            moved = (after + scale * torch.randn(4, generator=generator, dtype=torch.float64)).clamp(min=0)
            assert objective(moved) >= best - 1e-6
    assert (after <= before).all()


def test_the_debiased_step_leaves_weight_decay_to_the_optimiser():
    assert WGSEF.decays
    assert not WGSEFDC.decays


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dims", [(0,), (0, 1)])
@pytest.mark.parametrize("scope", ["layer", "network"])
@pytest.mark.parametrize("optimizer", [partial(torch.optim.SGD, momentum=0.9), torch.optim.AdamW])
@pytest.mark.parametrize(
    ("name", "hyper", "progress"),
    [
        ("wgsef", {"lam": 0.1}, 1.0),
        ("wgsef_dc", {"lam": 0.1}, 1.0),
        ("wgsef_dc", {}, 0.3),
        ("wgsef_dc", {}, 0.9),
        ("group_lasso", {"lam": 0.1}, 1.0),
    ],
)
def test_a_step_waits_for_no_accelerator(name, hyper, progress, optimizer, scope, dims):
    def stepped(device, watch):
        generator = torch.Generator().manual_seed(0)
        weights = [torch.randn(6, 5, generator=generator).to(device).requires_grad_() for _ in range(2)]
        groups = Groups([Family(f"f{i}", [(w, dims)]) for i, w in enumerate(weights)])
        method = METHODS[name](groups, Budget.of(groups, 0.4, scope), **hyper)
        trained = optimizer(weights, lr=0.1)
        method.attach(trained)
        for weight in weights:
            weight.grad = torch.randn(6, 5, generator=generator).to(device)
        trained.step()
        torch.cuda.set_sync_debug_mode("error" if watch else "default")
        try:
            method.after_step(0.1, progress)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        return torch.cat([w.detach().cpu().flatten() for w in weights])

    torch.testing.assert_close(stepped("cuda", True), stepped("cpu", False), rtol=1e-4, atol=1e-5)
