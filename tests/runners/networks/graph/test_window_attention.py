"""Swin transformers of torchvision: heads, and the stream that all blocks add to, can go; what is left is the same."""

import copy
import json

import pytest
import torch
from torch import nn

from methods.groups import Budget
from runners.networks.compaction import realise
from runners.networks.comparison import compare_outputs
from runners.networks.export.plan import apply_plan, compare
from runners.networks.graph.branches import branches
from runners.networks.graph.structure import structure_of
from runners.networks.groupings import GROUPINGS
from runners.networks.layers import Change, resize
from runners.networks.layers.window_attention import CosineWindowAttention, ScaledWindowAttention, WindowAttention
from runners.vision import torchvision

swin = torchvision.models.swin_transformer
IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
ATTENTION = {1: swin.ShiftedWindowAttention, 2: swin.ShiftedWindowAttentionV2}
OURS = {1: ScaledWindowAttention, 2: CosineWindowAttention}
BLOCKS = {
    1: {},
    2: {"block": swin.SwinTransformerBlockV2, "downsample_layer": swin.PatchMergingV2},
}
VERSIONS = pytest.mark.parametrize("version", [1, 2])
PRUNED = pytest.mark.parametrize("version", [1, 2])
BLOCK = "features.1.1"  # its windows are shifted


@torch.no_grad()
def random_(network):
    """Give all parameters values that are not zero, nor equal."""
    torch.manual_seed(1)
    for parameter in network.parameters():
        parameter.add_(torch.randn(parameter.shape) * 0.2)
    return network.eval()


def network(version, **options):
    """A swin transformer of two stages, with 2 and 4 heads."""
    built = swin.SwinTransformer([4, 4], 12, [2, 2], [2, 4], [4, 4], num_classes=5, **BLOCKS[version], **options)
    return random_(built)


def pruned(version, grouping, keep=0.5, dense=None):
    """Return a network with zeros in place, and what is left of it; outputs are compared."""
    dense = network(version) if dense is None else dense
    torch.manual_seed(2)
    groups = GROUPINGS[grouping](dense, IMAGES)
    masks = Budget.of(groups, keep).select([torch.rand(f.shape) for f in groups])
    groups.scale_(masks)
    realised = realise(dense, groups, masks, grouping, IMAGES)
    assert compare_outputs(dense, realised.network, IMAGES).ok
    assert realised.reason is None
    return dense, realised


def shapes(compact):
    return {n: tuple(p.shape) for n, p in compact.named_parameters() if n.startswith((BLOCK, "features.2"))}


@VERSIONS
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shift", [[0, 0], [2, 2], [1, 0]], ids=str)
@pytest.mark.parametrize("size", [(8, 8), (7, 10), (3, 9), (4, 4)], ids=str)
def test_it_computes_what_torchvisions_computes(version, bias, shift, size):
    layer = random_(ATTENTION[version](12, [4, 4], shift, 2, qkv_bias=bias))
    ours, images = resize(layer, Change()), torch.randn(2, *size, 12)
    assert type(ours) is OURS[version]
    assert set(ours.state_dict()) == set(layer.state_dict())
    with torch.no_grad():
        assert torch.allclose(layer(images), ours(images), atol=1e-5)


@PRUNED
def test_half_of_the_heads_and_of_the_stream_go(version):
    _, realised = pruned(version, "coupled")
    found = shapes(realised.network)
    assert realised.realisation == "compact"
    assert found[f"{BLOCK}.attn.qkv.weight"] == (18, 6)
    assert found[f"{BLOCK}.attn.proj.weight"] == (6, 6)
    assert found[f"{BLOCK}.norm1.weight"] == (6,)
    assert found["features.2.reduction.weight"] == (12, 24)
    bias = {1: {"relative_position_bias_table": (49, 1)}, 2: {"logit_scale": (1, 1, 1), "cpb_mlp.2.weight": (1, 512)}}
    assert all(found[f"{BLOCK}.attn.{name}"] == shape for name, shape in bias[version].items())


@PRUNED
def test_heads_go_where_the_stream_stays(version):
    found = shapes(pruned(version, "filter")[1].network)
    assert found[f"{BLOCK}.attn.qkv.weight"] == (18, 12)
    assert found[f"{BLOCK}.attn.proj.weight"] == (12, 6)
    assert found[f"{BLOCK}.norm1.weight"] == (12,)


@PRUNED
def test_what_is_left_is_exact_where_rounding_is_little(version):
    dense = network(version).double()
    torch.manual_seed(2)
    groups = GROUPINGS["coupled"](dense, IMAGES.double())
    masks = Budget.of(groups, 0.5).select([torch.rand(f.shape) for f in groups])
    groups.scale_(masks)
    compact = realise(dense, groups, masks, "coupled", IMAGES.double()).network
    with torch.no_grad():
        assert torch.allclose(dense(IMAGES.double()), compact(IMAGES.double()), rtol=0, atol=1e-12)


@PRUNED
def test_what_is_left_has_heads_that_can_go(version):
    less = pruned(version, "coupled")[1].network
    again = pruned(version, "coupled", dense=less)[1].network
    assert [len(n.features[3][1].attn.qkv.weight) for n in (less, again)] == [36, 18]


def test_dropout_and_training_are_kept():
    compact = pruned(1, "coupled", dense=network(1, dropout=0.1, attention_dropout=0.2))[1].network
    attention = [m for m in compact.modules() if isinstance(m, WindowAttention)]
    assert [(m.attention_dropout.p, m.output_dropout.p) for m in attention] == [(0.2, 0.1)] * 4
    assert not any(m.training for m in attention)
    first, second = compact.train()(IMAGES), compact(IMAGES)
    assert not torch.equal(first, second)


@PRUNED
def test_a_plan_describes_it(version):
    dense, realised = pruned(version, "coupled")
    plan = json.loads(json.dumps(compare(dense, realised.network)))
    assert plan["modules"][f"{BLOCK}.attn"] == {"kind": "window_attention", "as": {"head_dim": 6}}
    again = apply_plan(plan, network(version))
    again.load_state_dict(copy.deepcopy(realised.network.state_dict()))
    assert compare(again, realised.network) == {"modules": {}, "tensors": {}}
    with torch.no_grad():
        assert torch.equal(again.eval()(IMAGES), realised.network(IMAGES))


@VERSIONS
def test_torch_can_export_script_and_trace_it(version):
    layer = resize(random_(ATTENTION[version](12, [4, 4], [2, 2], 2)), Change())
    images = torch.randn(2, 7, 10, 12)
    with torch.no_grad():
        expected = layer(images)
        exported = torch.export.export(layer, (images,), dynamic_shapes=({0: torch.export.Dim("n")},)).module()
        assert torch.allclose(exported(images[:1]), layer(images[:1]), atol=1e-6)
        assert torch.allclose(torch.jit.script(layer)(images), expected, atol=1e-6)
        assert torch.allclose(torch.fx.symbolic_trace(layer)(images), expected, atol=1e-6)


def test_branches_are_found_around_it():
    assert branches(pruned(1, "filter")[1].network)


class Written(nn.Module):
    """Layers, the second with a part of its output overwritten, by what `write` does."""

    def __init__(self, write):
        super().__init__()
        self.first, self.hidden, self.last = nn.Linear(32, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.write = write

    def forward(self, x):
        x = self.first(x.mean((1, 2))).relu()
        return self.last(self.write(self.hidden(x)))


def in_place(x):
    """Overwrite a slice of a slice."""
    x = x.clone()
    x[:, 1:][:, 3:].zero_()
    return x


def through_a_view(x):
    """Overwrite all by a view of it, which nothing follows, then a slice."""
    x = x.clone()
    x.view(-1).add_(1)
    x[:, :4].zero_()
    return x


WRITES = {
    "in place": in_place,
    "with a part of another": lambda x: torch.slice_scatter(x, x[:, :4].cos() * x[:, 4:], 1, 0, 4),
    "with zeros": lambda x: x + torch.zeros_like(x),
}


@pytest.mark.parametrize("name", WRITES)
def test_channels_go_where_tensors_are_written_in_parts(name):
    dense = random_(Written(WRITES[name]))
    compact = pruned(1, "coupled", dense=dense)[1].network
    assert compact.hidden.weight.shape[1] == 4


@pytest.mark.parametrize("write", [lambda x: x + torch.ones_like(x), through_a_view], ids=["ones", "a view"])
def test_what_is_not_zero_or_not_known_stays(write):
    dense = random_(Written(write))
    structure = structure_of(dense, IMAGES)
    labels = structure.labels.ranges["hidden.weight", 0].labels
    assert not bool(structure.divisible[structure.channels.all[labels]].any())
