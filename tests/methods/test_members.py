"""Members that are seen in another shape, or of which only some slices belong to a group."""

import pytest
import torch

from methods import Member
from methods.groups import Budget, Family, Groups

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def weight(layout=torch.contiguous_format, shape=(4, 6, 3, 3)):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(memory_format=layout)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tiles_are_seen_by_splitting_dims(layout):
    parameter = weight(layout)
    family = Family("f", [Member(parameter, (0, 2, 4, 5), (2, 2, 2, 3, 3, 3))])
    assert (family.size, family.elements) == (2 * 2 * 9, 2 * 3)
    expected = [
        parameter[2 * o : 2 * o + 2, 3 * i : 3 * i + 3, h, w].norm()
        for o in range(2)
        for i in range(2)
        for h in range(3)
        for w in range(3)
    ]
    torch.testing.assert_close(family.norms(), torch.stack(expected))
    mask = torch.arange(family.size) != 4  # of the first tile of filters and channels: row 1, column 1
    family.scale_(mask)
    assert not parameter[:2, :3, 1, 1].any()
    assert int((parameter == 0).sum()) == family.elements
    assert family.nonzero() == family.size - 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_of_m_are_problems_of_their_own(layout):
    parameter = weight(layout)
    shape, dims = (4, 2, 3, 3, 3), (0, 1, 3, 4, 2)
    family = Family("f", [Member(parameter, dims, shape)], rows=4 * 2 * 9)
    assert (family.shape, family.elements) == ((72, 3), 1)
    groups = Groups([family])
    budget = Budget.of(groups, 1 / 3)
    groups.scale_(budget.select(groups.norms()))
    left = (parameter != 0).view(shape).sum(2)
    assert left.eq(1).all(), "one of every three input channels at every place"
    assert budget.targets(groups) == [72]


def test_places_choose_slices():
    parameter = weight()
    before = parameter.clone()
    family = Family("f", [Member(parameter, (0,), places=torch.tensor([3, 1]))])
    assert (family.size, family.elements) == (2, 54)
    torch.testing.assert_close(family.norms(), torch.stack([before[3].norm(), before[1].norm()]))
    family.scale_(torch.tensor([0.0, 0.5]))
    torch.testing.assert_close(parameter, before * torch.tensor([1, 0.5, 1, 0]).view(4, 1, 1, 1))
    assert family.nonzero() == 1


def test_a_group_may_have_several_slices():
    parameter, bias = weight(), torch.ones(2, dtype=torch.float64)
    heads = torch.tensor([[0, 2], [1, 3]])
    family = Family("f", [Member(parameter, (0,), places=heads), (bias, (0,))])
    assert (family.size, family.elements) == (2, 2 * 54 + 1)
    expected = [torch.cat([parameter[h].flatten(), torch.ones(1, dtype=torch.float64)]).norm() for h in heads]
    torch.testing.assert_close(family.norms(), torch.stack(expected))
    family.scale_(torch.tensor([True, False]))
    assert parameter[[0, 2]].ne(0).all()
    assert not parameter[[1, 3]].any()
    assert (bias.tolist(), family.nonzero()) == ([1.0, 0.0], 1)


def test_places_of_single_values():
    parameter = torch.tensor([1.0, -2.0, 3.0, -4.0])
    family = Family("f", [Member(parameter, (0,), places=torch.tensor([1, 3]))])
    assert family.norms().tolist() == [2.0, 4.0]
    family.scale_(torch.tensor([0.0, 1.0]))
    assert parameter.tolist() == [1.0, 0.0, 3.0, -4.0]


def test_members_must_agree_on_the_number_of_groups():
    with pytest.raises(ValueError, match=r"family f: its members have \[2, 4\] groups"):
        Family("f", [(weight(), (0,)), Member(weight(), (0,), places=torch.tensor([0, 1]))])


def branches(floor, norms=(1.0, 3.0, 2.0, 4.0)):
    return Groups([Family(f"f{i}", [(torch.tensor([n]), ())], floor=floor) for i, n in enumerate(norms)])


def test_families_without_a_floor_may_disappear():
    groups = branches(floor=False)
    budget = Budget.of(groups, 0.5, "network")
    assert budget.targets(groups) == [2]
    assert [bool(m) for m in budget.select(groups.norms())] == [False, True, False, True]
    assert Budget.of(groups, 0.01, "network").total == 1, "never below one group in all"


def test_families_with_a_floor_stay():
    groups = branches(floor=True)
    budget = Budget.of(groups, 0.5, "network")
    assert budget.targets(groups) == [4]
    assert all(bool(m) for m in budget.select(groups.norms()))
