import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods import members as module
from methods.groups import Budget, Family, Groups

WEIGHT = torch.arange(24.0).reshape(2, 3, 2, 2) - 7


def family(dims, rows=1, name="f", parameter=None):
    return Family(name, [(WEIGHT.clone() if parameter is None else parameter, dims)], rows)


def slices(weight, dims):
    """Groups by definition: every combination of indices along dims, in row-major order."""
    index = torch.cartesian_prod(*[torch.arange(weight.shape[d]) for d in dims]).reshape(-1, len(dims))
    for combination in index.tolist():
        place = [slice(None)] * weight.dim()
        for d, i in zip(dims, combination, strict=True):
            place[d] = i
        yield tuple(place)


@pytest.mark.parametrize("dims", [(0,), (1,), (1, 2, 3), (0, 1), (2, 3), (3, 1), (0, 1, 2, 3)])
class TestEveryLayout:
    def test_norms_are_those_of_the_slices(self, dims):
        expected = torch.stack([WEIGHT[s].double().norm() for s in slices(WEIGHT, dims)])
        torch.testing.assert_close(family(dims).norms(), expected)

    def test_scaling_scales_the_slices(self, dims):
        f = family(dims)
        factors = torch.linspace(0, 1, f.size, dtype=torch.float64)
        f.scale_(factors)
        for s, factor in zip(slices(WEIGHT, dims), factors, strict=True):
            torch.testing.assert_close(f.members[0][0][s], WEIGHT[s] * factor.float())

    def test_count_and_elements(self, dims):
        f = family(dims)
        assert f.size * f.elements == WEIGHT.numel()
        assert f.shape == (f.size,)


def test_one_group_of_everything():
    f = family(())
    assert f.size == 1
    assert f.norms().item() == pytest.approx(WEIGHT.norm().item())
    f.scale_(torch.zeros(1))
    assert f.nonzero() == 0


def test_members_form_one_group():
    weight, bias = torch.tensor([[3.0], [0.0]]), torch.tensor([4.0, 0.0])
    f = Family("f", [(weight, (0,)), (bias, (0,))])
    assert f.norms().tolist() == [5.0, 0.0]
    assert f.nonzero() == 1
    assert f.elements == 2


def test_norms_are_float64_and_see_what_float32_squares_lose():
    assert family((0,), parameter=torch.full((2, 3), 1e-30)).norms().tolist() == pytest.approx([3**0.5 * 1e-30] * 2)


LAYOUTS = [torch.contiguous_format, torch.channels_last]
ALL_DIMS = [(0,), (1,), (1, 2, 3), (0, 1), (2, 3), (3, 1), (0, 1, 2, 3), (2, 0, 3, 1), ()]


@pytest.mark.parametrize("part", [1, 5, 1 << 15])
@pytest.mark.parametrize("dims", ALL_DIMS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_norms_and_scaling_in_every_layout_and_dtype(dims, layout, dtype, part, monkeypatch):
    monkeypatch.setattr(module, "PART", part)
    weight = WEIGHT.to(dtype, copy=True).to(memory_format=layout)
    f = family(dims, parameter=weight)
    places = list(slices(WEIGHT, dims)) if dims else [...]
    for p in (1, 2):
        expected = torch.stack([WEIGHT[s].double().norm(p) for s in places])
        torch.testing.assert_close(f.norms(p), expected, rtol=1e-14, atol=0)
    factors = torch.arange(f.size) % 3 / 2  # 0, 1/2 and 1 lose nothing in any dtype
    f.scale_(factors)
    for s, factor in zip(places, factors.tolist(), strict=True):
        assert torch.equal(weight[s], (WEIGHT[s] * factor).to(dtype))
    assert f.nonzero() == int((f.norms() > 0).sum())


@pytest.mark.parametrize("value", [1e-30, 1e-44, 1e30, 3e38, 0.0])
@pytest.mark.parametrize("dims", [(0,), (1,), (0, 1)])
def test_norms_of_float32_at_the_ends_of_its_range(value, dims):
    f = family(dims, parameter=torch.full((2, 3), value))
    exact = torch.full((2, 3), value).double().norm(dim=[d for d in (0, 1) if d not in dims] or None)
    expected = exact if dims != (0, 1) else torch.full((6,), value).double()
    torch.testing.assert_close(f.norms(), expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize("bad", [torch.inf, -torch.inf, torch.nan])
@pytest.mark.parametrize("dims", [(0,), (0, 1)])
@pytest.mark.parametrize("p", [1, 2])
def test_norms_pass_on_what_is_not_finite(bad, dims, p):
    weight = torch.ones(3, 2)
    weight[1, 1] = bad
    norms = family(dims, parameter=weight).norms(p)
    assert norms.isfinite().sum() == len(norms) - 1
    assert norms[len(norms) // 2].isnan().item() == (bad != bad)


def test_norms_leave_the_parameters_alone():
    weight = -torch.ones(4, 2, dtype=torch.float64)
    for dims in ((0,), (0, 1), ()):
        family(dims, parameter=weight).norms(1)
        family(dims, parameter=weight).norms(2)
    assert torch.equal(weight, -torch.ones(4, 2, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("factor_dtype", [torch.float64, torch.float32, torch.float16, torch.bool])
def test_zero_factor_gives_exact_zero_even_of_what_is_not_finite(dtype, factor_dtype):
    weight = torch.tensor([[torch.inf, 1.0], [torch.nan, -torch.inf], [-2.0, 0.0], [torch.nan, 3.0]], dtype=dtype)
    Family("f", [(weight, (0,))]).scale_(torch.tensor([0, 0, 0, 1]).to(factor_dtype))
    assert weight[:3].tolist() == [[0.0, 0.0]] * 3
    assert weight[3, 0].isnan()
    assert weight[3, 1] == 3


def test_scaling_takes_a_parameter_that_requires_grad():
    parameter = torch.nn.Parameter(torch.ones(2, 3))
    family((0,), parameter=parameter).scale_(torch.tensor([0.0, 2.0]))
    assert parameter.tolist() == [[0.0] * 3, [2.0] * 3]
    assert parameter.requires_grad
    assert parameter.grad_fn is None


def test_rows_are_independent_problems():
    f = family((0, 1, 2, 3), rows=6)
    assert f.shape == (6, 4)
    budget = Budget.of(Groups([f]), 0.5)
    assert budget.targets(Groups([f])) == [12]
    assert budget.select([f.norms()])[0].sum(-1).tolist() == [2] * 6


def test_norm_of_order_one():
    assert family((0,)).norms(p=1).tolist() == pytest.approx(WEIGHT.abs().sum((1, 2, 3)).tolist())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Family("a", [(torch.ones(2, 3), (0,)), (torch.ones(3), (0,))]), "family a"),
        (lambda: Family("a", [(torch.ones(5), (0,))], rows=2), "rows"),
        (lambda: Groups([]), "nothing to divide"),
        (lambda: Groups([family((0,)), family((0,))]), "same name"),
        (lambda: Budget.of(Groups([family((0,))]), 0.0), "keep"),
        (lambda: Budget.of(Groups([family((0,))]), 1.5), "keep"),
        (lambda: Budget.of(Groups([family((0,))]), 0.5).select([torch.tensor([1.0, torch.nan])]), "NaN"),
    ],
)
def test_wrong_arguments_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_of_equal_scores_the_first_wins():
    groups = Groups([family((0,), parameter=torch.ones(6, 1))])
    mask = Budget.of(groups, 0.5).select([torch.tensor([0.0, 2, 1, 1, 1, torch.inf])])[0]
    assert mask.tolist() == [False, True, True, False, False, True]


def two_families(first=10, second=4):
    return Groups([family((0,), name=n, parameter=torch.ones(m, 2)) for n, m in (("a", first), ("b", second))])


@pytest.mark.parametrize(("keep", "k"), [(0.5, [5, 2]), (0.1, [1, 1]), (0.01, [1, 1]), (1.0, [10, 4]), (0.25, [2, 1])])
def test_layer_budget(keep, k):
    groups = two_families()
    assert Budget.of(groups, keep).targets(groups) == k


def test_network_budget_has_a_floor_of_one_group_per_family():
    groups = two_families()
    budget = Budget.of(groups, 0.5, "network")
    assert budget.targets(groups) == [7]
    scores = [torch.arange(10.0) + 100, torch.arange(4.0)]
    masks = budget.select(scores)
    assert [int(m.sum()) for m in masks] == [6, 1]
    assert masks[1].tolist() == [False, False, False, True]
    assert masks[0].tolist() == [False] * 4 + [True] * 6


@given(
    scores=st.lists(st.sampled_from([0.0, 1.0, 2.0, -1.0, 1e-30, 1e30]), min_size=14, max_size=14),
    keep=st.floats(0.01, 1),
    scope=st.sampled_from(["layer", "network"]),
)
def test_exactly_k_groups_and_none_left_out_is_better(scores, keep, scope):
    groups = two_families()
    budget = Budget.of(groups, keep, scope)
    values = list(torch.tensor(scores, dtype=torch.float64).split([10, 4]))
    masks = budget.select(values)
    kept = [int(m.sum()) for m in masks]
    assert (kept if scope == "layer" else [sum(kept)]) == budget.targets(groups)
    assert min(kept) >= 1
    for value, mask in zip(values, masks, strict=True):
        if not mask.all():
            assert value[mask].min() >= value[~mask].max()
