"""Every replacement computes what the layer with zeros in place does."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from runners.networks.sparse import columns
from runners.networks.sparse.candidates import candidates
from runners.networks.sparse.columns import positions_used
from runners.networks.sparse.layers import SparseConv2d, SparseLinear
from runners.networks.sparse.products import Csr, Positions, block_size
from runners.networks.sparse.semi_structured import SemiStructured, two_of_four

GROUPINGS = pytest.mark.parametrize("grouping", ["shape", "kernel", "block", "element", "n_of_m"])
KINDS = {"shape": {"positions"}, "block": {"csr", "bsr"}}
CLOSE = 1e-5


@torch.no_grad()
def off(found, expected):
    """Largest difference, relative to the largest value where that is above 1."""
    assert found.shape == expected.shape
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1))


@GROUPINGS
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "window",
    [
        {"kernel_size": 1},
        {"kernel_size": 1, "stride": 2},
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 3, "padding": 1, "stride": 2},
        {"kernel_size": 3, "padding": 2, "dilation": 2},
        {"kernel_size": 5, "padding": 1},
        {"kernel_size": (3, 1), "padding": (1, 0), "stride": (1, 2), "dilation": (2, 1)},
    ],
    ids=str,
)
def test_a_convolution_computes_the_same(prune, grouping, window, bias):
    torch.manual_seed(1)
    layer = prune(nn.Conv2d(8, 12, bias=bias, **window), grouping, 0.25)
    found = candidates(layer, densest=1)
    assert found.keys() >= KINDS.get(grouping, {"csr"})
    for batch in (1, 3):
        plain = torch.randn(batch, 8, 9, 7)
        for images in (plain, plain.to(memory_format=torch.channels_last), plain[..., ::2]):
            expected = layer(images)
            for replacement in found.values():
                assert off(replacement(images), expected) <= CLOSE
            assert off(replacement.dense()(images), expected) <= CLOSE


@settings(max_examples=60)
@given(
    st.integers(0, 2**31),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.tuples(st.integers(5, 9), st.integers(5, 9)),
    st.integers(1, 5),
    st.booleans(),
)
def test_any_window_any_zeros(seed, kernel, stride, padding, dilation, size, inputs, bias):
    torch.manual_seed(seed)
    layer = nn.Conv2d(inputs, 3, kernel, stride, padding, dilation, bias=bias)
    with torch.no_grad():
        layer.weight *= torch.rand(1, *layer.weight.shape[1:]) < torch.rand(())
        layer.weight *= torch.rand(layer.weight.shape) < torch.rand(())
    images = torch.randn(2, inputs, *size)
    expected = layer(images)
    for replacement in candidates(layer).values():
        assert off(replacement(images), expected) <= CLOSE


@GROUPINGS
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5,), (1,), (2, 7), (2, 3, 4)])
def test_a_linear_layer_computes_the_same(prune, grouping, shape, bias):
    torch.manual_seed(2)
    layer = prune(nn.Linear(24, 12, bias=bias), grouping, 0.25)
    found = candidates(layer, densest=1)
    assert found.keys() >= KINDS.get(grouping, {"csr"})
    values = torch.randn(*shape, 24)
    for replacement in found.values():
        assert off(replacement(values), layer(values)) <= CLOSE
        assert off(replacement.dense()(values), layer(values)) <= CLOSE


@pytest.mark.parametrize("alive", [0, 1])
def test_a_layer_with_one_position_or_none_at_all(alive):
    layer = nn.Conv2d(4, 6, 3, padding=1)
    with torch.no_grad():
        layer.weight *= 0
        layer.weight[2, 3, 1, 0] = alive
    images = torch.randn(2, 4, 5, 5)
    found = candidates(layer)
    assert found["positions"].product.weight.shape == (6, 1)
    for replacement in found.values():
        assert off(replacement(images), layer(images)) <= CLOSE


def test_nothing_stands_for_a_layer_without_zeros_or_with_a_window_of_another_kind():
    assert candidates(nn.Conv2d(4, 4, 3)) == {}
    assert candidates(nn.Linear(4, 4)) == {}
    assert candidates(nn.BatchNorm2d(4)) == {}
    for options in ({"groups": 2}, {"padding_mode": "reflect", "padding": 1}, {"padding": "same"}):
        layer = nn.Conv2d(4, 4, 3, **options)
        nn.init.zeros_(layer.weight)
        assert candidates(layer) == {}


def test_a_batch_in_parts_gives_what_it_gives_whole(prune, monkeypatch):
    layer, images = prune(nn.Conv2d(8, 12, 3, padding=1), "element", 0.2), torch.randn(5, 8, 6, 6)
    found = candidates(layer)
    whole = {kind: c(images) for kind, c in found.items()}
    monkeypatch.setattr(columns, "PART", 2 * 72 * 36)
    assert [len(p) for p in columns.split(images, 72 * 36)] == [2, 2, 1]
    for kind, replacement in found.items():
        assert torch.allclose(replacement(images), whole[kind], atol=1e-6)


@GROUPINGS
def test_outputs_are_laid_out_channels_last(prune, grouping):
    layer = prune(nn.Conv2d(8, 12, 3), grouping, 0.25)
    for replacement in candidates(layer).values():
        assert replacement(torch.randn(2, 8, 6, 6)).is_contiguous(memory_format=torch.channels_last)


def test_a_layer_of_positions_trains_as_the_masked_one_does(prune):
    layer = prune(nn.Conv2d(4, 6, 3, padding=1), "shape", 0.3)
    replacement = candidates(layer)["positions"]
    images = torch.randn(3, 4, 6, 6)
    for module in (layer, replacement):
        module(images).square().sum().backward()
    used = positions_used(layer.weight.detach().permute(0, 2, 3, 1).flatten(1))
    expected = layer.weight.grad.permute(0, 2, 3, 1).flatten(1)[:, used]
    assert off(replacement.product.weight.grad, expected) <= CLOSE
    assert off(replacement.bias.grad, layer.bias.grad) <= CLOSE


def test_a_replacement_is_a_copy(prune):
    layer = prune(nn.Linear(8, 8), "shape", 0.5)
    replacement = candidates(layer)["positions"]
    before = copy.deepcopy(layer.state_dict())
    with torch.no_grad():
        for parameter in replacement.parameters():
            parameter.zero_()
    assert all(torch.equal(v, before[n]) for n, v in layer.state_dict().items())


def test_what_is_stored():
    matrix = torch.tensor([[0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, -1.0]])
    csr = Csr.of(matrix)
    assert csr.values.tolist() == [2.0, -1.0]
    assert csr.places.tolist() == [1, 3]
    assert csr.starts.tolist() == [0, 1, 2]
    assert csr.places.dtype == csr.starts.dtype == torch.int32
    assert torch.equal(csr.dense(), matrix)
    assert torch.equal(Positions.of(matrix).dense(), matrix)
    assert positions_used(matrix).tolist() == [1, 3]
    assert positions_used(matrix, grain=2).tolist() == [0, 1, 2, 3]


def test_places_say_what_of_the_whole_matrix_is_read():
    layer = nn.Conv2d(3, 2, 2)
    with torch.no_grad():
        layer.weight *= 0
        layer.weight[0, 2, 0, 1] = layer.weight[1, 0, 1, 1] = 1
    replacement = candidates(layer)["positions"]
    assert isinstance(replacement, SparseConv2d)
    assert replacement.counts == (0, 1, 0, 1)
    assert replacement.channels.tolist() == [2, 0]
    assert replacement.places().tolist() == [1 * 3 + 2, 3 * 3 + 0]


@pytest.mark.parametrize("size", [4, 8, 16])
def test_the_size_of_blocks_is_read_off_the_zeros(size):
    torch.manual_seed(0)
    tiles = torch.rand(4, 6) < 0.4
    matrix = torch.randn(4 * size, 6 * size) * tiles.repeat_interleave(size, 0).repeat_interleave(size, 1)
    assert block_size(matrix, 6 * size) == size
    assert block_size(matrix, 6) is None, "a block would reach over the end of the channels"
    assert block_size(torch.randn(8, 8), 8) is None, "nothing is zero"
    assert block_size(torch.randn(16, 16) * (torch.rand(16, 16) < 0.3), 16) is None


def test_two_of_four_keeps_the_values_and_their_places():
    torch.manual_seed(0)
    ranks = torch.rand(6, 8, 4).argsort(-1)
    matrix = (torch.randn(6, 8, 4) * (ranks < 2)).flatten(1)
    matrix[0, :4] = 0  # fewer than two
    assert two_of_four(matrix)
    assert not two_of_four(torch.ones(2, 4))
    assert not two_of_four(torch.zeros(2, 6))
    product = SemiStructured.of(matrix)
    assert torch.equal(product.dense(), matrix)
    assert product.values.shape == product.places.shape == (6, 16)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@GROUPINGS
def test_on_cuda(prune, grouping):
    torch.manual_seed(0)
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        layer = prune(nn.Conv2d(64, 64, 3, padding=1), grouping, 0.25).cuda()
        images = torch.randn(4, 64, 8, 8, device="cuda")
        for kind, replacement in candidates(layer).items():
            bound = 1e-2 if kind == "semi_structured" else CLOSE  # TF32
            assert off(replacement(images), layer(images)) <= bound
    finally:
        torch.backends.cudnn.allow_tf32 = allowed


def test_linear_replacements_are_of_one_class(prune):
    layer = prune(nn.Linear(16, 16), "element", 0.1)
    assert all(isinstance(c, SparseLinear) for c in candidates(layer).values())
