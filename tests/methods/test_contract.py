"""What every method must be, found by discovery: a new method is tested by existing."""

import copy
import inspect
import types

import pytest
import torch
from annotated_types import Ge, Gt

from methods import METHODS, Method, discover
from methods.groups import Budget, Family, Groups

EVERY_METHOD = pytest.mark.parametrize("cls", [pytest.param(c, id=n) for n, c in METHODS.items()])
LAYOUTS = pytest.mark.parametrize("dims", [pytest.param((0,), id="filter"), pytest.param((0, 1), id="element")])
SCOPES = pytest.mark.parametrize("scope", ["layer", "network"])


def groups_of(dims=(0,), seed=0):
    generator = torch.Generator().manual_seed(seed)
    weights = [torch.randn(size, generator=generator).requires_grad_() for size in ((6, 5), (9, 3))]
    for weight in weights:
        weight.grad = torch.randn(weight.shape, generator=generator)  # as after the backward pass of a step
    return Groups([Family(f"f{i}", [(weight, dims)]) for i, weight in enumerate(weights)])


def settings(cls):
    """A value for each hyper-parameter: its default, or one in range."""
    return {n: 0.5 if d is ... else d for n, (_, d) in cls.hyperparameters().items()}


def make(cls, groups, keep=0.4, scope="layer"):
    return cls(groups, Budget.of(groups, keep, scope), **settings(cls))


@EVERY_METHOD
def test_declares_itself(cls):
    assert issubclass(cls, Method)
    assert METHODS[cls.name] is cls
    assert cls.starts_from in ("scratch", "dense")
    assert inspect.getdoc(cls), "a method's docstring gives its formula and source"
    assert "\n" not in inspect.getdoc(cls).split("\n\n")[0] or len(inspect.getdoc(cls).split("\n")[0]) > 10


@EVERY_METHOD
def test_hyperparameters_have_a_range(cls):
    for name, (kind, default) in cls.hyperparameters().items():
        assert default is ... or default is None or isinstance(default, float | int | str | bool), name
        if kind in (float, int):
            raise AssertionError(f"{cls.name}.{name}: a bare {kind.__name__} has no range")


@EVERY_METHOD
@LAYOUTS
@SCOPES
def test_scores_rank_every_group(cls, dims, scope):
    groups = groups_of(dims)
    method = make(cls, groups, scope=scope)
    scores = method.scores()
    assert [tuple(s.shape) for s in scores] == [f.shape for f in groups]
    assert all(s.isfinite().all() for s in scores)
    masks = method.budget.select(scores)
    assert sum(int(m.sum()) for m in masks) == method.budget.total


@EVERY_METHOD
@LAYOUTS
@SCOPES
def test_a_step_never_grows_a_group_nor_makes_it_infinite(cls, dims, scope):
    groups = groups_of(dims)
    method = make(cls, groups, scope=scope)
    before = groups.norms()
    for progress in (0.25, 0.5, 1.0):
        method.after_step(0.1, progress)
    for old, new in zip(before, groups.norms(), strict=True):
        assert new.isfinite().all()
        assert (new <= old * (1 + 1e-6)).all()


@EVERY_METHOD
def test_a_zero_group_stays_zero(cls):
    groups = groups_of()
    groups.scale_([torch.tensor([0.0] + [1.0] * (f.size - 1)) for f in groups])
    make(cls, groups).after_step(0.1, 1.0)
    assert all(f.members[0][0][0].eq(0).all() for f in groups)


@EVERY_METHOD
def test_what_trains_acts_and_what_does_not_leaves_the_network_alone(cls):
    groups, untouched = groups_of(), groups_of()
    method = make(cls, groups)
    method.after_step(0.1, 1.0)
    penalty = method.penalty()
    moved = any(not torch.equal(a, b) for a, b in zip(groups.norms(), untouched.norms(), strict=True))
    assert (moved or penalty is not None) == cls.trains


@EVERY_METHOD
@LAYOUTS
@SCOPES
def test_once_its_choice_is_final_a_step_holds_zeros_and_changes_no_survivor(cls, dims, scope):
    groups = groups_of(dims)
    method = make(cls, groups, scope=scope)
    for progress in (0.25, 0.5, 0.75):
        method.after_step(0.1, progress)
    if not method.settled(0.75):
        return
    assert method.settled(1.0), "it stays final"
    alive = [f.alive() for f in groups]
    with torch.no_grad():
        for parameter in groups.parameters():  # an optimiser's step: momentum moves zeros, too
            parameter += 1e-4 * parameter.grad
    groups.scale_(alive)
    moved = groups.norms()
    method.after_step(0.1, 1.0)
    assert all(torch.equal(a, b) for a, b in zip(groups.norms(), moved, strict=True))
    assert [f.nonzero() for f in groups] == [int(a.sum()) for a in alive]
    assert method.penalty() is None


@EVERY_METHOD
def test_the_same_state_gives_the_same_step_and_scores(cls):
    outcomes = []
    for _ in range(2):
        torch.manual_seed(3)
        groups = groups_of()
        method = make(cls, groups)
        method.after_step(0.05, 0.7)
        outcomes.append(torch.cat([*groups.norms(), *method.scores()]))
    assert torch.equal(*outcomes)


@EVERY_METHOD
def test_diagnostics_are_finite_numbers(cls):
    method = make(cls, groups_of())
    method.after_step(0.1, 0.5)
    assert all(isinstance(v, float) and abs(v) < 1e30 for v in method.diagnostics().values())
    assert not cls.decays or cls.trains, "a method that does not train has no phase to leave the weight decay off in"


@EVERY_METHOD
def test_skip_answers_none_or_a_reason(cls):
    trial = types.SimpleNamespace(architecture="mlp", dataset="digits", grouping="filter", scope="layer", keep=0.5)
    reason = cls.skip(trial)
    assert reason is None or (isinstance(reason, str) and reason)


def test_discovery_finds_each_file_once():
    assert discover() == METHODS
    assert {"dense", "random", "wgsef", "group_lasso", "l1_filter", "magnitude", "gmp"} <= set(METHODS)


def test_ranges_reach_the_declaration():
    ramp, _ = METHODS["wgsef"].hyperparameters()["ramp"]
    assert any(isinstance(m, Ge | Gt) for m in ramp.__metadata__)


def test_copy_of_a_network_is_not_touched():
    groups = groups_of()
    twin = copy.deepcopy(groups)
    make(METHODS["wgsef"], groups).after_step(0.5, 1.0)
    assert all(torch.equal(a, b) for a, b in zip(twin.norms(), groups_of().norms(), strict=True))
