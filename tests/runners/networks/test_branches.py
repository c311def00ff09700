"""Residual branches: which they are, and what a network computes without some of them."""

import pytest
import torch
from torch import nn

from results.errors import Untraceable
from runners.networks.architectures import ARCHITECTURES
from runners.networks.graph.branches import branches, without_branches
from tests.runners.user_networks import RESIDUAL


def images(size=28):
    return torch.randn(2, 1, size, size, generator=torch.Generator().manual_seed(0))


def built(name):
    torch.manual_seed(0)
    return ARCHITECTURES[name](1, 28, 10).eval()


@pytest.mark.parametrize(
    ("name", "number"), [(RESIDUAL, 3), ("resnet20", 9), ("resnet18", 8), ("vit_tiny", 24), ("vgg16", 0), ("mlp", 0)]
)
def test_every_residual_sum_has_one(name, number):
    network = built(name)
    found = branches(network)
    assert len(found) == number
    owners = [id(p) for branch in found for p in branch.parameters(network)]
    assert len(owners) == len(set(owners)), "no parameter is in two of them"


def test_a_branch_is_what_the_shortcut_passes_by():
    network = built("resnet20_b")
    first = next(b for b in branches(network) if b.name == "layer2.0.conv2")
    assert first.modules == ("layer2.0.conv1", "layer2.0.bn1", "layer2.0.conv2", "layer2.0.bn2")
    assert [p.dim() for p in first.parameters(network)] == [4, 4, 1, 1, 1, 1], "weights come first"


@pytest.mark.parametrize("name", [RESIDUAL, "resnet20", "resnet20_b", "vit_tiny", "mobilenet_v2"])
@pytest.mark.parametrize("every", [1, 2, 3])
@torch.no_grad()
def test_without_idle_branches_the_network_computes_the_same(name, every):
    network = built(name)
    idle = branches(network)[::every]
    for branch in idle:
        for parameter in branch.parameters(network):
            parameter.zero_()
    less = without_branches(network, [b.name for b in idle])
    torch.testing.assert_close(less(images()), network(images()), atol=1e-5, rtol=1e-5)
    gone = sum(p.numel() for b in idle for p in b.parameters(network))
    assert sum(p.numel() for p in less.parameters()) == sum(p.numel() for p in network.parameters()) - gone
    assert set(less.state_dict()) < set(network.state_dict()), "what is left keeps its name"


def test_the_network_itself_stays_as_it_is():
    network = built("resnet20")
    before = {n: v.clone() for n, v in network.state_dict().items()}
    without_branches(network.train(), ["layer1.0.conv2"])
    assert network.training
    assert all(torch.equal(v, before[n]) for n, v in network.state_dict().items())


def test_the_smaller_network_trains_and_can_be_scripted():
    less = without_branches(built(RESIDUAL).train(), ["1.conv"])
    less(images()).sum().backward()
    assert all(p.grad is not None for p in less.parameters())
    assert torch.equal(torch.jit.script(less.eval())(images()), less(images()))


def test_an_unknown_branch_is_named():
    with pytest.raises(ValueError, match=r"no such branch: 9\.conv; there are 1\.conv, 2\.conv, 3\.conv"):
        without_branches(built(RESIDUAL), ["9.conv"])


class Moody(nn.Module):
    """Its forward pass depends on values, which torch.fx cannot follow."""

    def forward(self, x):
        return x if x.sum() > 0 else -x


def test_a_network_that_cannot_be_traced_is_untraceable():
    with pytest.raises(Untraceable, match=r"torch\.fx cannot trace this network: "):
        branches(Moody())
