"""Where the entries of a tensor come from, and when that cannot be said."""

import pytest
import torch
from torch import nn

from runners.networks.export.numbering import number, read


@pytest.fixture
def numbered():
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.PReLU()).double()
    return network, number(network)


def test_every_entry_has_a_number_of_its_own(numbered):
    network, _ = numbered
    values = torch.cat([t.flatten() for t in network.state_dict().values() if t.is_floating_point()])
    assert len(values.unique()) == len(values) == 72 + 4 + 16 + 1
    assert float(values.min()) > 0


def test_slices_are_found_under_another_name_and_with_zeros_in_them(numbered):
    network, numbers = numbered
    compact = nn.ModuleDict({"wrapped": nn.Conv2d(2, 2, 3), "norm": nn.BatchNorm2d(2)}).double()
    compact["wrapped"].weight.data = network[0].weight.data[[3, 1]][:, [1]].clone()
    compact["wrapped"].weight.data[0, 0, 0] = 0
    compact["norm"].running_var = network[1].running_var[[0, 2]]
    origins = read(compact, numbers)
    assert origins["wrapped.weight"].kept == ([3, 1], [1], None, None)
    assert (origins["wrapped.weight"].name, origins["wrapped.weight"].shape) == ("0.weight", (4, 2, 3, 3))
    assert (origins["norm.running_var"].name, origins["norm.running_var"].kept) == ("1.running_var", ([0, 2],))


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w[[0, 1]] + w[[2, 3]],  # two filters in one
        lambda w: w.flatten(1),  # another layout
        lambda w: w * 0,
        lambda w: w.mul(torch.tensor([1, 0, 1, 1]).view(4, 1, 1, 1)),  # nothing is known of a filter
        lambda w: w * 1.5,
    ],
)
def test_what_is_no_slice_has_no_origin(numbered, change):
    network, numbers = numbered
    compact = nn.Conv2d(2, 4, 3, bias=False).double()
    compact.weight.data = change(network[0].weight.data)
    assert read(compact, numbers) == {}


def test_a_tensor_without_dims():
    network = nn.Module()
    network.scale = nn.Parameter(torch.tensor(3.0).double())
    numbers = number(network)
    assert read(network, numbers)["scale"].kept == ()
