"""The gate: the compact network computes what the masked one does, and is as small as counting by hand says."""

import copy

import pytest
import torch
from torch import nn

from runners.measurement import count_macs, count_parameters
from runners.networks.architectures import ARCHITECTURES
from runners.networks.compaction import deploy, realise
from runners.networks.comparison import ATOL, compare_outputs, difference
from runners.networks.graph.structure import structure_of
from runners.networks.groupings import GROUPINGS
from runners.networks.layout import channels_last
from tests.runners.networks.pairs import PAIRS
from tests.runners.user_networks import RESIDUAL

# where what is tested does not depend on the architecture
FEW = pytest.mark.parametrize(
    ("architecture", "grouping"), [(a, g) for a in ("lenet5", "resnet20", RESIDUAL) for g in GROUPINGS]
)
KEEPS = pytest.mark.parametrize("keep", [0.5, 0.1])


def convolutional(channels, size, classes):
    """Convolutions with batch norms in a state other than the initial one, and a linear layer behind a pooling."""
    network = nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 12, 3, stride=2),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(48, 20),
        nn.ReLU(),
        nn.Linear(20, classes),
    )
    return stirred(network)


def stirred(network):
    """The network, its batch norms in a state other than the initial one."""
    for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            nn.init.normal_(tensor)
        nn.init.uniform_(norm.running_var, 0.5, 2)
    return network


def residual(channels, size, classes):
    """ResNet-20 as it is after some training."""
    return stirred(ARCHITECTURES["resnet20"](channels, size, classes))


def counted(network, groups, masks, example):
    """Parameters of a chain of layers with these filters left, by hand: each reads what the one before it kept."""
    kept = {f.name: int(m.sum()) for f, m in zip(groups, masks, strict=True)}
    total, before, left = 0, None, None
    for layer in structure_of(network, example).layers:
        weight, outputs = layer.module.weight, kept.get(layer.name, layer.module.weight.shape[0])
        # a linear layer behind a convolution reads several values of each map
        inputs = weight.shape[1] if before is None else left * (weight.shape[1] // before)
        each = inputs * weight[0, 0].numel() + (layer.module.bias is not None) + 2 * (layer.norm is not None)
        total, before, left = total + outputs * each, weight.shape[0], outputs
    return total


@KEEPS
@pytest.mark.parametrize("scope", ["layer", "network"])
@pytest.mark.parametrize("architecture", ["lenet5", "lenet5_caffe", "mlp", "vgg16", convolutional, residual])
def test_filters_are_removed_and_the_network_computes_the_same(prune, architecture, scope, keep):
    network, groups, masks, example, realised = prune(architecture, "filter", keep, scope)
    assert realised.realisation in ("compact", "compact+masked")
    assert realised.network is not network
    assert compare_outputs(network, realised.network, example).ok
    assert count_parameters(realised.network) < count_parameters(network)
    if isinstance(network, nn.Sequential):
        assert realised.realisation == "compact"
        assert count_parameters(realised.network) == counted(network, groups, masks, example)


@PAIRS
def test_the_realised_network_computes_what_the_masked_one_does(prune_at, architecture, grouping):
    for network, _, _, example, realised in prune_at(architecture, grouping, (0.5, 0.1)):
        assert realised.realisation in ("compact", "masked", "compact+masked")
        assert compare_outputs(network, realised.network, example).ok
        with torch.no_grad():
            assert network(example).abs().max() > 10 * ATOL, "there is something to compare"
        if grouping in ("coupled", "depth", "neuron", "channel"):
            assert realised.realisation == "compact", "all that is masked is removed"
            assert count_parameters(realised.network) < count_parameters(network)
            assert count_macs(realised.network, example) < count_macs(network, example)


@FEW
def test_the_masked_network_is_left_as_it_is(prune, architecture, grouping):
    network, groups, masks, example, _ = prune(architecture, grouping)
    before, modules = copy.deepcopy(network.state_dict()), dict(network.named_modules())
    realise(network, groups, masks, grouping, example)
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[n], before[n]) for n in before)
    assert dict(network.named_modules()) == modules


@FEW
def test_keeping_all_changes_nothing(prune, architecture, grouping):
    network, _, masks, example, realised = prune(architecture, grouping, keep=1.0)
    assert all(m.all() for m in masks)
    assert realised.realisation == "compact"
    assert count_parameters(realised.network) == count_parameters(network)
    assert difference(network, realised.network, example) <= 1e-6


def steps(network, example, restore, n=2):
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    for _ in range(n):
        optimizer.zero_grad()
        network.train()(example).logsumexp(1).sum().backward()
        optimizer.step()
        restore()


@FEW
def test_zeros_stay_after_steps_of_an_optimiser(prune, architecture, grouping):
    *_, example, realised = prune(architecture, grouping)
    before = {n: p.clone() for n, p in realised.network.named_parameters()}
    steps(realised.network, example, realised.restore)
    for name, parameter in realised.network.named_parameters():
        assert not torch.equal(parameter, before[name]), "it was trained"
        if grouping in ("element", "kernel", "block", "n_of_m", "shape") and parameter.dim() > 1:
            assert torch.equal(parameter == 0, before[name] == 0), name


def test_without_restoring_the_zeros_would_not_stay(prune):
    *_, example, realised = prune("lenet5", "element")
    count = lambda: sum(int((p == 0).sum()) for p in realised.network.parameters())  # noqa: E731
    before = count()
    steps(realised.network, example, realised.restore)
    assert count() == before
    steps(realised.network, example, restore=lambda: None)
    assert count() < before


def test_a_compact_network_trains(prune):
    _, _, _, example, realised = prune(convolutional, "filter")
    assert all(p.grad is None or not p.grad.any() for p in realised.network.parameters())
    steps(realised.network, example, realised.restore)
    assert realised.network(example).isfinite().all()


def test_a_compact_network_is_laid_out_as_the_masked_one(prune):
    network, groups, masks, example, realised = prune("lenet5", "filter", keep=0.5)
    assert realised.network[3].weight.is_contiguous()
    last = realise(channels_last(network, example), groups, masks, "filter", example)
    assert last.network[3].weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(last.network(example), realised.network(example), atol=1e-5)


def pruned(removed, channels=3, size=32):
    """ResNet-20 with these filters of each layer at zero: (network, groups, masks, example, realised)."""
    torch.manual_seed(0)
    network, example = residual(channels, size, 10), torch.randn(4, channels, size, size)
    groups = GROUPINGS["filter"](network, example)
    masks = [torch.ones(f.size, dtype=torch.bool) for f in groups]
    for family, mask in zip(groups, masks, strict=True):
        mask[removed(family.name)] = False
    groups.scale_(masks)
    return network, groups, masks, example, realise(network, groups, masks, "filter", example)


def widths(network):
    return [m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d)]


STAGES = {"conv1": 1} | {f"layer{s}.{b}.conv2": s for s in (1, 2, 3) for b in (0, 1, 2)}  # what is added up


def test_filters_that_are_added_up_go_where_all_layers_of_the_sum_lack_them():
    # the shortcut puts 8 zero channels before the 16 of stage 1, then 16 before the 32 of stage 2
    gone = {1: [3, 5], 2: [0, 7, 8 + 3, 8 + 5, 31], 3: [0, 16 + 0, 16 + 8 + 3, 63]}
    network, _, _, example, realised = pruned(lambda name: gone[STAGES[name]] if name in STAGES else [1])
    assert realised.realisation == "compact"
    assert widths(realised.network) == [14, *[15, 14] * 3, *[31, 27] * 3, *[63, 60] * 3]
    assert compare_outputs(network, realised.network, example).ok


def test_a_filter_stays_where_one_layer_of_the_sum_or_the_shortcut_has_it():
    gone = {1: [3], 2: [0, 8 + 3, 8 + 4], 3: [1]}

    def removed(name):
        if name == "layer3.1.conv2":
            return [2]  # instead of 1, as the others
        return gone[STAGES[name]] if name in STAGES else []

    network, groups, masks, example, realised = pruned(removed)
    assert realised.realisation == "compact+masked"
    assert widths(realised.network) == [15, *[16, 15] * 3, *[32, 30] * 3, *[64, 64] * 3]
    assert compare_outputs(network, realised.network, example).ok
    held = GROUPINGS["filter"](realised.network, example)
    for family, before, mask in zip(held, groups, masks, strict=True):
        assert family.nonzero() == int(mask.sum()) == before.nonzero(), family.name


@KEEPS
def test_filters_that_stay_are_held_at_zero_with_their_batch_norm(prune, keep):
    _, _, masks, example, realised = prune(residual, "filter", keep)
    assert realised.realisation == "compact+masked"
    groups = GROUPINGS["filter"](realised.network, example)
    left = [int(m.sum()) for m in masks]
    assert groups.nonzero() == left
    assert sum(groups.sizes) > sum(left)
    steps(realised.network, example, realised.restore)
    assert groups.nonzero() == left
    assert realised.network.eval()(example).isfinite().all()
    steps(realised.network, example, restore=lambda: None)
    assert sum(groups.nonzero()) > sum(left), "without restoring they would not stay"


def test_the_kept_weights_fit_the_same_masks_on_another_network(prune):
    """What measuring once more does: the masks alone say what the compact network looks like."""
    _, _, masks, example, realised = prune(residual, "filter", 0.25, size=32, channels=3)
    torch.manual_seed(1)
    other = residual(3, 32, 10)
    again = realise(other, GROUPINGS["filter"](other, example), masks, "filter", example)
    again.network.load_state_dict(realised.network.state_dict())
    assert again.realisation == realised.realisation
    assert difference(again.network, realised.network, example) == 0


@pytest.mark.parametrize("architecture", ["resnet20", "vit_tiny", "mobilenet_v2", RESIDUAL])
@pytest.mark.parametrize("grouping", ["filter", "channel", "coupled", "depth"])
def test_a_compact_network_can_be_scripted(prune, architecture, grouping):
    *_, example, realised = prune(architecture, grouping, size=28)
    network = realised.network.eval()
    with torch.no_grad():
        torch.testing.assert_close(torch.jit.script(network)(example), network(example))


@pytest.mark.parametrize("round_to", [4, 8])
def test_widths_are_rounded_on_demand_and_what_is_spared_stays_zero(prune, round_to):
    network, _, _, example, realised = prune("lenet5_caffe", "filter", 0.33, round_to=round_to)
    hidden = [layer.module for layer in structure_of(realised.network, example).layers][:-1]
    assert all(len(m.weight) % round_to == 0 or len(m.weight) in (20, 50, 500) for m in hidden)
    assert realised.realisation == "compact+masked"
    assert compare_outputs(network, realised.network, example).ok
    steps(realised.network, example, realised.restore)
    alive = [int(m.weight.flatten(1).any(1).sum()) for m in hidden]
    assert alive == [7, 16, 165], "k of them, not more"


@pytest.mark.parametrize("grouping", ["filter", "channel", "shape", "coupled", "depth"])
@pytest.mark.parametrize("architecture", ["torchvision/resnext50_32x4d", "torchvision/mobilenet_v3_small"])
@pytest.mark.slow
def test_networks_of_torchvision_are_realised_too(prune, architecture, grouping):
    network, _, _, example, realised = prune(architecture, grouping, 0.3, channels=3, size=224)
    assert "compact" in realised.realisation
    assert compare_outputs(network, realised.network, example).ok
    assert count_macs(realised.network, example) < count_macs(network, example)


def test_a_network_that_does_not_run_keeps_its_zeros(prune):
    network, groups, masks, _, _ = prune("lenet5", "filter")
    realised = realise(network, groups, masks, "filter", torch.randn(2, 1, 20, 20))
    assert realised.realisation == "masked"
    assert realised.reason.startswith("the forward pass cannot be recorded: RuntimeError: ")
    assert not any(mask.any() for mask in realised.removed)


@pytest.mark.slow
@pytest.mark.parametrize("grouping", ["filter", "coupled"])
def test_channels_that_are_shuffled_are_removed_too(prune, grouping):
    network, _, _, example, realised = prune("torchvision/shufflenet_v2_x0_5", grouping, channels=3, size=224)
    assert "compact" in realised.realisation
    assert compare_outputs(network, realised.network, example).ok
    assert count_macs(realised.network, example) < count_macs(network, example)


def test_positions_alone_are_left_of_shapes(prune):
    network, _, _, example, realised = prune("lenet5_caffe", "shape", 0.25)
    deployed, word = deploy(realised.network, "shape", realised.realisation, example)
    assert word == "positions"
    assert compare_outputs(network, deployed, example).ok
    # the positions left times the filters, and the output layer
    assert count_parameters(deployed) == 6 * 20 + 125 * 50 + 200 * 500 + (20 + 50 + 500) + 5_010
    assert count_macs(deployed, example) == 6 * 20 * 24 * 24 + 125 * 50 * 8 * 8 + 200 * 500 + 5_000


def test_what_is_compact_is_deployed_as_it_is(prune):
    *_, example, realised = prune("lenet5", "filter")
    assert deploy(realised.network, "filter", realised.realisation, example) == (realised.network, "compact")


class Noisy(nn.Module):
    """Computes something else each time."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x):
        hidden = self.first(x.flatten(1)).relu()
        return self.second(hidden) + torch.rand(3)


def test_of_a_network_that_computes_something_else_each_time_nothing_is_removed():
    network, example = Noisy().eval(), torch.randn(2, 1, 2, 2)
    groups = GROUPINGS["filter"](network, example)
    masks = [torch.arange(family.size) % 2 == 0 for family in groups]
    groups.scale_(masks)
    realised = realise(network, groups, masks, "filter", example)
    assert realised.realisation == "masked"
    assert "computes something else" in realised.reason
