"""What can go, and how it is taken out: by hand on networks small enough to see it."""

import copy

import pytest
import torch
from torch import nn

from runners.measurement import count_parameters
from runners.networks.compaction.removal import removable
from runners.networks.compaction.selection import select_inputs, unread_maps
from runners.networks.compaction.surgery import remove
from runners.networks.comparison import difference
from runners.networks.graph.structure import structure_of
from runners.networks.layers.channel_selection import ChannelSelection

IMAGES = torch.randn(3, 1, 12, 12, generator=torch.Generator().manual_seed(0))


def chain(*middle):
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 8, 3), *middle, nn.ReLU(), nn.Conv2d(8, 6, 3), nn.Flatten(), nn.Linear(6 * 64, 4)]
    return nn.Sequential(*layers).eval()


def marks_of(network):
    """Ones for all parameters, zeros where the network has exact zeros."""
    marks = copy.deepcopy(network)
    with torch.no_grad():
        for p in marks.parameters():
            p.copy_((p != 0).float())
    return marks


def shrunk(network, **options):
    structure = structure_of(network, IMAGES)
    zeros = {n: p == 0 for n, p in network.named_parameters()}
    return remove(copy.deepcopy(network), structure, removable(structure, zeros, **options))


def silence(layer, *channels):
    with torch.no_grad():
        for p in layer.parameters():
            p[list(channels)] = 0


def test_a_silent_filter_goes_with_the_maps_that_are_read_from_it():
    network = chain()
    silence(network[0], 1, 5)
    smaller = shrunk(network)
    assert (smaller[0].out_channels, smaller[2].in_channels) == (6, 6)
    assert difference(network, smaller, IMAGES) <= 1e-6


def test_a_filter_that_nobody_reads_goes_though_it_is_not_silent():
    network = chain(nn.BatchNorm2d(8))
    with torch.no_grad():
        network[3].weight[:, [0, 7]] = 0
    smaller = shrunk(network)
    assert smaller[0].out_channels == smaller[1].num_features == smaller[3].in_channels == 6
    assert difference(network, smaller, IMAGES) <= 1e-6


def test_what_is_flattened_goes_with_all_its_pixels():
    network = chain()
    silence(network[2], 0, 3)
    smaller = shrunk(network)
    assert smaller[4].in_features == 4 * 64
    assert difference(network, smaller, IMAGES) <= 1e-6


def test_a_norm_that_shifts_a_silent_filter_keeps_it():
    network = chain(nn.BatchNorm2d(8, affine=False))
    network[1].running_mean.fill_(0.3)
    silence(network[0], 2)
    assert count_parameters(shrunk(network)) == count_parameters(network)


def test_one_channel_is_left_in_any_case():
    network = chain()
    silence(network[0], *range(8))
    smaller = shrunk(network)
    assert smaller[0].out_channels == 1
    assert difference(network, smaller, IMAGES) <= 1e-6


@pytest.mark.parametrize(("round_to", "width"), [(1, 5), (2, 6), (4, 8), (3, 6), (16, 8)])
def test_widths_are_rounded_up(round_to, width):
    network = chain()
    silence(network[0], 0, 3, 4)
    smaller = shrunk(network, round_to=round_to)
    assert smaller[0].out_channels == width
    assert difference(network, smaller, IMAGES) <= 1e-6


def test_a_place_of_a_grouped_convolution_goes_where_all_groups_lack_it():
    network = chain(nn.Conv2d(8, 8, 3, padding=1, groups=2))
    silence(network[0], 1, 5, 2)  # input 1 of both groups, and input 2 of one
    silence(network[1], 0, 4, 3)
    smaller = shrunk(network)
    assert (smaller[1].groups, smaller[1].in_channels, smaller[1].out_channels) == (2, 6, 6)
    assert (smaller[0].out_channels, smaller[3].in_channels) == (6, 6)
    assert difference(network, smaller, IMAGES) <= 1e-6


def test_one_slope_for_all_channels_stays():
    network = chain(nn.PReLU())
    silence(network[0], 2, 3)
    smaller = shrunk(network)
    assert (smaller[0].out_channels, smaller[1].num_parameters) == (6, 1)
    assert difference(network, smaller, IMAGES) <= 1e-6


def test_a_slope_of_every_channel_goes_with_it():
    network = chain(nn.PReLU(8))
    silence(network[0], 2, 3)
    smaller = shrunk(network)
    assert smaller[1].num_parameters == len(smaller[1].weight) == 6
    assert difference(network, smaller, IMAGES) <= 1e-6


def test_a_layer_reads_the_maps_that_it_needs():
    network = chain()
    with torch.no_grad():
        network[2].weight[:, [1, 2]] = 0
    read = unread_maps(marks_of(network))
    assert {n: i.tolist() for n, i in read.items()} == {"2": [0, 3, 4, 5, 6, 7]}
    smaller = copy.deepcopy(network)
    select_inputs(smaller, read)
    assert isinstance(smaller[2], ChannelSelection)
    assert smaller[2].layer.in_channels == 6
    assert difference(network, smaller, IMAGES) <= 1e-6


def test_nothing_to_remove_leaves_the_network_as_it_is():
    network = chain()
    structure = structure_of(network, IMAGES)
    assert not removable(structure, {}).any()
    assert remove(network, structure, removable(structure, {})) is network
    assert [tuple(p.shape) for p in network.parameters()] == [tuple(p.shape) for p in chain().parameters()]
