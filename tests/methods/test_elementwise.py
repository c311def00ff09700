"""Steps on single elements in place must be those of the general way, from whatever level their search begins."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods import METHODS, levels
from methods.elementwise import Elements
from methods.envelope import optimality_gap
from methods.groups import Budget, Family, Groups
from methods.in_place import in_place_of
from methods.levels import SMALL, Norms
from methods.members import Member
from methods.rowwise import Rows
from runners.checkpoint import load_state, state_of

# zeros, ties, ordinary values, and what dies
SIZE = st.sampled_from([0.0, 1.0, 1.0, 2.0]) | st.floats(1e-2, 10.0) | st.floats(-18, 2).map(lambda e: 10.0**e)
VALUE = st.tuples(SIZE, st.sampled_from([-1.0, 1.0])).map(lambda pair: pair[0] * pair[1])
VALUES = st.lists(VALUE, min_size=12, max_size=12)
START = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -1.0, 1e-300, 1e300, 1e-40, 1.0]) | st.floats()
LAYOUTS = [torch.contiguous_format, torch.channels_last]
# name, hyper-parameters, progress
STEPS = [
    ("wgsef", {"lam": 0.05}, 1.0),
    ("wgsef", {"lam": 1.0}, 1.0),
    ("wgsef", {"lam": 3.0}, 1.0),
    ("wgsef_dc", {"lam": 0.5}, 1.0),
    ("wgsef_dc", {"lam": 4.0}, 1.0),
    ("wgsef_dc", {}, 0.3),
    ("wgsef_dc", {}, 0.9),
    ("group_lasso", {"lam": 1.0}, 1.0),
    ("group_lasso", {"lam": 4.0}, 1.0),
]
EVERY_STEP = pytest.mark.parametrize(("name", "hyper", "progress"), STEPS)


def groups_of(values, dtype=torch.float64, floor=True):
    """Two families of single elements."""
    weights = [torch.tensor(v, dtype=torch.float64).to(dtype).view(2, -1) for v in (values[:8], values[8:])]
    return Groups([Family(f"f{i}", [(w, (0, 1))], floor=floor) for i, w in enumerate(weights)])


def after(groups, name, hyper, progress, *, keep=0.4, scope="layer", start=None, general=False, momentum=0.0):
    """Take a step of strength lr = 1/4; return all values, and the method."""
    method = METHODS[name](groups, Budget.of(groups, keep, scope), **hyper)
    if start is not None:
        method._levels = [list(start) for _ in method._levels]
    if momentum:
        method.attach(torch.optim.SGD(groups.parameters(), lr=0.1, momentum=momentum))
    if general:
        method.in_place = lambda found: None
    method.after_step(0.25, progress)
    return torch.cat([f.parts[0].parameter.flatten() for f in groups]), method


@EVERY_STEP
@pytest.mark.parametrize("scope", ["layer", "network"])
@settings(max_examples=40)  # of each step
@given(
    values=VALUES,
    keep=st.sampled_from([0.1, 0.4, 0.75, 1.0]),
    start=st.tuples(START, START),
    floor=st.booleans(),
    momentum=st.sampled_from([0.0, 0.5]),
)
def test_is_the_general_step_for_every_start(name, hyper, progress, scope, values, keep, start, floor, momentum):
    options = {"keep": keep, "scope": scope, "momentum": momentum}
    expected, _ = after(groups_of(values, floor=floor), name, hyper, progress, general=True, **options)
    found, _ = after(groups_of(values, floor=floor), name, hyper, progress, start=start, **options)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)
    if progress == 0.9:
        assert torch.equal(found, expected), "a choice is exact"


@EVERY_STEP
@settings(max_examples=40)  # of each step
@given(values=VALUES, start=st.tuples(START, START))
def test_in_float32_it_is_as_exact_as_float32(name, hyper, progress, values, start):
    values = torch.tensor(values).tolist()  # as float32 holds them: a tie there is a tie
    expected, _ = after(groups_of(values), name, hyper, progress, general=True)
    found, _ = after(groups_of(values, torch.float32), name, hyper, progress, start=start)
    largest = max(map(abs, values))
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-5 * largest)


@given(
    values=st.lists(SIZE, min_size=2, max_size=40),
    share=st.floats(0.02, 1.0),
    c=st.floats(-3, 1).map(lambda e: 10.0**e),
    start=st.tuples(START, START),
)
def test_fenchel_young_certifies_the_step_for_every_start(values, share, c, start):
    t = torch.tensor(values, dtype=torch.float64)
    y, k = t.clone(), share * len(values)
    assert Elements([y], 1, 1.0, 1.0).shrink_(k, c, list(start), decay=True)
    factors = torch.where(t > 0, y / t, 0.0)
    assert abs(optimality_gap(t, factors, k, c).item()) < 1e-10


@pytest.mark.parametrize("name", ["wgsef", "wgsef_dc"])
def test_the_last_level_saves_evaluations(name, monkeypatch):
    evaluated, search = [], levels.search

    def counting(spent, *given):
        return search(lambda a: evaluated.append(a) or spent(a), *given)

    monkeypatch.setattr(levels, "search", counting)
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(200, 500, generator=generator)
    groups = Groups([Family("f", [(weight, (0, 1))])])
    method = METHODS[name](groups, Budget.of(groups, 0.2), lam=0.1)
    counts = []
    for _ in range(4):
        evaluated.clear()
        method.after_step(0.1, 1.0)
        counts.append(len(evaluated))
        weight.add_(torch.randn(weight.shape, generator=generator), alpha=1e-3)
    assert counts[0] > 3
    assert max(counts[1:]) <= 4


@pytest.mark.parametrize("layout", LAYOUTS)
@EVERY_STEP
def test_every_layout(name, hyper, progress, layout):
    def made():
        weight = torch.randn(6, 5, 3, 3, generator=torch.Generator().manual_seed(0)).to(memory_format=layout)
        return Groups([Family("f", [(weight, (0, 1, 2, 3))])])

    assert kind(made().families[0]) is Elements
    expected, _ = after(made(), name, hyper, progress, general=True)
    found, _ = after(made(), name, hyper, progress)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@EVERY_STEP
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_goes_the_general_way(name, hyper, progress, bad):
    values = [bad, *range(1, 12)]
    outcomes = []
    for general in (True, False):
        groups = groups_of(values)
        try:
            outcomes.append(after(groups, name, hyper, progress, general=general)[0])
        except ValueError as error:
            outcomes.append(str(error))
    if isinstance(outcomes[0], str):
        assert isinstance(outcomes[1], str)
        assert outcomes[0].split(", not")[0] == outcomes[1].split(", not")[0]
    else:
        assert torch.equal(outcomes[0].nan_to_num(7), outcomes[1].nan_to_num(7))


def test_ties_at_the_boundary_of_a_choice_are_as_ever_the_first():
    found, _ = after(groups_of([1.0] * 12), "wgsef_dc", {}, 0.9, keep=0.5)
    assert found.tolist() == [1.0] * 4 + [0.0] * 4 + [1.0] * 2 + [0.0] * 2


def test_zeros_are_exact():
    generator = torch.Generator().manual_seed(0)
    for name, hyper, progress in STEPS:
        groups = groups_of(torch.randn(12, generator=generator).tolist(), torch.float32)
        found, _ = after(groups, name, hyper, progress)
        assert not found[found == 0].view(torch.int32).any()


def test_the_levels_go_into_a_checkpoint():
    groups, twin = (groups_of(list(range(12))) for _ in range(2))
    _, method = after(groups, "wgsef", {"lam": 1.0}, 1.0)
    again = METHODS["wgsef"](twin, method.budget, lam=1.0)
    assert all(math.isfinite(a) for a, _ in method._levels)
    load_state(again, state_of(method))
    assert again._levels == method._levels


def kind(family, weights=None, metric=1.0):
    groups = Groups([family])
    found = in_place_of(groups, Budget.of(groups, 0.5), [torch.ones(1) if weights is None else weights], [metric])
    return None if found is None else type(found[0])


def test_which_families_take_steps_in_place():
    weight = torch.randn(4, 6)
    single, rows = Family("f", [(weight, (0, 1))]), Family("f", [(weight, (0,)), (torch.randn(4), (0,))])
    assert (kind(single), kind(rows)) == (Elements, Rows)
    for family in (single, rows):
        assert kind(family, weights=torch.ones(family.size)) is None
        assert kind(family, metric=torch.ones(family.size, 1)) is None
    for family in (
        Family("f", [(weight, (1,))]),
        Family("f", [(weight.double(), (0,))]),
        Family("f", [(torch.randn(SMALL + 1, 2), (0,))]),
        Family("f", [(weight, (0, 1))], rows=4),
        Family("f", [(weight[:, ::2], (0, 1))]),
        Family("f", [(weight.bfloat16(), (0, 1))]),
        Family("f", [(weight, (0,)), Member(torch.randn(5), (0,), places=torch.tensor([1, 3, 0, 2]))]),
    ):
        assert kind(family) is None


def test_one_problem_over_the_network_has_one_weight():
    two = Groups([Family(name, [(torch.randn(4, 6), (0, 1))]) for name in "fg"])
    weights = [torch.ones(1), 2 * torch.ones(1)]
    layer, network = (Budget.of(two, 0.5, scope) for scope in ("layer", "network"))
    assert in_place_of(two, layer, weights, [1.0, 1.0]) is not None
    assert in_place_of(two, network, weights, [1.0, 1.0]) is None
    assert in_place_of(two, network, weights[:1] * 2, [1.0, 1.0]) is not None


@pytest.mark.parametrize("name", ["wgsef", "wgsef_dc", "group_lasso"])
def test_a_subclass_with_a_prox_of_its_own_takes_it(name):
    class Own(METHODS[name]):
        def prox(self, problems, strengths):
            return [torch.zeros_like(p.norms) for p in problems]

    groups = groups_of(list(range(12)))
    Own(groups, Budget.of(groups, 0.5), lam=1.0).after_step(0.1, 1.0)
    assert groups.nonzero() == [0, 0]


def test_a_choice_begins_where_the_last_ended(monkeypatch):
    counted = []
    above = Norms.above
    monkeypatch.setattr(Norms, "above", lambda *given: counted.append(1) or above(*given))
    weight = torch.randn(100, 100, generator=torch.Generator().manual_seed(0))
    groups = Groups([Family("f", [(weight, (0, 1))])])
    method = METHODS["wgsef_dc"](groups, Budget.of(groups, 0.1))
    for _ in range(3):
        counted.clear()
        method.after_step(0.1, 1.0)
        assert groups.nonzero() == [1000]
    assert len(counted) == 1


def test_search_gives_up_where_there_is_nothing_to_find():
    assert levels.search(lambda a: math.nan, 1.0, [1.0, 1.0], lambda: 5.0, torch.float64) is None
    assert levels.boundary(lambda a: 4.0 if a < 1 else 0.0, 2, 0.5, torch.float32) is None
