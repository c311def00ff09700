"""Networks: their shapes over the registry, and the sizes that the literature gives for them."""

import math

import pytest
import torch
from torch import nn

from runners.architectures import ARCHITECTURES
from runners.errors import InputError
from runners.measurement import count_macs, count_parameters

SHAPES = [(1, 28, 10), (1, 32, 10), (3, 32, 100), (3, 32, 2)]
EVERY = pytest.mark.parametrize("name", ARCHITECTURES)
SHAPED = pytest.mark.parametrize("shape", SHAPES, ids=str)


def build(name, shape=(1, 28, 10)):
    try:
        return ARCHITECTURES[name](*shape)
    except InputError as error:
        pytest.skip(str(error))


@EVERY
@SHAPED
def test_one_output_per_class(name, shape):
    channels, size, classes = shape
    network = build(name, shape).eval()
    with torch.no_grad():
        output = network(torch.randn(2, channels, size, size))
    assert output.shape == (2, classes)
    assert output.isfinite().all()


@EVERY
def test_the_seed_decides_the_weights(name):
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(nn.utils.parameters_to_vector(build(name).parameters()))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


@EVERY
def test_every_parameter_is_trained(name):
    network = build(name)
    network(torch.randn(2, 1, 28, 28)).logsumexp(1).sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []


def residual(blocks):
    """Multiply-adds of a residual network: every stage costs the same, but for the first layer of the later ones."""
    layer = 16 * 16 * 9 * 32 * 32
    return 3 * 16 * 9 * 32 * 32 + 3 * 2 * blocks * layer - 2 * layer // 2 + 64 * 10


@pytest.mark.parametrize(
    ("name", "shape", "parameters", "macs"),
    [
        # 20 5x5 filters on 24x24 places, 50 of 20 maps on 8x8, 800 x 500, 500 x 10
        ("lenet5_caffe", (1, 28, 10), 431_080, 20 * 25 * 24 * 24 + 50 * 20 * 25 * 8 * 8 + 800 * 500 + 500 * 10),
        ("lenet5", (1, 28, 10), 61_706, 6 * 25 * 28 * 28 + 16 * 6 * 25 * 10 * 10 + 400 * 120 + 120 * 84 + 84 * 10),
        ("mlp", (1, 28, 10), 266_610, 784 * 300 + 300 * 100 + 100 * 10),
        # He et al. 2016, table 6: 0.27M, 0.46M, 0.85M, 1.7M
        ("resnet20", (3, 32, 10), 269_722, residual(3)),
        ("resnet32", (3, 32, 10), 464_154, residual(5)),
        ("resnet56", (3, 32, 10), 853_018, residual(9)),
        ("resnet110", (3, 32, 10), 1_727_962, residual(18)),
    ],
)
def test_published_sizes(name, shape, parameters, macs):
    channels, size, _ = shape
    network = ARCHITECTURES[name](*shape)
    assert count_parameters(network) == parameters
    assert count_macs(network, torch.randn(3, channels, size, size)) == macs


@EVERY
@SHAPED
def test_multiply_adds_are_those_of_the_layers(name, shape):
    """outputs x what each is summed over, for convolutions and linear layers; nothing else multiplies matrices here."""
    channels, size, _ = shape
    network, counted = build(name, shape), []

    def count(module, _, output):
        counted.append(output[0].numel() * math.prod(module.weight.shape[1:]))

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    example = torch.randn(2, channels, size, size)
    network.eval()(example)
    expected = sum(counted)
    assert count_macs(network, example) == expected


@EVERY
def test_help_is_one_line(name):
    assert ARCHITECTURES.help(name)
    assert "\n" not in ARCHITECTURES.help(name)


def test_the_registry_knows_the_nearest_name_and_refuses_a_second_entry():
    with pytest.raises(InputError, match=r"^unknown architecture; did you mean lenet5\? known: "):
        ARCHITECTURES["lenet_5"]
    with pytest.raises(ValueError, match="architecture mlp is registered twice"):
        ARCHITECTURES.register("mlp")(lambda channels, size, classes: nn.Identity())
    assert list(ARCHITECTURES) == sorted(ARCHITECTURES)
    assert len(ARCHITECTURES) == len(list(ARCHITECTURES))
    assert "mlp" in ARCHITECTURES
    assert "nonsense" not in ARCHITECTURES
