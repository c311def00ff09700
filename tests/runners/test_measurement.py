"""What a network costs, against numbers counted by hand."""

import io

import pytest
import torch
from torch import nn

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
