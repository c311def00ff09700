"""A whole network: replaced, counted, saved, built again, traced, exported, and made dense again."""

import copy
import io
import json

import pytest
import torch
from torch import nn

from runners.measurement import count_macs, count_parameters, file_megabytes, peak_megabytes
from runners.networks.sparse import SparseConv2d, SparseLinear, build, densified, deploy, describe, plan, rebuild

PAIRS = pytest.mark.parametrize(
    ("grouping", "kind"),
    [("shape", "positions"), ("kernel", "csr"), ("block", "bsr"), ("block", "csr"), ("element", "csr")],
)


@torch.no_grad()
def off(found, expected):
    return float((found - expected).abs().max())


def test_what_is_fastest_is_put_in_and_the_word_says_so(pruned_network):
    network, names, example = pruned_network("block")
    turn = iter(["csr", "bsr", "masked", "csr", "deployed"])

    def clock(functions):
        best = next(turn)
        return {name: 1.0 if name == best else 2.0 for name in functions}

    before = copy.deepcopy(network.state_dict())
    deployed, realisation = deploy(network, names, example, clock=clock)
    assert realisation == "bsr+csr+masked"
    assert {n: d["kind"] for n, d in plan(deployed).items()} == {"0": "csr", "3": "bsr", "7": "csr"}
    assert off(deployed(example), network(example)) <= 1e-5
    assert not any(isinstance(m, SparseConv2d | SparseLinear) for m in network.modules()), "it is left as it is"
    assert all(torch.equal(v, before[n]) for n, v in network.state_dict().items())


def test_a_network_that_is_no_faster_as_a_whole_is_left_as_it_is(pruned_network):
    network, names, example = pruned_network("element")

    def clock(functions):
        return {name: {"csr": 0.5, "deployed": 0.99}.get(name, 1.0) for name in functions}

    deployed, realisation = deploy(network, names, example, clock=clock)
    assert realisation == "masked"
    assert not plan(deployed)
    assert deployed is not network


def test_each_layer_is_timed_with_what_it_reads_and_the_mode_is_kept(pruned_network, monkeypatch):
    network, names, example = pruned_network("shape")
    network.train()
    network[1].eval()
    seen = []
    monkeypatch.setattr(
        "runners.networks.sparse.deployment.choose_fastest",
        lambda layer, found, values, clock: seen.append(values.shape) or "masked",
    )
    deployed, realisation = deploy(network, names, example)
    assert realisation == "masked"
    assert [tuple(s) for s in seen] == [(3, 8, 8, 8), (3, 16, 8, 8), (3, 16, 4, 4), (3, 128)]
    assert [m.training for m in deployed.modules()] == [m.training for m in network.modules()]
    assert not deployed[0]._forward_pre_hooks


def test_the_real_clock_finds_what_the_network_computes(pruned_network):
    network, names, example = pruned_network("shape", keep=0.05)
    deployed, realisation = deploy(network, names, example)
    assert set(realisation.split("+")) <= {"positions", "csr", "masked"}
    assert off(deployed(example), network(example)) <= 1e-5


def test_a_network_that_is_one_layer(prune):
    layer = prune(nn.Linear(16, 8), "element", 0.1)
    deployed, realisation = deploy(layer, [""], torch.randn(2, 16), kind="csr")
    assert isinstance(deployed, SparseLinear)
    assert realisation == "csr"
    assert isinstance(densified(deployed), nn.Linear)
    assert isinstance(rebuild(layer, plan(deployed)), SparseLinear)


def test_a_layer_whose_weight_alone_is_used_is_left_as_it_is(prune):
    class Around(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = prune(nn.Linear(16, 8), "element", 0.1)

        def forward(self, values):
            return nn.functional.linear(values, self.inner.weight, self.inner.bias)

    network, values = Around(), torch.randn(2, 16)
    deployed, realisation = deploy(network, ["inner"], values, kind="csr")
    assert realisation == "masked"
    assert torch.equal(deployed(values), network(values))


def test_nothing_to_replace_is_masked(pruned_network):
    network, _, example = pruned_network("shape")
    assert deploy(network, [], example)[1] == "masked"
    assert deploy(network, ["9"], example)[1] == "masked", "it has no zeros"


@PAIRS
def test_a_kind_can_be_asked_for(pruned_network, grouping, kind):
    network, names, example = pruned_network(grouping)
    deployed, realisation = deploy(network, names, example, kind=kind)
    assert realisation == kind
    assert set(plan(deployed)) == set(names)
    assert off(deployed(example), network(example)) <= 1e-5


@PAIRS
def test_multiply_adds_and_parameters_are_those_that_are_stored(pruned_network, grouping, kind):
    network, names, example = pruned_network(grouping)
    deployed, _ = deploy(network, names, example, kind=kind)
    pixels = {"0": 64, "3": 16, "5": 16, "7": 1}
    macs, parameters = 0, 0
    for name, count in pixels.items():
        weight = network.get_submodule(name).weight
        stored = int(weight.count_nonzero())
        if kind == "positions":
            stored = len(weight) * int(weight.ne(0).any(0).sum())
        assert sum(p.numel() for p in deployed.get_submodule(name).product.parameters()) == stored
        macs += stored * count
        parameters += stored - weight.numel()
    assert count_macs(deployed, example) == macs + 32 * 10
    assert count_parameters(deployed) == count_parameters(network) + parameters


@PAIRS
def test_state_plan_and_nothing_else_make_the_network_again(pruned_network, grouping, kind):
    network, names, example = pruned_network(grouping)
    deployed, _ = deploy(network, names, example, kind=kind)
    expected = deployed(example)
    buffer = io.BytesIO()
    torch.save(deployed.state_dict(), buffer)
    buffer.seek(0)
    state = torch.load(buffer, weights_only=True)
    assert all(type(v) is torch.Tensor and v.layout == torch.strided for v in state.values())
    layers = json.loads(json.dumps(plan(deployed)))
    fresh, _, _ = pruned_network("element", keep=0.9)
    for assign in (False, True):
        again = rebuild(fresh, layers).eval()
        again.load_state_dict(state, assign=assign)
        assert torch.equal(again(example), expected)
        assert plan(again) == layers
    assert not any(isinstance(m, SparseConv2d | SparseLinear) for m in fresh.modules())
    assert file_megabytes(deployed) > 0
    assert peak_megabytes(deployed, example) > 0
    assert torch.equal(copy.deepcopy(deployed)(example), expected)


def test_a_description_says_what_a_layer_is(prune):
    layer = prune(nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False), "shape", 0.4)
    deployed, _ = deploy(layer, [""], torch.randn(1, 4, 8, 8), kind="positions")
    found = describe(deployed)
    used = int(layer.weight.ne(0).any(0).sum())
    assert found["kind"] == "positions"
    assert found["sizes"] == {"outputs": 6, "inputs": used}
    assert found["window"] == {"kernel": [3, 3], "stride": [2, 2], "padding": [1, 1], "dilation": [1, 1]}
    assert sum(found["counts"]) == used
    assert {n: v.shape for n, v in build(found).state_dict().items()} == {
        n: v.shape for n, v in deployed.state_dict().items()
    }


@PAIRS
def test_densified_has_dense_layers_for_sparse_ones(pruned_network, grouping, kind):
    network, names, example = pruned_network(grouping)
    deployed, _ = deploy(network, names, example, kind=kind)
    dense = densified(deployed)
    left = [m for m in dense.modules() if isinstance(m, SparseConv2d | SparseLinear)]
    assert bool(left) == (kind == "positions")
    assert off(dense(example), network(example)) <= 1e-5
    plain = densified(deployed, keep=())
    assert not plan(plain)
    for name in names:
        assert torch.equal(plain.get_submodule(name).weight, network.get_submodule(name).weight)


def test_nothing_is_drawn_at_random(pruned_network):
    network, names, example = pruned_network("element")
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    deployed, _ = deploy(network, names, example, kind="csr")
    densified(rebuild(network, plan(deployed)))
    assert torch.equal(torch.rand(3), expected)


@PAIRS
def test_a_trace_computes_the_same_for_every_batch_size(pruned_network, grouping, kind):
    network, names, example = pruned_network(grouping)
    deployed, _ = deploy(network, names, example, kind=kind)
    traced = torch.jit.trace(deployed, (example,))
    for images in (example, torch.randn(5, 8, 8, 8)):
        assert off(traced(images), deployed(images)) <= 1e-6


@PAIRS
@pytest.mark.parametrize("dynamo", [False, True])
def test_onnx(pruned_network, tmp_path, grouping, kind, dynamo):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript" if dynamo else "onnx")
    network, names, example = pruned_network(grouping)
    deployed = densified(deploy(network, names, example, kind=kind)[0])
    path = tmp_path / "network.onnx"
    batch = {"dynamic_shapes": ({0: torch.export.Dim("n")},)} if dynamo else {"dynamic_axes": {"x": {0: "n"}}}
    torch.onnx.export(deployed, (example,), path, input_names=["x"], dynamo=dynamo, **batch)
    session = runtime.InferenceSession(path.read_bytes() if not dynamo else str(path))
    for images in (example, torch.randn(5, 8, 8, 8)):
        found = torch.from_numpy(session.run(None, {"x": images.numpy()})[0])
        assert off(found, network(images)) <= 1e-4
