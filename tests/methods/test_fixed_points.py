"""Where proximal steps come to rest: on a quadratic, at the minimiser of loss + lam R, whatever the optimiser."""

import pytest
import torch

from methods import METHODS
from methods.envelope import dual_variable
from methods.groups import Budget, Family, Groups

LAM = 0.15
STEPS = 600
UNEQUAL = ((1.0, 4.0, 0.25, 2.0, 0.5),)
OPTIMISERS = {
    "plain": lambda p: torch.optim.SGD(p, lr=0.3),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.03, momentum=0.9),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.03, momentum=0.9, nesterov=True),
    "dampening": lambda p: torch.optim.SGD(p, lr=0.3, momentum=0.9, dampening=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.9, 0.99)),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.05, betas=(0.9, 0.99), weight_decay=0),
    "amsgrad": lambda p: torch.optim.Adam(p, lr=0.5, amsgrad=True),
}
PROBLEMS = [(n, w) for n in ("wgsef", "wgsef_dc") for w in ("uniform", UNEQUAL)] + [("group_lasso", None)]
# Variants of an optimiser differ from it in their metric alone, which the hardest problem shows.
VARIANTS = ["dampening", "adamw", "amsgrad"]
CASES = [(o, *p) for o in OPTIMISERS if o not in VARIANTS for p in PROBLEMS]
CASES += [(o, "wgsef_dc", UNEQUAL) for o in VARIANTS]


def solved(name, weights, optimiser, lam=LAM, decaying=False):
    """Train groups of three on 1/2 sum a (x - b)^2; return the method, the point and the negative gradient there."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(5, 3, dtype=torch.float64, generator=generator).requires_grad_()
    a = 0.75 + 0.5 * torch.rand(5, 3, dtype=torch.float64, generator=generator)
    # two groups are small, and in each group one value is far smaller than the others: Adam's metric is not uniform
    b = torch.tensor([[2.0], [1.5], [1.0], [0.3], [0.2]], dtype=torch.float64) * torch.tensor([1.0, -0.6, 0.1])
    groups = Groups([Family("f", [(x, (0,))])])
    own = {} if weights is None else {"weights": weights}
    method = METHODS[name](groups, Budget.of(groups, 0.4), lam=lam, **own)
    optimizer = optimiser([x])
    method.attach(optimizer)
    highest = optimizer.param_groups[0]["lr"]
    for step in range(STEPS):
        lr = highest * (1 - step / STEPS) ** 3 if decaying else highest  # Adam steps by lr itself, however close
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        (0.5 * (a * (x - b).square()).sum()).backward()
        optimizer.step()
        method.after_step(lr, (step + 1) / STEPS)
    return method, x.detach(), -(a * (x.detach() - b))


def residual(name, method, x, force, lam=LAM):
    """How far -gradient is from lam dR, by the subdifferential of R written out; it bounds the distance to the best."""
    norms, d = x.norm(dim=1), method.weights[0].expand(5)
    if name == "wgsef_dc":
        force = force + lam * d[:, None] * x  # the concave part is smooth
    direction = x / norms.clamp(min=1e-300)[:, None]
    limit = d.sqrt()
    if name == "group_lasso":
        wanted = lam * limit[:, None] * direction
    else:
        tau = dual_variable(norms, 2, d)
        limit = tau * limit
        saturated = (d.sqrt() * norms >= tau)[:, None]
        wanted = lam * torch.where(saturated, d[:, None] * x, limit[:, None] * direction)
    zero = norms == 0
    off = (force - wanted)[~zero].abs().max()
    excess = (force.norm(dim=1) - lam * limit)[zero].max() if zero.any() else torch.tensor(0.0)
    return max(float(off), float(excess))


@pytest.mark.parametrize(("optimiser", "name", "weights"), CASES, ids=lambda v: v if isinstance(v, str) else "")
def test_training_ends_at_the_minimiser_of_loss_and_lam_times_the_regulariser(optimiser, name, weights):
    adam = optimiser.startswith("a")
    method, x, force = solved(name, weights, OPTIMISERS[optimiser], decaying=adam)
    assert residual(name, method, x, force) < 1e-6
    assert 0 < int((x.norm(dim=1) == 0).sum()) < 5, "some groups are zero, and some are not"


def test_a_prox_without_the_factor_of_the_momentum_would_end_elsewhere():
    method, x, force = solved("group_lasso", None, OPTIMISERS["momentum"])
    assert residual("group_lasso", method, x, force, lam=LAM / 10) > 1e-2
    weaker, y, its_force = solved("group_lasso", None, OPTIMISERS["momentum"], lam=LAM / 10)
    assert residual("group_lasso", weaker, y, its_force, lam=LAM / 10) < 1e-6
    assert (x - y).abs().max() > 1e-2


@pytest.mark.slow
def test_a_parameter_in_two_settings_has_a_metric_of_its_own():
    weight, bias = (torch.randn(4, n, dtype=torch.float64).requires_grad_() for n in (3, 1))
    groups = Groups([Family("f", [(weight, (0,)), (bias, (0,))])])
    method = METHODS["wgsef"](groups, Budget.of(groups, 0.5), lam=0.1)
    optimizer = torch.optim.SGD([{"params": [weight], "momentum": 0.9}, {"params": [bias]}], lr=0.1)
    method.attach(optimizer)
    for step in range(400):
        optimizer.zero_grad()
        (0.5 * ((weight - 1).square().sum() + (bias + 0.5).square().sum())).backward()
        optimizer.step()
        method.after_step(0.1, (step + 1) / 400)
    x = torch.cat([weight, bias], 1).detach()
    force = -torch.cat([weight - 1, bias + 0.5], 1).detach()
    tau = dual_variable(x.norm(dim=1), 2)
    torch.testing.assert_close(force, 0.1 * tau * x / x.norm(dim=1, keepdim=True), rtol=0, atol=1e-6)
