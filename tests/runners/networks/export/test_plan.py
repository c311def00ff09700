"""A plan turns a dense network into any compact one that it was compared with, or says that it cannot."""

import copy
import json

import pytest
import torch
from torch import nn

from results.errors import InputError
from runners.networks.architectures import ARCHITECTURES
from runners.networks.compaction import realise
from runners.networks.export import plan
from runners.networks.export.plan import ModuleKind, apply_plan, compare
from runners.networks.groupings import GROUPINGS


def network():
    """A network of three residual blocks, in two stages."""
    torch.manual_seed(0)
    return ARCHITECTURES["resnet20"](1, 8, 10).eval()


def assert_carried_out(dense, compact, images):
    """The plan, through JSON, gives the compact network; return the plan."""
    found = json.loads(json.dumps(compare(dense, compact)))
    again = apply_plan(found, copy.deepcopy(dense))
    again.load_state_dict(copy.deepcopy(compact.state_dict()))
    with torch.no_grad():
        assert torch.equal(again.eval()(images), compact.eval()(images))
    assert compare(again, compact) == {"modules": {}, "tensors": {}}
    return found


@pytest.fixture
def images():
    return torch.randn(2, 1, 8, 8)


def test_the_same_network_needs_no_plan(images):
    assert assert_carried_out(network(), network(), images) == {"modules": {}, "tensors": {}}


def test_a_branch_that_is_gone_leaves_its_shortcut(images):
    compact = network()
    compact.layer1[1] = nn.Identity()
    compact.layer2[0] = compact.layer2[0].shortcut
    found = assert_carried_out(network(), compact, images)
    assert found["modules"]["layer1.1"] == {"kind": "identity", "as": {}}
    assert found["modules"]["layer2.0"]["kind"] == "shortcut"
    assert found["tensors"] == {}, "what is gone with its module is not told again"


def test_a_block_that_is_gone(images):
    compact = network()
    del compact.layer3[1]
    assert assert_carried_out(network(), compact, images)["modules"] == {"layer3": {"children": ["0", "1"]}}
    compact = network()
    compact.layer3 = nn.Sequential(*[b for i, b in enumerate(compact.layer3) if i != 1])
    assert_carried_out(network(), compact, images)


def test_a_module_and_a_parameter_that_become_none(images):
    class Optional(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.layer = nn.BatchNorm2d(1), nn.Conv2d(1, 2, 3)

        def forward(self, x):
            return self.layer(x if self.norm is None else self.norm(x))

    compact = Optional()
    compact.norm = None
    compact.layer.bias = None
    found = assert_carried_out(Optional(), compact, images)
    assert found == {"modules": {"norm": None}, "tensors": {"layer.bias": None}}


def test_plain_attributes_of_any_module_are_set_as_they_were(images):
    class Heads(nn.Module):
        def __init__(self, heads):
            super().__init__()
            self.heads, self.sizes, self.kinds = heads, (heads, 2), [heads]
            self.layer = nn.Linear(8, 2 * heads)

        def forward(self, x):
            assert isinstance(self.sizes, tuple)
            assert isinstance(self.kinds, list)
            return self.layer(x).unflatten(-1, self.sizes)

    found = assert_carried_out(Heads(4), Heads(3), images)
    assert found["modules"][""] == {"set": {"heads": 3, "sizes": [3, 2], "kinds": [3]}}


class SelectedInputs(nn.Module):
    """A layer that reads some of the channels: what a compaction may put in the place of a layer."""

    def __init__(self, index, layer):
        super().__init__()
        self.layer = layer
        self.register_buffer("index", index, persistent=False)

    def forward(self, x):
        return self.layer(x.index_select(1, self.index))


def gathered(images):
    """A network and its like with one layer that reads three channels."""
    dense, compact = network(), network()
    layer = nn.Conv2d(3, 16, 3, padding=1, bias=False)
    compact.layer1[0].conv2 = SelectedInputs(torch.tensor([1, 4, 5]), layer)
    return dense, compact


def test_a_module_of_another_class_is_built_by_its_kind(images, monkeypatch):
    kind = ModuleKind(
        SelectedInputs,
        lambda m: {"index": m.index.tolist()},
        lambda d, dense: SelectedInputs(torch.tensor(d["index"]), dense),
    )
    monkeypatch.setitem(plan.KINDS, "gathered", kind)
    found = assert_carried_out(*gathered(images), images)
    assert found["modules"] == {
        "layer1.0.conv2": {"kind": "gathered", "as": {"index": [1, 4, 5]}},
        "layer1.0.conv2.layer": {"set": {"in_channels": 3}},
    }
    assert found["tensors"] == {"layer1.0.conv2.layer.weight": {"shape": [16, 3, 3, 3]}}
    monkeypatch.delitem(plan.KINDS, "gathered")
    with pytest.raises(InputError, match="module kind gathered is not known to this version"):
        apply_plan(found, network())


class Transformer(nn.Module):
    """A layer norm, and the attention of torch."""

    def __init__(self, bias):
        super().__init__()
        self.patches, self.last = nn.Conv2d(1, 12, 4, 4), nn.Linear(12, 3)
        self.norm = nn.LayerNorm(12, eps=1e-3, bias=bias)
        self.attention = nn.MultiheadAttention(12, 4, batch_first=True, bias=bias)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        y = self.norm(x)
        return self.last((x + self.attention(y, y, y, need_weights=False)[0]).mean(1))


@pytest.mark.parametrize("bias", [True, False])
def test_norms_that_count_what_is_gone_and_attention_with_fewer_heads(images, bias):
    torch.manual_seed(0)
    dense = Transformer(bias).eval()
    groups = GROUPINGS["coupled"](dense, images)
    masks = [torch.arange(f.size) % 2 == 0 for f in groups]
    groups.scale_(masks)
    compact = realise(dense, groups, masks, "coupled", images).network
    found = assert_carried_out(dense, compact, images)
    kinds = {name: entry["kind"] for name, entry in found["modules"].items() if "kind" in entry}
    assert kinds == {"norm": "counted_norm", "attention": "fewer_heads"}
    shapes = {name: found["tensors"][name]["shape"] for name in ("norm.weight", "attention.in_proj.weight")}
    assert shapes == {"norm.weight": [6], "attention.in_proj.weight": [18, 6]}


def test_a_module_without_a_kind_is_refused(images):
    with pytest.raises(InputError, match=r"layer1\.0\.conv2, a SelectedInputs, has no kind in networks/export/plan.py"):
        compare(*gathered(images))


def test_a_new_module_without_a_kind_is_refused():
    compact = network()
    compact.layer1.append(nn.ReLU())
    with pytest.raises(InputError, match=r"layer1\.3, a ReLU, has no kind"):
        compare(network(), compact)


def test_values_that_are_in_no_state_dict_are_refused():
    dense, compact = (SelectedInputs(torch.tensor(i), nn.Conv2d(1, 1, 1)) for i in ([0], [1]))
    with pytest.raises(InputError, match=r"needs a kind in networks/export/plan.py: its index is in no state dict"):
        compare(dense, compact)


def test_what_is_compared_stays_as_it_is():
    dense, compact = network(), network()
    compact.layer1[1] = nn.Identity()
    names = [list(n.state_dict()) for n in (dense, compact)]
    compare(dense, compact)
    assert [list(n.state_dict()) for n in (dense, compact)] == names
