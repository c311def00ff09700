"""How networks are divided: the contract over every architecture and grouping, and what a zero filter does."""

import contextlib
import math
from functools import lru_cache

import pytest
import torch
from torch import nn

from methods.groups import Family, NothingToDivide
from results.errors import Untraceable
from runners.networks.architectures import ARCHITECTURES
from runners.networks.graph.structure import structure_of
from runners.networks.groupings import GROUPINGS, scope_of
from tests.runners.networks.pairs import PAIRS
from tests.runners.user_networks import RESIDUAL

FEW = pytest.mark.parametrize(
    ("architecture", "grouping"), [(a, g) for a in ("lenet5", "resnet20", "vit_tiny", RESIDUAL) for g in GROUPINGS]
)
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


@lru_cache(maxsize=2)
def untrained(architecture):
    torch.manual_seed(0)
    return ARCHITECTURES[architecture](1, 28, 10)


def divide(architecture, grouping):
    network = untrained(architecture)
    try:
        return network, GROUPINGS[grouping](network, EXAMPLE)
    except NothingToDivide as error:
        pytest.skip(f"{architecture}: {error}")


def layers_of(network):
    return structure_of(network, EXAMPLE).layers


@PAIRS
def test_the_contract(architecture, grouping):
    """Members are weights first, sizes are theirs, nothing is divided twice, and the output layer not at all."""
    network, groups = divide(architecture, grouping)
    own = {id(p): n for n, p in network.named_parameters()}
    (output,) = (x.module for x in layers_of(network) if x.name in structure_of(network, EXAMPLE).outputs)
    assert output is layers_of(network)[-1].module
    times = {id(p): torch.zeros_like(p) for p in network.parameters()}
    for family in groups:
        assert all(id(m.parameter) in own for m in family.parts), family.name
        assert family.parts[0].parameter.dim() > 1, "the first member is a weight, not a bias"
        assert family.size == math.prod(family.shape)
        for member in family.parts:
            mark = torch.ones_like(member.parameter)
            Family("marked", [member._replace(parameter=mark)]).scale_(torch.zeros(family.size))
            assert int((mark == 0).sum()) == family.size * member.elements
            times[id(member.parameter)] += mark == 0
        assert family.size * family.elements == sum(family.size * m.elements for m in family.parts)
    assert all(float(t.max()) <= 1 for t in times.values())
    assert not any(times[id(p)].any() for p in output.parameters()), "what the network puts out is never divided"


@FEW
def test_dividing_changes_nothing(architecture, grouping):
    network = ARCHITECTURES[architecture](1, 28, 10)
    before = {n: v.clone() for n, v in network.state_dict().items()}
    for training in (True, False):
        network.train(training)
        with contextlib.suppress(NothingToDivide):
            GROUPINGS[grouping](network, EXAMPLE)
        assert network.training == training
    assert all(torch.equal(v, before[n]) for n, v in network.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules()), "no hook is left behind"


class Remembering(nn.Module):
    """It keeps a tensor of its first forward pass, and its modules are in different modes."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6).eval(), nn.Linear(6, 4)
        self.grid = None

    def forward(self, x):
        if self.grid is None:
            self.grid = torch.linspace(0, 1, x.shape[-1])
        return self.last(self.norm(self.first(x * self.grid)).relu().mean((2, 3)))


def test_what_a_network_keeps_of_a_forward_pass_is_not_that_of_its_division():
    network = Remembering()
    assert GROUPINGS["coupled"](network, EXAMPLE).sizes == [6]
    assert network.grid is None
    assert (network.training, network.norm.training) == (True, False)
    assert type(network(EXAMPLE).detach()) is torch.Tensor


@pytest.mark.parametrize(
    ("architecture", "grouping", "sizes"),
    [
        ("mlp", "filter", [300, 100]),
        ("lenet5", "filter", [6, 16, 120, 84]),
        ("lenet5_caffe", "filter", [20, 50, 500]),
        ("lenet5_caffe", "neuron", [500]),
        ("mlp", "element", [784 * 300, 300 * 100]),
        ("mlp", "channel", [300]),
        ("lenet5_caffe", "channel", [20, 50]),
        ("lenet5_caffe", "shape", [25, 20 * 25, 800]),
        ("lenet5_caffe", "kernel", [20, 20 * 50, 800 * 500]),
        ("lenet5_caffe", "block", [5 * 25, 13 * 5 * 25 * 2 - 5 * 25, 200 * 125]),
        ("lenet5_caffe", "n_of_m", [50 * 20 * 25, 500 * 800]),
        # the three stages' own filters; then what stage 1 passes on to 2 and 3, what 2 passes on to 3, and the rest
        ("resnet20", "coupled", [16, *[16] * 3, *[32] * 3, 16, *[64] * 3, 32]),
        ("resnet20_b", "coupled", [16, *[16] * 3, *[32] * 3, 32, *[64] * 3, 64]),
        ("resnet20", "depth", [1] * 9),
        ("mobilenet_v1", "filter", [32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]),
        ("densenet40", "coupled", [16, *[12] * 12, 160, *[12] * 12, 304, *[12] * 12]),
        # the residual stream, the hidden neurons, the heads
        ("vit_tiny", "coupled", [192, *[768] * 12, *[3] * 12]),
    ],
)
def test_known_sizes(architecture, grouping, sizes):
    assert sorted(divide(architecture, grouping)[1].sizes) == sorted(sizes)


def test_what_a_shortcut_passes_on_goes_with_what_it_is_passed_on_as():
    """The 16 channels of stage 1 are channels 8..23 of stage 2, which are 24..39 of stage 3 (He et al., option A)."""
    network, groups = divide("resnet20", "coupled")
    first = groups.families[0]
    weights = {id(p): n for n, p in network.named_parameters()}
    places = {weights[id(m.parameter)]: m.places for m in first.parts}
    assert places["conv1.weight"] is None
    assert places["layer2.2.bn2.bias"].tolist() == list(range(8, 24))
    assert places["layer3.0.conv2.weight"].tolist() == list(range(24, 40))


def test_the_same_places_of_all_groups_of_a_convolution_go_together():
    grouped = nn.Conv2d(8, 12, 3, padding=1, groups=4)
    network = nn.Sequential(nn.Conv2d(1, 8, 3), grouped, nn.ReLU(), nn.Conv2d(12, 5, 3), nn.Flatten(), nn.LazyLinear(3))
    network(EXAMPLE)
    read, made, last = GROUPINGS["coupled"](network, EXAMPLE)
    assert [m.places.tolist() for m in read.parts] == [[[0, 2, 4, 6], [1, 3, 5, 7]]] * 2
    assert [m.places.tolist() for m in made.parts] == [[[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]] * 2
    assert (read.elements, made.elements) == (4 * (9 + 1), 4 * (2 * 9 + 1))
    assert last.size == 5


def test_a_depthwise_convolution_goes_with_the_filters_before_it():
    network, groups = divide("mobilenet_v1", "filter")
    own = {id(p): n for n, p in network.named_parameters()}
    assert len([own[id(m.parameter)] for m in groups.families[0].parts if m.parameter.dim() > 1]) == 2


def test_depth_is_always_a_matter_of_the_whole_network():
    assert scope_of("depth", "layer") == scope_of("depth", "network") == "network"
    assert scope_of("filter", "layer") == "layer"


@pytest.mark.parametrize("grouping", [g for g in GROUPINGS if g != "depth"])
def test_a_network_that_does_not_run_says_why(grouping):
    network = nn.Sequential(nn.Flatten(), nn.Linear(783, 20), nn.ReLU(), nn.Linear(20, 10))
    with pytest.raises(Untraceable, match=r"the forward pass cannot be recorded: RuntimeError: .*783") as error:
        GROUPINGS[grouping](network, EXAMPLE)
    assert "\n" not in str(error.value)


def outputs_of(network):
    """What each module of the network gives, in evaluation mode."""
    seen = {}
    hooks = [m.register_forward_hook(lambda m, _, output: seen.update({m: output})) for m in network.modules()]
    with torch.no_grad():
        network.eval()(EXAMPLE)
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize("architecture", ["lenet5", "resnet20", "vgg16", "normed"])
def test_a_filter_at_zero_puts_out_exactly_zero(architecture):
    torch.manual_seed(0)
    network = normed() if architecture == "normed" else ARCHITECTURES[architecture](1, 28, 10)
    groups = GROUPINGS["filter"](network, EXAMPLE)
    groups.scale_([torch.arange(f.size) % 2 for f in groups])
    last = {layer.name: layer.norm or layer.module for layer in layers_of(network)}
    outputs = outputs_of(network)
    for family in groups:
        output = outputs[last[family.name]]
        assert output[:, ::2].eq(0).all(), family.name
        assert output[:, 1::2].ne(0).any(), family.name


def test_layers_come_in_the_order_they_run_in_with_the_batch_norm_behind_them():
    network = normed()
    found = layers_of(network)
    assert [layer.name for layer in found] == ["first", "second", "out"]
    assert [layer.norm for layer in found] == [network.norms[1], network.norms[0], None]
    families = GROUPINGS["filter"](network, EXAMPLE).families
    assert [len(f.members) for f in families] == [3, 3], "weight, scale and shift; there is no bias"


def test_a_batch_norm_elsewhere_belongs_to_no_layer():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 26 * 26, 10))
    assert [layer.norm for layer in layers_of(network)] == [None, None]


def test_a_layer_that_runs_twice_is_listed_once():
    shared = nn.Conv2d(1, 1, 3, padding=1)
    network = nn.Sequential(shared, nn.ReLU(), shared, nn.Flatten(), nn.Linear(784, 10))
    assert [layer.name for layer in layers_of(network)] == ["0", "4"]


def test_a_network_of_one_layer_has_nothing_to_divide():
    with pytest.raises(NothingToDivide, match="nothing to divide"):
        GROUPINGS["filter"](nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), EXAMPLE)
