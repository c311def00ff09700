"""Norms over channels: a channel that is zero before and after one goes, and is counted all the same."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from runners.networks.compaction import realise
from runners.networks.export.deployed import load
from runners.networks.export.writing import NetworkPair, plan_with_origins, write
from runners.networks.graph.structure import structure_of
from runners.networks.groupings import GROUPINGS
from runners.networks.layers.group_norm import CountedGroupNorm
from runners.networks.layers.layer_norm import CountedLayerNorm
from runners.networks.layers.response_norm import CountedResponseNorm
from runners.vision import torchvision

assert torchvision, "timm imports it, and it has to be imported with care"
IMAGES = torch.randn(3, 3, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


class Net(nn.Module):
    """A layer of 12 channels, a norm with what is around it, and the output layer."""

    def __init__(self, middle, norm, **parts):
        super().__init__()
        self.first, self.last, self.norm, self.middle = nn.Conv2d(3, 12, 3), nn.Linear(12, 4), norm, middle
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.last(self.middle(self, self.first(x)).flatten(2).mean(2))


class Activated(nn.GroupNorm):
    """A group norm with modules of its own behind it, one of which has parameters."""

    def __init__(self, groups, width):
        super().__init__(groups, width)
        self.drop, self.act = nn.Dropout(0.5), nn.PReLU(width)

    def forward(self, x):
        return self.act(self.drop(super().forward(x)))


class Doubled(nn.GroupNorm):
    """A group norm that does more than a group norm."""

    def forward(self, x):
        return 2 * super().forward(x)


def plain(n, x):
    return n.hidden(n.norm(x).relu()).relu()


def residual(n, x):
    for norm, layer in ((n.norm, n.hidden), (n.second, n.other)):
        x = x + layer(norm(x).relu())
    return x


def vectors(n, x):
    return n.hidden(n.norm(x.mean((2, 3))).relu())[:, :, None]


def channels_last(n, x):
    return n.hidden(n.norm(F.gelu(x).permute(0, 2, 3, 1))).permute(0, 3, 1, 2)


def channels_first(n, x):
    return n.hidden(n.norm(F.gelu(x)))


def response_norm(channels_last):
    """One with weights; timm's are zero at first."""
    layers = pytest.importorskip("timm.layers.grn")
    norm = layers.GlobalResponseNorm(12, channels_last=channels_last)
    for parameter in norm.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    return norm


def conv():
    return nn.Conv2d(12, 12, 1)


NETWORKS = {
    "group norm": lambda: Net(plain, nn.GroupNorm(3, 12), hidden=conv()),
    "of one group": lambda: Net(plain, nn.GroupNorm(1, 12), hidden=conv()),
    "of single channels": lambda: Net(plain, nn.GroupNorm(12, 12), hidden=conv()),
    "of vectors": lambda: Net(vectors, nn.GroupNorm(3, 12), hidden=nn.Linear(12, 12)),
    "with an activation": lambda: Net(plain, Activated(3, 12), hidden=conv()),
    "before a sum": lambda: Net(residual, nn.GroupNorm(3, 12), second=nn.GroupNorm(4, 12), hidden=conv(), other=conv()),
    "response norm, channels last": lambda: Net(channels_last, response_norm(True), hidden=nn.Linear(12, 12)),
    "response norm, channels first": lambda: Net(channels_first, response_norm(False), hidden=conv()),
}
COUNTED = (CountedGroupNorm, CountedResponseNorm)


def pruned(network, choose, grouping="coupled"):
    """Prune a network by the norms of its groups that a function of their shape makes up; outputs are compared."""
    groups = GROUPINGS[grouping](network, IMAGES)
    masks = [choose(f.shape) for f in groups]
    groups.scale_(masks)
    found = realise(network, groups, masks, grouping, IMAGES)
    with torch.no_grad():
        torch.testing.assert_close(found.network(IMAGES), network(IMAGES), **CLOSE)
    assert (found.realisation, found.reason) == ("compact", None)
    return found.network, masks


def built(name):
    torch.manual_seed(0)
    network = NETWORKS[name]().double().eval()
    for parameter in network.parameters():
        parameter.data += 0.5 * torch.rand_like(parameter)  # no bias is zero by chance
    return network


def half(shape):
    return torch.randperm(shape[0]).view(shape) < shape[0] // 2


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_left_computes_what_the_whole_did(name, tmp_path):
    dense = built(name)
    network = copy.deepcopy(dense)
    compact, masks = pruned(network, half)
    assert compact.first.weight.shape[0] == 6
    assert isinstance(compact.norm, COUNTED)
    assert len(compact.norm.weight) == len(compact.norm.bias) == 6
    assert compact.state_dict().keys() == network.state_dict().keys()
    pair = NetworkPair(network, compact)
    write(pair, {"format": 1} | plan_with_origins(pair, masks, "coupled", IMAGES), tmp_path)
    loaded = load(tmp_path, dense)
    with torch.no_grad():
        assert torch.equal(loaded(IMAGES), compact(IMAGES))


@pytest.mark.parametrize("name", ["group norm", "with an activation", "before a sum"])
@pytest.mark.parametrize("left", [[4, 1, 2], [0, 4, 3], [0, 0, 1]])
def test_groups_need_not_be_left_equal(name, left):
    kept = torch.cat([torch.arange(4) < n for n in left])
    compact, _ = pruned(built(name), lambda shape: kept.view(shape))
    assert (compact.norm.left, compact.norm.count) == (left, 4)


@pytest.mark.parametrize("name", NETWORKS)
def test_filters_that_only_the_norm_reads_go_too(name):
    if name == "before a sum":
        pytest.skip("its filters are added up")
    compact, _ = pruned(built(name), half, "filter")
    assert len(compact.norm.weight) == compact.first.weight.shape[0] == 6


def test_shift_and_scale_of_a_norm_belong_to_its_channels():
    for name in ("group norm", "response norm, channels last"):
        network = built(name)
        norm = {id(network.norm.weight), id(network.norm.bias)}
        (family,) = [f for f in GROUPINGS["coupled"](network, IMAGES) if norm & {id(m.parameter) for m in f.parts}]
        assert {id(network.first.weight), id(network.first.bias)} | norm <= {id(m.parameter) for m in family.parts}


@pytest.mark.parametrize(
    "network",
    [
        lambda: Net(plain, nn.GroupNorm(3, 12, affine=False), hidden=conv()),  # not zero behind it
        lambda: Net(plain, Doubled(3, 12), hidden=conv()),
        lambda: Net(lambda n, x: n.hidden(F.group_norm(x, 3, *n.norm)), vector(2, 12), hidden=conv()),
        lambda: Net(lambda n, x: n.hidden(x / (1 + x.mean(1, keepdim=True))), None, hidden=conv()),
    ],
)
def test_what_cannot_be_counted_stays(network):
    groups = GROUPINGS["coupled"](found := network().double().eval(), IMAGES)
    members = {id(m.parameter) for f in groups for m in f.parts}
    assert id(found.first.weight) not in members
    assert id(found.hidden.weight) in members


def vector(*shape):
    return nn.Parameter(torch.rand(*shape))


def test_a_norm_that_reads_the_whole_is_as_it_was():
    network = built("group norm")
    compact, _ = pruned(network, lambda shape: torch.ones(shape, dtype=torch.bool))
    assert type(compact.norm) is nn.GroupNorm


def random_norm(left, count):
    """A group norm, its successor for the first channels of each group, and their places."""
    norm = nn.GroupNorm(len(left), len(left) * count).double()
    kept = torch.cat([torch.arange(count) < n for n in left])
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    counted = CountedGroupNorm(left, count, norm.eps, (True, True))
    counted.weight, counted.bias = (nn.Parameter(p.data[kept]) for p in (norm.weight, norm.bias))
    return norm, counted, kept


@pytest.mark.parametrize("left", [[2, 4], [0, 3], [1, 0], [4, 4]])
@pytest.mark.parametrize("pixels", [(), (5,), (2, 3), (2, 1, 3)])
def test_values_and_gradients_are_those_of_the_norm_of_all(left, pixels):
    torch.manual_seed(0)
    norm, counted, kept = random_norm(left, 4)
    own = 3 + torch.randn(2, sum(left), *pixels, dtype=torch.float64)  # a mean far from zero
    own.requires_grad_()
    weights = torch.randn(own.shape, dtype=torch.float64)
    whole = own.new_zeros(2, 8, *pixels).index_copy(1, kept.nonzero().flatten(), own)
    results = [norm(whole)[:, kept], counted(own)]
    torch.testing.assert_close(*results, **CLOSE)
    gradients = [torch.autograd.grad((r * weights).sum(), own)[0] for r in results]
    torch.testing.assert_close(*gradients, **CLOSE)


def layers():
    """A layer of each kind of this project, with an input."""
    group = CountedGroupNorm([3, 0, 2], 4, 1e-5, (True, True))
    group.add_module("act", nn.ReLU())
    image = torch.randn(2, 5, 4, 4)
    return {
        "group norm": (group, image),
        "group norm without parameters": (CountedGroupNorm([3, 0, 2], 4, 1e-5, (False, False)), image),
        "layer norm": (CountedLayerNorm(5, 8, 1, affine=(True, False)), image),
        "response norm": (CountedResponseNorm(5, 8, -1, (1, 2), 1e-6), image.permute(0, 2, 3, 1)),
    }


@pytest.mark.parametrize("name", layers())
def test_they_can_be_scripted_and_exported(name):
    layer, example = layers()[name]
    expected = layer.eval()(example)
    torch.testing.assert_close(torch.jit.script(layer)(example), expected)
    batch = ({0: torch.export.Dim("n", min=1)},)
    exported = torch.export.export(layer, (example,), dynamic_shapes=batch).module()
    torch.testing.assert_close(exported(example), expected)
    assert exported(example[:1]).shape[0] == 1


def test_what_is_smaller_is_read_again_without_harm():
    compact, _ = pruned(built("group norm"), half)
    assert int(structure_of(compact, IMAGES).free.sum()) > 0
    assert len(pruned(compact, half)[0].norm.weight) == 6, "what a successor counts is not removed a second time"
