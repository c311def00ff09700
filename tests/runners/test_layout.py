"""Channels last is for speed alone: no network breaks by it, and nothing else changes."""

import pytest
import torch
from torch import nn

from runners.networks.architectures import ARCHITECTURES
from runners.networks.layout import channels_last
from tests.runners import user_networks as users

LAST = {"memory_format": torch.channels_last}


def trains(network, example):
    network.train()(example).square().sum().backward()


@pytest.mark.parametrize("name", ["lenet5", "vit_tiny", "resnet20"])
def test_weights_are_channels_last_where_the_network_works_with_it(name):
    network, example = ARCHITECTURES[name](3, 32, 10), torch.randn(4, 3, 32, 32)
    assert channels_last(network, example) is network
    assert all(p.is_contiguous(**LAST) for p in network.parameters() if p.dim() == 4)
    trains(network, example)


@pytest.mark.parametrize("build", [users.view, users.view_of_gradient])
def test_a_network_that_needs_contiguous_maps_keeps_them(build):
    network, example = build(1, 28, 10), torch.randn(4, 1, 28, 28)
    channels_last(network, example)
    assert all(p.is_contiguous() for p in network.parameters())
    trains(network, example)
    network.to(**LAST)
    with pytest.raises(RuntimeError, match="view"):
        trains(network, example)


def test_weights_of_five_dimensions_stay():
    network, example = users.solid(1, 28, 10), torch.randn(4, 1, 28, 28)
    channels_last(network, example)
    assert network[3].weight.is_contiguous(**LAST)
    assert network[1].weight.is_contiguous()
    trains(network, example)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_nothing_but_the_layout_changes(n):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.Linear(144, 2)).eval()
    before, state = {k: v.clone() for k, v in network.state_dict().items()}, torch.get_rng_state()
    parameters = list(network.parameters())
    with torch.no_grad():
        channels_last(network, torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))[:n])
    assert network[0].weight.is_contiguous(**LAST), "a single image suffices"
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert not network.training
    assert [(id(p), p.grad) for p in network.parameters()] == [(id(p), None) for p in parameters]


def test_without_convolutions_nothing_is_tried():
    network = nn.Linear(3, 2)
    network.register_forward_hook(lambda *_: pytest.fail("a pass for nothing"))
    assert channels_last(network, torch.randn(2, 3)) is network


def test_a_network_that_cannot_be_trained_at_all_stays_contiguous():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(99, 2))
    assert channels_last(network, torch.randn(2, 3, 8, 8))[0].weight.is_contiguous()


def test_a_frozen_network_has_no_gradient_to_try():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()).requires_grad_(False)
    assert channels_last(network, torch.randn(2, 3, 8, 8))[0].weight.is_contiguous(**LAST)
