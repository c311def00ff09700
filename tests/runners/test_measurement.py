"""What a network costs, against numbers counted by hand."""

import io

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune
from torch.utils.flop_counter import FlopCounterMode

from runners import measurement
from runners.measurement import (
    BATCHES,
    LatencyRecord,
    compare_latency,
    count_macs,
    count_parameters,
    file_megabytes,
    peak_megabytes,
    speedup,
)
from runners.networks.architectures import ARCHITECTURES
from runners.vision import torchvision
from tests.runners import user_networks as users


def convolution():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3, groups=2))


def test_parameters_are_those_stored_zeros_included():
    network = convolution()
    assert count_parameters(network) == (3 * 9 * 8 + 8) + 2 * 8 + (4 * 9 * 4 + 4)
    nn.init.zeros_(network[0].weight)
    assert count_parameters(network) == 224 + 16 + 148


def test_macs_are_for_one_image_whatever_the_batch():
    network = convolution()
    expected = 8 * 27 * 10 * 10 + 4 * 36 * 8 * 8
    assert count_macs(network, torch.randn(1, 3, 10, 10)) == expected
    assert count_macs(network, torch.randn(5, 3, 10, 10)) == expected
    assert count_macs(nn.Linear(30, 20), torch.randn(2, 30)) == 600


@pytest.mark.parametrize(("size", "expected"), [(28, 661_824), (8, 149_824)])
def test_an_lstm_counts_its_matrices_at_every_step(size, expected):
    assert expected == size * 4 * 64 * (size + 64) + 64 * 32 + 32 * 10
    assert count_macs(users.lstm(1, size, 10), torch.randn(2, 1, size, size)) == expected


X = torch.randn(1, 5, 8)  # five steps of eight values
RECURRENT = {
    "two layers, both directions": (nn.LSTM(8, 16, 2, bidirectional=True), 2 * 64 * (8 + 16) + 2 * 64 * (32 + 16)),
    "projected": (nn.LSTM(8, 16, proj_size=4), 64 * (8 + 4) + 16 * 4),
    "without biases": (nn.LSTM(8, 16, bias=False), 64 * (8 + 16)),
    "gru": (nn.GRU(8, 16, 2, bidirectional=True), 2 * 48 * (8 + 16) + 2 * 48 * (32 + 16)),
    "rnn": (nn.RNN(8, 16), 16 * (8 + 16)),
    "cell": (users.Layer(nn.LSTMCell(8, 16)), 64 * (8 + 16)),
}


@pytest.mark.parametrize("case", RECURRENT)
def test_recurrent_layers_count_their_matrices_at_every_step(case):
    layer, expected = RECURRENT[case]
    if case == "cell":
        assert count_macs(layer, X[0]) == expected
    else:
        layer.batch_first = True
        assert count_macs(layer, X) == 5 * expected


def test_a_packed_sequence_counts_the_steps_that_it_has():
    packed = torch.nn.utils.rnn.pack_sequence([torch.randn(5, 8)])
    layer = nn.LSTM(8, 16)
    network = users.Layer(lambda _: layer(packed))
    network.layer = layer
    assert count_macs(network, X) == 5 * 64 * (8 + 16)


def test_one_operator_for_all_layers_as_cudnn_has_it_counts_the_same():
    weights = [(64, 8), (64, 16), (64,), (64,), (64, 16), (64, 16), (64,), (64,)]
    assert measurement._recurrent((5, 1, 8), weights, 4, None) == 2 * 5 * 64 * (8 + 16 + 16 + 16)


class Attention(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.options = options

    def forward(self, x):
        return self.attention(x, x, x, **self.options)[0]


ATTENTION = 5 * 8 * 8 * (3 + 1) + 2 * 5 * 5 * 8  # query, key, value and output; the two products


@pytest.mark.parametrize("options", [{}, {"need_weights": False}], ids=str)
def test_attention_counts_its_matrices_and_its_two_products(options):
    assert count_macs(Attention(**options), X) == ATTENTION
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    assert count_macs(nn.TransformerEncoder(layer, 3), X) == 3 * (ATTENTION + 2 * 5 * 8 * 16)


def test_a_transformer_of_torchvision_counts_its_attention():
    """vit_b_16 counts 17,563,828,224 so, the 17.56 G of its table."""
    network = torchvision.models.VisionTransformer(32, 8, 2, 4, 24, 48, num_classes=10)
    tokens, width = 17, 24
    block = tokens * width * (4 * width + 2 * 48) + 2 * tokens * tokens * width
    assert count_macs(network, torch.randn(1, 3, 32, 32)) == 16 * 3 * 64 * width + 2 * block + width * 10


def test_counting_changes_nothing():
    network = Attention().requires_grad_(True)
    network.attention.out_proj.bias.requires_grad_(False)
    network.register_forward_hook(lambda *_: seen.append(torch.backends.mha.get_fastpath_enabled()))
    seen, grads = [], [p.requires_grad for p in network.parameters()]
    count_macs(network, X)
    with pytest.raises(AssertionError):
        count_macs(network, X[..., :3])
    assert (seen, torch.backends.mha.get_fastpath_enabled()) == ([False], True)
    assert [p.requires_grad for p in network.parameters()] == grads
    assert torch.backends.cuda.flash_sdp_enabled()


def test_an_operator_with_a_weight_that_counts_nothing_makes_the_count_unknown(caplog):
    caplog.set_level("INFO", "klevel")
    assert count_macs(users.bilinear(1, 28, 10), torch.randn(1, 1, 28, 28)) is None
    assert "aten::_trilinear" in caplog.text


class Embedded(nn.Module):
    """Reads weights of two dimensions and more in many ways, none of them a product of matrices."""

    def __init__(self):
        super().__init__()
        self.table, self.norm = nn.Embedding(9, 8), nn.LayerNorm((6, 8))
        self.token, self.places = (nn.Parameter(torch.randn(1, n, 8)) for n in (1, 6))
        self.bias, self.scale = nn.Parameter(torch.randn(9, 3)), nn.Parameter(torch.ones(8, 1))
        self.inner = nn.Identity()

    def forward(self, x):
        token = self.inner(self.token).expand(len(x), -1, -1)
        x = self.norm(torch.cat([token, x], 1) + self.places) + self.table(torch.arange(6))
        pooled = F.interpolate(self.places[None], (3, 4), mode="bicubic").mean()
        return x * self.scale.t() + pooled + self.bias[torch.arange(6)].sum(1, keepdim=True) + self.places.norm()


def test_reading_a_weight_without_a_product_of_matrices_counts_nothing():
    assert count_macs(Embedded(), X) == 0


@pytest.mark.parametrize(
    "change", [nn.utils.parametrizations.weight_norm, lambda m: prune.l1_unstructured(m, "weight", 3)]
)
def test_weights_that_are_computed_count_as_others(change):
    layer = nn.Linear(8, 4)
    change(layer)
    assert count_macs(layer, X) == 5 * 32


@pytest.mark.parametrize("name", ["lenet5", "resnet20", "mobilenet_v2", "densenet40", "vit_tiny"])
def test_what_torch_counts_is_counted_as_before(name):
    network, example = ARCHITECTURES[name](3, 32, 10).eval(), torch.randn(1, 3, 32, 32)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(example)
    assert count_macs(network, example) == counter.get_total_flops() // 2


def test_the_file_is_that_of_the_saved_weights():
    network = nn.Linear(1000, 250)
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer)
    assert file_megabytes(network) == len(buffer.getvalue()) / 1e6
    assert 1.001 <= file_megabytes(network) < 1.005, "4 bytes a parameter, and a few kB around them"


IMAGE = 4 * 10 * 10  # bytes of one channel of 10x10 pixels

PEAKS = {
    # name: network, shape of its input, bytes of the parameters, of the activations that live at the peak
    "linear": (lambda: nn.Linear(4, 3), (2, 4), 4 * 15, 4 * 2 * 3),
    "flatten makes nothing": (nn.Flatten, (2, 3, 10, 10), 0, 0),
    "one convolution": (lambda: nn.Conv2d(1, 2, 1), (1, 1, 10, 10), 4 * 4, 2 * IMAGE),
    "input of a layer lives as long as its output": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Conv2d(2, 1, 1)),
        (1, 1, 10, 10),
        4 * (4 + 3),
        (2 + 2) * IMAGE,
    ),
    "in place": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(inplace=True), nn.Conv2d(2, 1, 1)),
        (1, 1, 10, 10),
        4 * (4 + 3),
        (2 + 1) * IMAGE,
    ),
    "what is not needed any more is gone": (
        lambda: nn.Sequential(*[nn.ReLU() for _ in range(6)]),
        (1, 1, 10, 10),
        0,
        2 * IMAGE,
    ),
    "batch": (lambda: nn.Conv2d(1, 2, 1), (5, 1, 10, 10), 4 * 4, 5 * 2 * IMAGE),
}


@pytest.mark.parametrize("case", PEAKS)
def test_peak_memory_is_parameters_input_and_live_activations(case):
    build, shape, parameters, activations = PEAKS[case]
    images = torch.randn(shape)
    assert round(1e6 * peak_megabytes(build(), images)) == parameters + 4 * images.numel() + activations


def test_peak_memory_is_the_same_each_time():
    network, images = convolution(), torch.randn(4, 3, 10, 10)
    assert len({peak_megabytes(network, images) for _ in range(3)}) == 1


def test_latency_has_a_row_per_network_and_batch():
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    rows = compare_latency(network, network, torch.randn(3, 1, 2, 2))
    assert [(r.network, r.batch) for r in rows] == [(n, b) for b in BATCHES for n in ("dense", "compact")]
    assert BATCHES == (1, 64)
    for row in rows:
        assert (row.backend, row.device, row.threads) == ("torch", "cpu", torch.get_num_threads())
        assert row.median_ms > 0
        assert row.iqr_ms >= 0
        assert row.repeats >= 2


@pytest.mark.parametrize(("n", "examples"), [(1, 3), (3, 3), (64, 3), (64, 100)])
def test_a_batch_repeats_the_example_where_it_does_not_suffice(n, examples):
    example = torch.arange(examples).float().view(-1, 1, 1, 1)
    batch = measurement._batch(example, n)
    assert batch.flatten().tolist() == [float(i % examples) for i in range(n)]


def test_blocks_are_repeated_until_both_are_steady(monkeypatch):
    monkeypatch.setattr(measurement, "LEAST_REPEATS", 4)
    monkeypatch.setattr(measurement, "MOST_REPEATS", 8)
    steady, noisy = [1.0] * 8, [1.0, 2.0] * 4
    assert not measurement._steady({"dense": [], "compact": []})
    assert not measurement._steady({"dense": steady[:3], "compact": steady[:3]})
    assert measurement._steady({"dense": steady[:4], "compact": steady[:4]})
    assert not measurement._steady({"dense": steady[:7], "compact": noisy[:7]})
    assert measurement._steady({"dense": steady, "compact": noisy})


def latency(network, batch, median):
    return LatencyRecord(network, "torch", "cpu", batch, 1, median, 0.1, 15)


def test_speedup_is_dense_over_compact_at_the_batch():
    rows = [
        latency("dense", 1, 3.0),
        latency("compact", 1, 2.0),
        latency("dense", 64, 8.0),
        latency("compact", 64, 2.0),
    ]
    assert speedup(rows, 1) == 1.5
    assert speedup(rows, 64) == 4.0


def test_device_name():
    assert measurement.device_name(torch.device("cpu")) == "cpu"
