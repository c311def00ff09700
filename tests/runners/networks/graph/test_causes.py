"""What code does between two layers, one small network for each: what can go goes, and what is left is the same."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, prune

from methods.groups import Budget
from runners.networks.compaction import realise
from runners.networks.compaction.proof import removable_channels
from runners.networks.comparison import compare_outputs
from runners.networks.graph.structure import structure_of
from runners.networks.groupings import GROUPINGS

IMAGES = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
BOTH = "first hidden"  # layers


class Net(nn.Module):
    """A layer, what a cause does behind it, and the output layer.

    goes: layers that `coupled` makes smaller. filtered: those that `filter` makes smaller, the same if it is None.
    stays: layers that both leave whole.
    """

    def __init__(self, middle, goes=BOTH, stays="", filtered=None, **parts):
        super().__init__()
        self.first, self.last = conv(3, 8, 3), nn.LazyLinear(4)
        self.goes, self.stays = goes.split(), stays.split()
        self.filtered = self.goes if filtered is None else filtered.split()
        self.middle = middle
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.last(self.middle(self, F.relu(self.first(x))).flatten(2).mean(2))


def conv(inputs, outputs, size=1, **options):
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, **options)


def hidden(n, x):
    return n.hidden(x).relu()


def apart(one, other):
    """Two parts of a tensor, to which different things are done."""
    return torch.cat([one.relu(), other], 1)


def fused_attention(n, x):
    x = x.flatten(2).transpose(1, 2)
    shape = (*x.shape[:2], 3, n.heads, n.head_dim)
    q, k, v = n.qkv(x).reshape(shape).permute(2, 0, 3, 1, 4).unbind(0)
    mixed = (q * n.head_dim**-0.5 @ k.transpose(-2, -1)).softmax(-1) @ v
    return n.proj(mixed.transpose(1, 2).flatten(2)).transpose(1, 2)


def torch_attention(n, x):
    x = x.flatten(2).transpose(1, 2)
    return (x + n.attention(x, x, x, need_weights=False)[0]).transpose(1, 2)


def slices(n, x):
    x = n.hidden(x)
    half = x.shape[1] // 2
    return apart(x[:, :half], x[:, half:])


def glu_by_hand(n, x):
    one, gate = n.hidden(x).chunk(2, 1)
    return one * gate.sigmoid()


def channel_shuffle(n, x):
    x = n.hidden(x)
    return n.grouped(x.unflatten(1, (2, x.shape[1] // 2)).transpose(1, 2).flatten(1, 2)).relu()


def linear_by_hand(n, x):
    return F.linear(x.permute(0, 2, 3, 1), n.hidden.weight, n.hidden.bias).permute(0, 3, 1, 2)


def excitation(n, x):
    return x * n.excite(n.squeeze(x.mean((2, 3), keepdim=True)).relu()).sigmoid()


def standardised(n, x):
    variance, mean = torch.var_mean(n.kernel.weight, (1, 2, 3), keepdim=True)
    return n.hidden(F.conv2d(x, (n.kernel.weight - mean) * (variance + 1e-3).rsqrt() * n.gain).relu())


def norm_of_last(n, x):
    return n.hidden(n.norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)


class LayerNorm2d(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Shared(Net):
    """Two layers with one weight."""

    def __init__(self, middle, goes, filtered=None):
        super().__init__(middle, goes, filtered=filtered, one=conv(8, 8), other=conv(8, 8), hidden=conv(8, 6))
        self.other.weight = self.one.weight


class Recurrent(Net):
    """An LSTM over the rows of an image, beside a convolution."""

    def forward(self, x):
        return self.last(torch.cat([self.first(x).relu().mean((2, 3)), self.rows(x[:, 0])[0][:, -1]], 1))


class Several(Net):
    """A mapping and a tuple as output, of two heads: one wide, one deep."""

    def forward(self, x):
        x = self.first(x).relu()
        deep = self.last(self.hidden(x).relu().mean((2, 3)))
        return {"deep": deep, "both": (self.wide(x.mean((2, 3))), deep.softmax(1))}


def frozen(layer):
    return layer.requires_grad_(False)


def normed(norm, **expected):
    return Net(lambda n, x: hidden(n, n.norm(x)), norm=norm, hidden=conv(8, 6), **expected)


def vector(*shape):
    return nn.Parameter(torch.rand(*shape))


NORMED = {"goes": "first norm hidden", "filtered": "hidden"}
WHOLE = {"goes": "hidden", "stays": "first"}  # what the first layer gives is read whole
COMPUTED = WHOLE | {"stays": "first kernel"}
NETWORKS = {
    "fused attention": lambda: Net(
        fused_attention, "first qkv proj", heads=4, head_dim=3, qkv=nn.Linear(8, 36), proj=nn.Linear(12, 6)
    ),
    "torch's attention": lambda: Net(
        torch_attention, "first attention", filtered="", attention=nn.MultiheadAttention(8, 4, batch_first=True)
    ),
    "chunk": lambda: Net(lambda n, x: apart(*n.hidden(x).chunk(2, 1)), hidden=conv(8, 16)),
    "split": lambda: Net(lambda n, x: apart(*n.hidden(x).split(n.sizes, 1)), hidden=conv(8, 16), sizes=[4, 12]),
    "unbind": lambda: Net(lambda n, x: apart(*n.hidden(x).unflatten(1, (2, -1)).unbind(1)), hidden=conv(8, 16)),
    "slice": lambda: Net(slices, hidden=conv(8, 16)),
    "slice of a width that is kept": lambda: Net(
        lambda n, x: apart((x := n.hidden(x))[:, : n.cut], x[:, n.cut :]), hidden=conv(8, 16), cut=4
    ),
    "slice from the end": lambda: Net(
        lambda n, x: apart((x := n.hidden(x))[:, : -n.cut], x[:, -n.cut :]), hidden=conv(8, 16), cut=6
    ),
    "glu": lambda: Net(lambda n, x: F.glu(n.hidden(x), 1), hidden=conv(8, 16)),
    "glu by hand": lambda: Net(glu_by_hand, hidden=conv(8, 16)),
    "pixel shuffle": lambda: Net(lambda n, x: F.pixel_shuffle(n.hidden(x), 2), hidden=conv(8, 16)),
    "channel shuffle": lambda: Net(
        channel_shuffle, "first hidden grouped", hidden=conv(8, 8), grouped=conv(8, 8, groups=2)
    ),
    "linear by hand": lambda: Net(linear_by_hand, hidden=nn.Linear(8, 6)),
    "tied side by side": lambda: Shared(lambda n, x: hidden(n, n.one(x).relu() * n.other(x).cos()), "first one hidden"),
    "tied in a row": lambda: Shared(lambda n, x: hidden(n, n.other(n.one(x).relu())), "first one hidden", "hidden"),
    "squeeze and excitation": lambda: Net(excitation, "first squeeze excite", squeeze=conv(8, 4), excite=conv(4, 8)),
    "layer scale": lambda: Net(
        lambda n, x: x + n.gamma * n.hidden(x), filtered="", gamma=vector(8, 1, 1), hidden=conv(8, 8)
    ),
    "shift": lambda: Net(lambda n, x: hidden(n, x + n.shift), shift=vector(8, 1, 1), hidden=conv(8, 6)),
    # channels that are zero are not zero behind these
    "shift of all": lambda: Net(lambda n, x: hidden(n, x + n.shift), shift=vector(1), hidden=conv(8, 6), **WHOLE),
    "constant shift": lambda: Net(lambda n, x: hidden(n, x + 1), hidden=conv(8, 6), **WHOLE),
    "sigmoid": lambda: Net(lambda n, x: hidden(n, x.sigmoid()), hidden=conv(8, 6), **WHOLE),
    "standardised weights": lambda: Net(
        standardised, kernel=conv(8, 6, bias=False), gain=vector(6, 1, 1, 1), hidden=conv(6, 6), **WHOLE
    ),
    "fixed width": lambda: Net(lambda n, x: hidden(n, x.reshape(len(x), 8, 4, 16)), hidden=conv(8, 6), **WHOLE),
    "grouped": lambda: Net(hidden, hidden=conv(8, 12, groups=2)),
    "depthwise": lambda: Net(hidden, hidden=conv(8, 16, groups=8)),
    "transposed": lambda: Net(hidden, hidden=nn.ConvTranspose2d(8, 6, 2, 2)),
    "one dimension": lambda: Net(lambda n, x: hidden(n, x.flatten(2)), hidden=nn.Conv1d(8, 6, 3)),
    "three dimensions": lambda: Net(lambda n, x: hidden(n, x[:, :, None]), hidden=nn.Conv3d(8, 6, (1, 3, 3))),
    "layer norm, channels last": lambda: Net(norm_of_last, norm=nn.LayerNorm(8), hidden=nn.Linear(8, 6), **NORMED),
    "layer norm, channels first": lambda: normed(LayerNorm2d(8), **NORMED),
    "group norm": lambda: normed(nn.GroupNorm(2, 8), **NORMED),
    "gate of one channel": lambda: Net(
        lambda n, x: hidden(n, x * torch.sigmoid(n.single(x.mean((2, 3))[:, None])[:, 0, :, None, None])),
        single=nn.Conv1d(1, 1, 3, padding=1),
        hidden=conv(8, 6),
        goes="hidden",
        stays="first single",
    ),
    "local response norm": lambda: normed(nn.LocalResponseNorm(3), **WHOLE),
    "weight norm": lambda: Net(
        lambda n, x: hidden(n, n.kernel(x)),
        kernel=parametrizations.weight_norm(conv(8, 6)),
        hidden=conv(6, 6),
        **COMPUTED,
    ),
    "weight norm by a hook": lambda: Net(
        lambda n, x: hidden(n, n.kernel(x)), kernel=nn.utils.weight_norm(conv(8, 6)), hidden=conv(6, 6), **COMPUTED
    ),
    "pruned by torch": lambda: Net(
        lambda n, x: hidden(n, n.kernel(x)),
        kernel=prune.l1_unstructured(conv(8, 6), "weight", 0.3),
        hidden=conv(6, 6),
        goes="first kernel hidden",
        filtered="first hidden",  # what is computed from parameters belongs to no layer
    ),
    "LSTM": lambda: Recurrent(None, "first", "rows", rows=nn.LSTM(8, 5, batch_first=True)),
    "several outputs": lambda: Several(None, BOTH, "last.bias wide.bias", hidden=conv(8, 6), wide=nn.Linear(8, 3)),
    "unused": lambda: Net(lambda n, x: x, "first", "unused", unused=conv(8, 8)),
    "frozen": lambda: Net(hidden, hidden=frozen(conv(8, 6))),
}


def pruned(name, grouping):
    """Return a network, its masks for random groups, and what is left of it; outputs are compared."""
    torch.manual_seed(0)
    network = NETWORKS[name]().eval()
    with torch.no_grad():
        network(IMAGES)
    groups = GROUPINGS[grouping](network, IMAGES)
    masks = Budget.of(groups, 0.5).select([torch.rand(f.shape) for f in groups])
    groups.scale_(masks)
    realised = realise(network, groups, masks, grouping, IMAGES)
    assert compare_outputs(network, realised.network, IMAGES).ok
    return network, masks, realised


def smaller(network, compact, names):
    """Those of these layers with parameters that are smaller."""
    after = dict(compact.named_parameters())
    gone = [n for n, p in network.named_parameters() if n not in after or after[n].shape != p.shape]
    return [name for name in names if any(n.startswith(name) for n in gone)]


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_coupled_goes_and_the_rest_stays(name):
    network, masks, realised = pruned(name, "coupled")
    assert smaller(network, realised.network, network.goes) == network.goes
    assert smaller(network, realised.network, network.stays) == []
    assert (realised.realisation, realised.reason) == ("compact", None)
    assert all(torch.equal(removed, ~mask) for removed, mask in zip(realised.removed, masks, strict=True))


@pytest.mark.parametrize("name", NETWORKS)
def test_filters_go_where_nothing_is_added_to_them(name):
    network, _, realised = pruned(name, "filter")
    assert smaller(network, realised.network, network.filtered) == network.filtered
    assert smaller(network, realised.network, network.stays) == []


@pytest.mark.parametrize("name", [n for n in NETWORKS if n != "fixed width"])
def test_the_rules_alone_know_what_can_go(name):
    network = NETWORKS[name]().eval()
    with torch.no_grad():
        network(IMAGES)
    assert torch.equal(structure_of(network, IMAGES).divisible, removable_channels(network, IMAGES))


@pytest.mark.parametrize("grouping", ["coupled", "filter"])
def test_what_is_shared_or_frozen_is_so_in_the_compact_network(grouping):
    shared = pruned("tied side by side", grouping)[2].network
    assert shared.one.weight is shared.other.weight
    compact = pruned("frozen", grouping)[2].network
    assert {n.split(".")[0] for n, p in compact.named_parameters() if p.requires_grad} == {"first", "last"}


def test_why_zeros_stay_is_said():
    reason = pruned("fixed width", "filter")[2].reason
    assert reason == "a smaller network computes something else without first.weight"
