"""How networks are divided: the contract over every architecture and grouping, and what a zero filter does."""

import math

import pytest
import torch
from torch import nn

from runners.architectures import ARCHITECTURES
from runners.groupings import GROUPINGS
from runners.wiring import layers

PAIRS = pytest.mark.parametrize(("architecture", "grouping"), [(a, g) for a in ARCHITECTURES for g in GROUPINGS])
EXAMPLE = torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))


class Normed(nn.Module):
    """Convolutions with batch norm, without bias, written down in an order other than the one they run in."""

    def __init__(self):
        super().__init__()
        self.norms = nn.ModuleList([nn.BatchNorm2d(6), nn.BatchNorm2d(4)])
        self.out = nn.Linear(6 * 7 * 7, 10)
        self.second = nn.Conv2d(4, 6, 3, padding=1, bias=False)
        self.first = nn.Conv2d(1, 4, 3, padding=1, bias=False)

    def forward(self, x):
        x = torch.relu(self.norms[1](self.first(x)))
        x = nn.functional.max_pool2d(x, 2)
        x = torch.relu(self.norms[0](self.second(x)))
        return self.out(nn.functional.max_pool2d(x, 2).flatten(1))


def normed():
    """Such a network, its batch norms in a state that is not the initial one."""
    torch.manual_seed(0)
    network = Normed()
    for norm in network.norms:
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            nn.init.normal_(tensor)
        nn.init.uniform_(norm.running_var, 0.5, 2)
    return network


def divide(architecture, grouping):
    torch.manual_seed(0)
    network = ARCHITECTURES[architecture](1, 28, 10)
    return network, GROUPINGS[grouping](network, EXAMPLE)


@PAIRS
def test_members_are_parameters_of_the_network_and_the_first_is_a_weight(architecture, grouping):
    network, groups = divide(architecture, grouping)
    own = {id(p): n for n, p in network.named_parameters()}
    for family in groups:
        assert all(id(p) in own for p, _ in family.members), family.name
        assert own[id(family.members[0][0])].endswith("weight")
        assert family.members[0][0].dim() > 1, "the first member is the layer's weight, not a bias"


@PAIRS
def test_no_parameter_is_divided_twice(architecture, grouping):
    _, groups = divide(architecture, grouping)
    assert len(groups.parameters()) == sum(len(f.members) for f in groups)


@PAIRS
def test_the_output_layer_is_never_divided(architecture, grouping):
    network, groups = divide(architecture, grouping)
    output = layers(network, EXAMPLE)[-1].module
    members = {id(p) for p in groups.parameters()}
    assert output.out_features == 10
    assert not members & {id(p) for p in output.parameters()}


@PAIRS
def test_sizes_are_those_of_the_members(architecture, grouping):
    _, groups = divide(architecture, grouping)
    for family in groups:
        assert family.size == math.prod(family.shape)
        assert family.size * family.elements == sum(p.numel() for p, _ in family.members)


@PAIRS
def test_dividing_changes_nothing(architecture, grouping):
    torch.manual_seed(0)
    network = ARCHITECTURES[architecture](1, 28, 10)
    before = {n: v.clone() for n, v in network.state_dict().items()}
    for training in (True, False):
        network.train(training)
        GROUPINGS[grouping](network, EXAMPLE)
        assert network.training == training
    assert all(torch.equal(v, before[n]) for n, v in network.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules()), "no hook is left behind"


@pytest.mark.parametrize(
    ("architecture", "sizes"), [("mlp", [300, 100]), ("lenet5", [6, 16, 120, 84]), ("lenet5_caffe", [20, 50, 500])]
)
def test_known_sizes(architecture, sizes):
    assert divide(architecture, "filter")[1].sizes == sizes
    network, elements = divide(architecture, "element")
    assert elements.sizes == [layer.module.weight.numel() for layer in layers(network, EXAMPLE)[:-1]]


def outputs_of(network):
    """What each module of the network gives, in evaluation mode."""
    seen = {}
    hooks = [m.register_forward_hook(lambda m, _, output: seen.update({m: output})) for m in network.modules()]
    with torch.no_grad():
        network.eval()(EXAMPLE)
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "normed"])
def test_a_filter_at_zero_puts_out_exactly_zero(architecture):
    torch.manual_seed(0)
    network = normed() if architecture == "normed" else ARCHITECTURES[architecture](1, 28, 10)
    groups = GROUPINGS["filter"](network, EXAMPLE)
    groups.scale_([torch.arange(f.size) % 2 for f in groups])
    last = {layer.name: layer.norm or layer.module for layer in layers(network, EXAMPLE)}
    outputs = outputs_of(network)
    for family in groups:
        output = outputs[last[family.name]]
        assert output[:, ::2].eq(0).all(), family.name
        assert output[:, 1::2].ne(0).any(), family.name


def test_layers_come_in_the_order_they_run_in_with_the_batch_norm_behind_them():
    network = normed()
    found = layers(network, EXAMPLE)
    assert [layer.name for layer in found] == ["first", "second", "out"]
    assert [layer.norm for layer in found] == [network.norms[1], network.norms[0], None]
    families = GROUPINGS["filter"](network, EXAMPLE).families
    assert [len(f.members) for f in families] == [3, 3], "weight, scale and shift; there is no bias"


def test_a_batch_norm_elsewhere_belongs_to_no_layer():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 26 * 26, 10))
    assert [layer.norm for layer in layers(network, EXAMPLE)] == [None, None]


def test_a_layer_that_runs_twice_is_listed_once():
    shared = nn.Conv2d(1, 1, 3, padding=1)
    network = nn.Sequential(shared, nn.ReLU(), shared, nn.Flatten(), nn.Linear(784, 10))
    assert [layer.name for layer in layers(network, EXAMPLE)] == ["0", "4"]


def test_a_network_of_one_layer_has_nothing_to_divide():
    with pytest.raises(ValueError, match="nothing to divide"):
        GROUPINGS["filter"](nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), EXAMPLE)
