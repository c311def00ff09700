import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods import members as module
from methods.groups import Budget, Family, Groups
from methods.members import Member, Term

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
        (lambda: Budget.of(Groups([family((0,))]), 0.5, round_to=0), "round_to = 0"),
        (lambda: Family("a", [(torch.ones(2, 3), (0,))], terms=[Term(Member(torch.ones(3), (0,)))]), "family a"),
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


@pytest.mark.parametrize(
    ("keep", "round_to", "k"),
    [(0.5, 4, [8, 4]), (0.5, 3, [6, 3]), (0.1, 8, [8, 4]), (0.25, 2, [2, 2]), (1.0, 4, [10, 4]), (0.5, 100, [10, 4])],
)
def test_a_layer_budget_is_rounded_up_before_anything_is_chosen(keep, round_to, k):
    groups = two_families()
    budget = Budget.of(groups, keep, round_to=round_to)
    assert budget.targets(groups) == k
    assert budget.total == sum(k)
    assert [int(m.sum()) for m in budget.select([torch.rand(10), torch.rand(4)])] == k


def test_in_rows_each_row_is_rounded_up():
    f = family((0, 1, 2, 3), rows=6)
    budget = Budget.of(Groups([f]), 0.25, round_to=2)
    assert budget.targets(Groups([f])) == [12]
    assert budget.select([f.norms()])[0].sum(-1).tolist() == [2] * 6


def test_with_scope_network_a_family_is_filled_with_its_own_next_best():
    groups = two_families()
    budget = Budget.of(groups, 0.5, "network", round_to=4)
    assert budget.targets(groups) == [7], "what the families share is not rounded"
    masks = budget.select([torch.arange(10.0) + 100, torch.tensor([0.0, 3, 2, 2])])
    assert masks[0].tolist() == [False] * 2 + [True] * 8
    assert masks[1].all()


def test_a_family_that_keeps_none_is_not_filled():
    groups = Groups([family((0,), name=n, parameter=torch.ones(6, 1)) for n in "ab"])
    groups = Groups([Family(f.name, f.members, floor=False) for f in groups])
    masks = Budget.of(groups, 0.25, "network", round_to=2).select([torch.ones(6), torch.zeros(6)])
    assert [int(m.sum()) for m in masks] == [4, 0]


@given(
    scores=st.lists(st.sampled_from([0.0, 1.0, 2.0, -1.0, 1e-30, 1e30]), min_size=14, max_size=14),
    keep=st.floats(0.01, 1),
    scope=st.sampled_from(["layer", "network"]),
    round_to=st.integers(1, 12),
)
def test_rounded_budgets_keep_multiples_and_all_that_plain_ones_keep(scores, keep, scope, round_to):
    groups = two_families()
    values = list(torch.tensor(scores, dtype=torch.float64).split([10, 4]))
    plain = Budget.of(groups, keep, scope).select(values)
    rounded = Budget.of(groups, keep, scope, round_to).select(values)
    for value, before, after in zip(values, plain, rounded, strict=True):
        kept = int(after.sum())
        assert kept == len(after) or kept % round_to == 0
        assert int(before.sum()) <= kept < int(before.sum()) + round_to
        assert after[before].all(), "what is chosen without rounding is chosen with it"
        if not after.all():
            assert value[after].min() >= value[~after].max()


def scaled_family(places=None, seed=0):
    """Filters of 3 x 2 weights and a bias, the scale and shift behind them, and their variance."""
    generator = torch.Generator().manual_seed(seed)
    weight, *rest = (torch.randn(s, generator=generator) for s in ((6, 3, 2), (6,), (6,), (6,)))
    variance = torch.rand(6, generator=generator) + 0.5
    members = [Member(t, (0,), places=places) for t in (weight, *rest)]
    terms = [Term(members[2], Member(weight, (0,)), variance, 0.25)]
    return Family("f", members, terms=terms), (weight, *rest, variance)


@pytest.mark.parametrize("places", [None, [4, 1], [[0, 3], [5, 1], [2, 4]]])
@pytest.mark.parametrize("p", [1, 2])
def test_terms_are_what_norms_are_made_of(places, p):
    f, (weight, _, scale, _, variance) = scaled_family(None if places is None else torch.tensor(places))
    for _ in range(2):  # the second time with other values
        sizes = [
            abs(s) * sum(abs(w) ** p for w in row) ** (1 / p) / (v + 0.25) ** 0.5
            for row, s, v in zip(weight.flatten(1).tolist(), scale.tolist(), variance.tolist(), strict=True)
        ]
        groups = [g if isinstance(g, list) else [g] for g in (places or range(6))]
        expected = [sum(sizes[c] ** p for c in g) ** (1 / p) for g in groups]
        norms = f.norms(p)
        assert (norms.dtype, norms.shape) == (torch.float64, f.shape)
        assert norms.tolist() == pytest.approx(expected, rel=1e-12)
        weight.mul_(torch.arange(1.0, 7)[:, None, None])
        scale.add_(1)
        variance.mul_(3)


def test_norms_of_terms_leave_everything_alone():
    _, tensors = scaled_family()
    members = [Member(t.double(), (0,)) for t in tensors[:4]]  # in float64 nothing is copied unless one says so
    doubled = Family("f", members, terms=[Term(members[2], members[0], tensors[4].double())])
    before = [m.parameter.clone() for m in doubled.parts]
    for p in (1, 2):
        doubled.norms(p)
    assert all(torch.equal(m.parameter, b) for m, b in zip(doubled.parts, before, strict=True))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_factors_other_than_zero_scale_what_is_measured_and_zero_clears_all(dtype):
    f, tensors = scaled_family()
    before = [t.clone() for t in tensors]
    norms = f.norms()
    factors = torch.tensor([0.5, 0, 1, 2, 0, 0.25], dtype=dtype)
    f.scale_(factors)
    alive = factors.float() != 0
    for i, (now, then) in enumerate(zip(tensors[:4], before, strict=False)):
        assert not now[~alive].any()
        assert torch.equal(now[alive], (then * factors.float() if i == 2 else then)[alive])
    torch.testing.assert_close(f.norms(), norms * factors.double())
    assert (f.nonzero(), f.elements) == (4, 6 + 3)
    assert torch.equal(tensors[4], before[4]), "the variance is read only"


def test_a_factor_that_the_dtype_loses_clears_all_members():
    f, tensors = scaled_family()
    f.scale_(torch.tensor([1e-60, 1, 1, 1, 1, 1], dtype=torch.float64))
    assert not any(t[0].any() for t in tensors[:4])


def test_a_family_stays_alive_by_what_is_not_measured():
    f, (_, _, scale, _, _) = scaled_family()
    scale.zero_()
    assert f.norms().tolist() == [0.0] * 6
    assert f.nonzero() == 6


def test_a_network_is_raw_where_all_of_it_is():
    f, _ = scaled_family()
    plain = Family("g", [(torch.ones(2), (0,))])
    assert (plain.is_raw, plain.measured) == (True, plain.parts)
    assert (f.is_raw, f.measured) == (False, f.parts[2:3])
    assert [Groups(g).is_raw for g in ([plain], [f], [plain, f])] == [True, False, False]
