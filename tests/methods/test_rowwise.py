"""Steps on small families of rows in place must be those of the general way, from whatever level they begin."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods import METHODS
from methods.groups import Budget, Family, Groups
from methods.rowwise import Rows
from tests.methods.test_elementwise import EVERY_STEP, SIZE, START

NORMS = st.lists(SIZE, min_size=12, max_size=12)
TINY = st.sampled_from([0.0, 1e-30, 1e-24, 1e-20, 1e-16, 1e-14, 1.0, 1e17, 1e19, 1e30])


def groups_of(norms, floor=True, layout=torch.contiguous_format):
    """Two families of filters with a bias, of these norms."""
    families = []
    for i, part in enumerate((norms[:8], norms[8:])):
        t = torch.tensor(part, dtype=torch.float64)
        weight = (t[:, None, None, None] * torch.tensor([0.6, 0.0, -0.48, 0.0]).view(1, 2, 2, 1)).float()
        members = [(weight.to(memory_format=layout), (0,)), ((0.64 * t).float(), (0,))]
        families.append(Family(f"f{i}", members, floor=floor))
    return Groups(families)


def after(groups, name, hyper, progress, *, keep=0.4, scope="layer", start=None, general=False, momentum=0.0):
    """Take a step of strength lr = 1/4; return all values, and whether it was taken in place."""
    method = METHODS[name](groups, Budget.of(groups, keep, scope), **hyper)
    method.attach(torch.optim.SGD(groups.parameters(), lr=0.1, momentum=momentum))
    if start is not None:
        method._levels = [list(start) for _ in method._levels]
    if general:
        method.in_place = lambda found: None
    method.after_step(0.25, progress)
    return torch.cat([p.flatten() for p in groups.parameters()])


@EVERY_STEP
@pytest.mark.parametrize("scope", ["layer", "network"])
@settings(max_examples=40)  # of each step
@given(
    norms=NORMS,
    keep=st.sampled_from([0.1, 0.4, 0.75, 1.0]),
    start=st.tuples(START, START),
    floor=st.booleans(),
    momentum=st.sampled_from([0.0, 0.5]),
)
def test_is_the_general_step_for_every_start(name, hyper, progress, scope, norms, keep, start, floor, momentum):
    options = {"keep": keep, "scope": scope, "momentum": momentum}
    norms = torch.tensor(norms).tolist()
    expected = after(groups_of(norms, floor), name, hyper, progress, general=True, **options)
    found = after(groups_of(norms, floor), name, hyper, progress, start=start, **options)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-6 * max(norms))


@EVERY_STEP
@settings(max_examples=40)  # of each step
@given(norms=st.lists(TINY, min_size=12, max_size=12))
def test_what_float32_cannot_square_is_what_it_was(name, hyper, progress, norms):
    expected = after(groups_of(norms), name, hyper, progress, general=True)
    found = after(groups_of(norms), name, hyper, progress)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)


@EVERY_STEP
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_goes_the_general_way(name, hyper, progress, bad):
    outcomes = []
    for general in (True, False):
        try:
            outcomes.append(
                after(groups_of([bad, *range(1, 12)]), name, hyper, progress, general=general).nan_to_num(7)
            )
        except ValueError as error:
            outcomes.append(str(error).split(", not")[0])
    assert type(outcomes[0]) is type(outcomes[1])
    if isinstance(outcomes[0], str):
        assert outcomes[0] == outcomes[1]
    else:
        torch.testing.assert_close(outcomes[1], outcomes[0])


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_every_layout_is_taken_in_place(layout, monkeypatch):
    taken = []
    shrink = Rows.shrink_
    monkeypatch.setattr(Rows, "shrink_", lambda *given, **named: taken.append(shrink(*given, **named)) or taken[-1])
    norms = torch.arange(1.0, 13.0).tolist()
    expected = after(groups_of(norms), "wgsef", {"lam": 1.0}, 1.0, general=True)
    groups = groups_of(norms, layout=layout)
    METHODS["wgsef"](groups, Budget.of(groups, 0.4), lam=1.0).after_step(0.25, 1.0)
    assert taken == [True, True]
    torch.testing.assert_close(torch.cat([p.flatten() for p in groups.parameters()]), expected, rtol=1e-6, atol=1e-6)
